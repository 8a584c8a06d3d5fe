"""What makes a domain run and stop."""

from __future__ import annotations

import os

from virtlxc.cli.domains import ACTIVE, AFFECT, DOMAIN, EXCLUDES, IN_CONFIG, OF_CURRENT, OF_LIVE
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.cli.grammar import Command, flag, number, rows, text, word
from virtlxc.cli.lookup import domain, find_domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args, Run
    from virtlxc.cli.session import Ref, Session

INACTIVE = word("domain", "name or UUID", complete="inactive-domains")

# libvirt's virDomainCreateFlags.
START_FLAGS = (
    ("paused", 1), ("autodestroy", 2), ("bypass-cache", 4), ("force-boot", 8),
    ("validate", 16), ("reset-nvram", 32),
)  # fmt: skip
# By libvirt's virDomainLifecycle and virDomainLifecycleAction.
ENDS = ("poweroff", "reboot", "crash")
ACTIONS = (
    "destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart",
)  # fmt: skip
DESTROY_FLAGS = (("graceful", 1), ("remove-logs", 2))
# libvirt's virDomainShutdownFlagValues; virDomainRebootFlagValues are the same.
MODES = {"acpi": 1, "agent": 2, "initctl": 4, "signal": 8, "paravirt": 16}


def _start(session: Session, args: Args) -> None:
    ref = find_domain(session, args["domain"], by_id=False)
    if ref[2] >= 0:
        raise Failed("Domain is already active")
    flags = args.bits(START_FLAGS)
    fds = passed_fds(args)
    failed = f"Failed to start domain '{ref[0]}'"
    ignore = args.get("ignore")
    if ignore is not None:
        ref = session.own(
            "START_IGNORING", failed=failed, dom=ref, ignore=ignore.split(","), flags=flags,
            fds=fds,
        )["dom"]  # fmt: skip
    elif fds:
        ref = session.call(
            "DOMAIN_CREATE_WITH_FILES", failed=failed, dom=ref, flags=flags, fds=fds
        )["dom"]
    elif flags:
        ref = session.call("DOMAIN_CREATE_WITH_FLAGS", failed=failed, dom=ref, flags=flags)["dom"]
    else:
        session.call("DOMAIN_CREATE", failed=failed, dom=ref)
    session.remark(f"Domain '{ref[0]}' started\n")
    if "console" in args:
        _console(session, ref)


def _create(session: Session, args: Args) -> None:
    path = args["file"]
    xml = read_text(path)
    flags = args.bits(START_FLAGS)
    fds = passed_fds(args)
    failed = f"Failed to create domain from {path}"
    if fds:
        found = session.call(
            "DOMAIN_CREATE_XML_WITH_FILES", failed=failed, xml_desc=xml, flags=flags, fds=fds
        )
    else:
        found = session.call("DOMAIN_CREATE_XML", failed=failed, xml_desc=xml, flags=flags)
    ref: Ref = found["dom"]
    session.remark(f"Domain '{ref[0]}' created from {path}\n")
    if "console" in args:
        _console(session, ref)


def _console(session: Session, ref: Ref) -> None:
    from virtlxc.cli.terminal import attach

    attach(session, ref)


def passed_fds(args: Args) -> list[int]:
    """The descriptors that --pass-fds names."""
    if not ("pass-fds" in args and args.get("pass-fds")):
        return []
    fds = []
    for part in args["pass-fds"].split(","):
        try:
            fds.append(int(part))
            os.fstat(fds[-1])
        except ValueError:
            raise Failed(
                f"Unable to parse FD number '{part}'",
                "a second word is --pass-fds, descriptors for init; one command starts one domain",
            ) from None
        except OSError as error:
            raise Failed(f"Unable to pass FD {part}: {os.strerror(error.errno or 0)}") from None
    return fds


def _destroy(session: Session, args: Args) -> None:
    ref = domain(session, args)
    name = args["domain"]
    failed, flags = f"Failed to destroy domain '{name}'", args.bits(DESTROY_FLAGS)
    with_flags(session, "DOMAIN_DESTROY", failed, ref, flags)
    session.remark(f"Domain '{name}' destroyed\n")


def with_flags(session: Session, call: str, failed: str, ref: Ref, flags: int) -> None:
    """Makes the call with flags only if there are some, as virsh does: errors name the call."""
    if flags:
        session.call(f"{call}_FLAGS", failed=failed, dom=ref, flags=flags)
    else:
        session.call(call, failed=failed, dom=ref)


def _modes(args: Args) -> int:
    flags = 0
    given = args.get("mode")
    for mode in given.split(",") if given else ():
        if mode not in MODES:
            known = ", ".join(f"'{name}'" for name in list(MODES)[:-1])
            raise Failed(f"Unknown mode {mode} value, expecting {known}, or 'paravirt'")
        flags |= MODES[mode]
    return flags


