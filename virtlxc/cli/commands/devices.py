"""Devices that come and go."""

from __future__ import annotations

from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, word
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import Session

LIVE, CONFIG, FORCE = 1, 2, 4


def _change(verb: str, done: str) -> Run:
    """A command that gives a device's XML to one call."""

    def run(session: Session, args: Args) -> None:
        flags = 0
        if "config" in args or "persistent" in args:
            flags |= CONFIG
        if "live" in args:
            flags |= LIVE
        ref = domain(session, args)
        path = args["file"]
        if "persistent" in args and ref[2] >= 0:
            flags |= LIVE
        if "force" in args:
            flags |= FORCE
        call, failed = f"DOMAIN_{verb.upper()}_DEVICE", f"Failed to {verb} device from {path}"
        xml = read_text(path)
        # As virsh: the older call where it says the same, because errors name the call.
        if flags or "current" in args or verb == "update":
            session.call(f"{call}_FLAGS", failed=failed, dom=ref, xml=xml, flags=flags)
        else:
            session.call(call, failed=failed, dom=ref, xml=xml)
        session.remark(f"Device {done} successfully\n")

    return run


def _detach_alias(session: Session, args: Args) -> None:
    flags = args.bits((("config", CONFIG), ("live", LIVE)))
    ref = domain(session, args)
    name = args["alias"]
    failed = f"Failed to detach device with alias {name}"
    session.call("DOMAIN_DETACH_DEVICE_ALIAS", failed=failed, dom=ref, alias=name, flags=flags)
    session.remark("Device detach request sent successfully\n")


OPTIONS = (
    word("domain", "name, id or UUID", complete="domains"),
    word("file", "the device's XML", complete="files"),
    flag("persistent", "in the definition, and in what runs if it runs"),
    flag("config", "in the definition"),
    flag("live", "in what runs"),
    flag("current", "in what is now"),
)
EXCLUDES = (("persistent", "current"), ("current", "live"), ("current", "config"))

COMMANDS = rows(
    Command(
        "attach-device",
        "give a domain a device",
        *OPTIONS,
        run=_change("attach", "attached"),
        excludes=EXCLUDES,
    ),
    Command(
        "detach-device",
        "take a device from a domain",
        *OPTIONS,
        run=_change("detach", "detached"),
        excludes=EXCLUDES,
    ),
    Command(
        "detach-device-alias",
        "take a device from a domain, by its alias",
        word("domain", "name, id or UUID", complete="domains"),
        word("alias", "its name in dumpxml, such as net0"),
        flag("config", "in the definition"),
        flag("live", "in what runs"),
        flag("current", "in what is now"),
        run=_detach_alias,
        excludes=EXCLUDES[1:],
    ),
    Command(
        "update-device",
        "change a device of a domain",
        *OPTIONS,
        flag("force", "even if the domain uses it"),
        run=_change("update", "updated"),
        excludes=EXCLUDES,
    ),
)
