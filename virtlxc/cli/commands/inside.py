"""What is inside a domain: a command run there, and what it wrote to its log."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE, DOMAIN
from virtlxc.cli.failures import Exit, Failed
from virtlxc.cli.grammar import Command, flag, number, rest, rows, text
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

LOG_PIECE = 1 << 20
LINES = 1000
POLL_S = 0.2


def _exec(session: Session, args: Args) -> None:
    from virtlxc.cli.execution import Execution

    ref = domain(session, args)
    env = [_pair(pair) for pair in (args.get("env") or "").split(",") if pair]
    execution = Execution(session, ref, args.rest)
    status = execution.run(
        env=env,
        cwd=args.get("cwd"),
        user=args.get("user"),
        group=args.get("group"),
        terminal=False if "no-tty" in args else True if "tty" in args else None,
    )
    raise Exit(status)


def _pair(pair: str) -> str:
    if "=" not in pair:
        raise Failed(f"--env is NAME=VALUE,..., not '{pair}'")
    return pair


def _logs(session: Session, args: Args) -> None:
    lines = args.integer("lines", least=0)
    ref = domain(session, args)
    text, offset = b"", 0
    while True:
        found = session.own("LOGS", dom=ref, offset=offset, size=LOG_PIECE)
        if not found["data"]:
            break
        text += found["data"]
        offset = found["next"]
    show = _writer(session, raw="raw" in args)
    kept = _lines(text)[-(LINES if lines is None else lines) :]
    show(b"".join(kept if lines != 0 else ()), "follow" not in args)
    if "follow" not in args:
        return
    from time import sleep

    while True:
        found = session.own("LOGS", dom=ref, offset=offset, size=LOG_PIECE)
        offset = found["next"]
        if found["data"]:
            show(found["data"], False)
        else:
            sleep(POLL_S)


def _lines(text: bytes) -> list[bytes]:
    """Its lines with their ends; a carriage return alone ends none."""
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]


def _writer(session: Session, *, raw: bool) -> Callable[[bytes, bool], None]:
    """Prints pieces of a log, and whether it was the last; a terminal gets no guest's sequences."""
    import sys

    if raw or not sys.stdout.isatty():
        return lambda data, last: session.say_bytes(data)
    from virtlxc.cli.terminal_text import Harmless

    harmless = Harmless()

    def write(data: bytes, last: bool) -> None:
        text = harmless.show(data) + (harmless.end() if last else "")
        session.say_bytes(text.encode(sys.stdout.encoding, "backslashreplace"))

    return write


COMMANDS = rows(
    Command(
        "exec",
        "run a command in a running domain; its exit status is passed on",
        ACTIVE,
        flag("tty", "give it a terminal; the default when our input is one"),
        flag("no-tty", "give it our own input and output"),
        text("cwd", "where it starts", named=True),
        text("user", "as whom it runs: a name or a number in the domain", named=True),
        text("group", "with which group", named=True),
        text("env", "variables: NAME=VALUE,...", named=True),
        rest("command", "the command and its arguments", required=True, verbatim=True),
        run=_exec,
        excludes=(("tty", "no-tty"),),
    ),
    Command(
        "logs",
        "what a domain and its starts wrote",
        DOMAIN,
        flag("follow", "go on as more is written"),
        flag("raw", "as it is, on a terminal too, which sees control characters escaped else"),
        number("lines", f"how many of the last lines, {LINES} if not given", named=True),
        run=_logs,
    ),
)  # fmt: skip
