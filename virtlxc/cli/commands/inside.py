"""What is inside a domain: a command run there, and what it wrote to its log."""

from __future__ import annotations

from virtlxc.cli.domains import ACTIVE, DOMAIN
from virtlxc.cli.failures import Exit, Failed
from virtlxc.cli.grammar import Command, flag, number, rest, rows, text
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    kept = text.splitlines(keepends=True)[-(LINES if lines is None else lines) :]
    _print(session, b"".join(kept if lines != 0 else ()))
    if "follow" not in args:
        return
    from time import sleep

    while True:
        found = session.own("LOGS", dom=ref, offset=offset, size=LOG_PIECE)
        offset = found["next"]
        if found["data"]:
            _print(session, found["data"])
        else:
            sleep(POLL_S)


def _print(session: Session, data: bytes) -> None:
    session.say_bytes(data)


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
        number("lines", f"how many of the last lines, {LINES} if not given", named=True),
        run=_logs,
    ),
)  # fmt: skip