def _shutdown(session: Session, args: Args) -> None:
    flags = _modes(args)
    seconds = args.integer("timeout", least=0)
    ref = domain(session, args)
    name = args["domain"]
    failed = f"Failed to shutdown domain '{name}'"
    if "wait" in args:
        from virtlxc.cli.waiting import shut_down_and_wait

        shut_down_and_wait(session, ref, flags, seconds, force="force" in args, failed=failed)
        return
    with_flags(session, "DOMAIN_SHUTDOWN", failed, ref, flags)
    session.remark(f"Domain '{name}' is being shutdown\n")


def _reboot(session: Session, args: Args) -> None:
    try:
        flags = _modes(args)
    except Failed as failed:
        # virsh's sentence for reboot lacks the comma that the one for shutdown has.
        raise Failed(*(line.replace("', or", "' or") for line in failed.lines)) from None
    ref = domain(session, args)
    name = args["domain"]
    session.call(
        "DOMAIN_REBOOT", failed=f"Failed to reboot domain '{name}'", dom=ref, flags=flags
    )
    session.remark(f"Domain '{name}' is being rebooted\n")


def _plain(call: str, verb: str, done: str) -> Run:
    """A command that makes one call for a domain and says that it did."""

    def run(session: Session, args: Args) -> None:
        ref = domain(session, args)
        name = args["domain"]
        session.call(call, failed=f"Failed to {verb} domain '{name}'", dom=ref)
        session.remark(f"Domain '{name}' {done}\n")

    return run


def _autostart(session: Session, args: Args) -> None:
    ref = domain(session, args)
    name = args["domain"]
    mark = "unmark" if "disable" in args else "mark"
    session.call(
        "DOMAIN_SET_AUTOSTART",
        failed=f"Failed to {mark} domain '{name}' as autostarted",
        dom=ref,
        autostart=int("disable" not in args),
    )
    session.remark(f"Domain '{name}' {mark}ed as autostarted\n")


def _set_action(session: Session, args: Args) -> None:
    kind, action = args["type"], args["action"]
    if kind not in ENDS:
        raise Failed(f"Invalid lifecycle type '{kind}'.")
    if action not in ACTIONS:
        raise Failed(f"Invalid lifecycle action '{action}'.")
    session.call(
        "DOMAIN_SET_LIFECYCLE_ACTION",
        failed="Unable to change lifecycle action.",
        dom=domain(session, args),
        type=ENDS.index(kind),
        action=ACTIONS.index(action),
        flags=args.bits(AFFECT),
    )


COMMANDS = rows(
    Command(
        "set-lifecycle-action",
        "what follows when a domain ends by itself",
        DOMAIN,
        word("type", "poweroff, reboot or crash"),
        word("action", "destroy, restart, preserve, ..."),
        IN_CONFIG,
        OF_LIVE,
        OF_CURRENT,
        run=_set_action,
        excludes=EXCLUDES,
    ),
    Command(
        "autostart",
        "let a domain start with the daemon",
        DOMAIN,
        flag("disable", "do not let it any more"),
        run=_autostart,
    ),
    Command(
        "create",
        "start a domain that has no definition on disk, from an XML file",
        word("file", "the domain's XML", complete="files"),
        flag("console", "attach to its console"),
        flag("paused", "leave it paused"),
        flag("autodestroy", "destroy it when this connection ends"),
        text("pass-fds", "descriptors for its init: N,N,..."),
        flag("validate", "check the XML against the schema"),
        flag("reset-nvram", "as virsh; containers have none"),
        run=_create,
    ),
    Command(
        "destroy",
        "stop a domain at once",
        ACTIVE,
        flag("graceful", "give it time to end by itself"),
        flag("remove-logs", "remove its log too"),
        run=_destroy,
    ),
    Command(
        "reboot",
        "ask a domain to reboot",
        ACTIVE,
        text("mode", "how: initctl|signal"),
        run=_reboot,
    ),
    Command(
        "resume",
        "let a paused domain go on",
        word("domain", "name, id or UUID", complete="paused-domains"),
        run=_plain("DOMAIN_RESUME", "resume", "resumed"),
    ),
    Command(
        "shutdown",
        "ask a domain to end",
        ACTIVE,
        text("mode", "how: initctl|signal"),
        flag("wait", "wait until it has ended"),
        number("timeout", "how long --wait waits, in seconds; 60 if not given", named=True),
        flag("force", "destroy it when --wait has waited long enough"),
        run=_shutdown,
        needs=(("timeout", "wait"), ("force", "wait")),
    ),
    Command(
        "start",
        "start a defined domain",
        INACTIVE,
        flag("console", "attach to its console"),
        flag("paused", "leave it paused"),
        flag("autodestroy", "destroy it when this connection ends"),
        flag("bypass-cache", "as virsh; without effect here"),
        flag("force-boot", "forget a saved state"),
        text("pass-fds", "descriptors for its init: N,N,..."),
        flag("reset-nvram", "as virsh; containers have none"),
        text("ignore", "start although these elements are not acted on: NAME,NAME,...", named=True),
        run=_start,
    ),
    Command(
        "suspend",
        "pause a domain",
        ACTIVE,
        run=_plain("DOMAIN_SUSPEND", "suspend", "suspended"),
    ),
)
