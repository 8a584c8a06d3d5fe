"""Single processes in a domain."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rest, rows, word
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

PID_MAX = (1 << 63) - 1
# By number, in libvirt's words for them.
SIGNALS = (
    "nop", "hup", "int", "quit", "ill", "trap", "abrt", "bus", "fpe", "kill", "usr1", "segv",
    "usr2", "pipe", "alrm", "term", "stkflt", "chld", "cont", "stop", "tstp", "ttin", "ttou",
    "urg", "xcpu", "xfsz", "vtalrm", "prof", "winch", "poll", "pwr", "sys",
    *(f"rt{number}" for number in range(33)),
)  # fmt: skip


def _send_signal(session: Session, args: Args) -> None:
    ref = domain(session, args)
    pid = args.integer("pid", least=-PID_MAX, most=PID_MAX)
    name = args["signame"]
    number = signal_number(name)
    if number is None:
        raise Failed(f"malformed signal name: {name}")
    session.call("DOMAIN_SEND_PROCESS_SIGNAL", dom=ref, pid_value=pid, signum=number)


def signal_number(name: str) -> int | None:
    """The number of ``9``, ``kill``, ``SIGKILL`` or ``sig_kill``; None when there is no such."""
    short = name.lower()
    if short.isdecimal():
        return int(short)
    short = short.removeprefix("sig").removeprefix("_") if short.startswith("sig") else short
    return SIGNALS.index(short) if short in SIGNALS else None


def _enter(session: Session, args: Args) -> None:
    """As virsh's, which tells nothing of how the command ended."""
    from virtlxc.cli.execution import Execution

    ref = domain(session, args)
    try:
        Execution(session, ref, args.rest).run(
            env=[], cwd=None, user=None, group=None, terminal=False
        )
    except Failed as failed:
        raise Failed(*failed.lines) from None


COMMANDS = rows(
    Command(
        "lxc-enter-namespace",
        "run a command in a running domain; exec does it with a terminal and passes the status on",
        ACTIVE,
        flag("noseclabel", "as virsh; the security label is always the domain's"),
        rest("cmd", "the command and its arguments", required=True),
        run=_enter,
    ),
    Command(
        "send-process-signal",
        "send a signal to a process in a domain",
        ACTIVE,
        word("pid", "the process, by its number in the domain"),
        word("signame", "the signal, by name or number"),
        run=_send_signal,
    ),
)
