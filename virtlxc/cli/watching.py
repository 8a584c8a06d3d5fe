"""Waiting for events: until one came, the time is over, or the user has seen enough."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic

from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Args
from virtlxc.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from virtlxc.rpc.link import Event

TIMEOUT_MAX = ((1 << 31) - 1) // 1000


def timeout(args: Args) -> int | None:
    """--timeout in seconds."""
    return args.integer("timeout", least=1, most=TIMEOUT_MAX)


def watch(session: Session, args: Args, told: Callable[[Event], str | None]) -> None:
    """Prints what ``told`` makes of each event, None being one that was not asked for.

    One event is enough unless --loop. Failed without a word when none came.
    """
    seconds = timeout(args)
    end = None if seconds is None else monotonic() + seconds
    count = 0
    try:
        while not count or "loop" in args:
            left = None if end is None else max(0.0, end - monotonic())
            session.flush()
            event = session.connection.next_event(left)
            if event is None:
                session.say("event loop timed out\n")
                break
            line = told(event)
            if line is not None:
                session.say((_now() if "timestamp" in args else "") + line)
                count += 1
    except KeyboardInterrupt:
        session.say("event loop interrupted\n")
    session.say(f"events received: {count}\n")
    if not count:
        raise Failed()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "+0000: "
