"""Devices that come and go."""

from __future__ import annotations

from virtlxc.cli.devices import WHERE, WHERE_EXCLUDES, change
from virtlxc.cli.domains import AFFECT, DOMAIN, EXCLUDES, IN
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, rows, word
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import Session


def _change(verb: str, done: str) -> Run:
    """A command that gives a device's XML to one call."""

    def run(session: Session, args: Args) -> None:
        ref = domain(session, args)
        path = args["file"]
        failed = f"Failed to {verb} device from {path}"
        change(session, args, verb.upper(), read_text(path), failed, ref)
        session.remark(f"Device {done} successfully\n")

    return run


def _detach_alias(session: Session, args: Args) -> None:
    ref = domain(session, args)
    name = args["alias"]
    failed = f"Failed to detach device with alias {name}"
    session.call(
        "DOMAIN_DETACH_DEVICE_ALIAS", failed=failed, dom=ref, alias=name, flags=args.bits(AFFECT)
    )
    session.remark("Device detach request sent successfully\n")


OPTIONS = (DOMAIN, word("file", "the device's XML", complete="files"), *WHERE)

COMMANDS = rows(
    Command(
        "attach-device",
        "give a domain a device",
        *OPTIONS,
        run=_change("attach", "attached"),
        excludes=WHERE_EXCLUDES,
    ),
    Command(
        "detach-device",
        "take a device from a domain",
        *OPTIONS,
        run=_change("detach", "detached"),
        excludes=WHERE_EXCLUDES,
    ),
    Command(
        "detach-device-alias",
        "take a device from a domain, by its alias",
        DOMAIN,
        word("alias", "its name in dumpxml, such as net0"),
        *IN,
        run=_detach_alias,
        excludes=EXCLUDES,
    ),
    Command(
        "update-device",
        "change a device of a domain",
        *OPTIONS,
        flag("force", "even if the domain uses it"),
        run=_change("update", "updated"),
        excludes=WHERE_EXCLUDES,
    ),
)
