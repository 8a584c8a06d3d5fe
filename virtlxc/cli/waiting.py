"""shutdown --wait: what is awaited, and what happens at the bound."""

from __future__ import annotations

import os
import sys
from time import monotonic

from virtlxc.cli.failures import Failed
from virtlxc.cli.session import Ref, Session
from virtlxc.errors import Code, VirtlxcError

TIMEOUT_S = 60
LIFECYCLE = 0
STOPPED = 5
SHUTOFF, CRASHED = 5, 6
LOOK_S = 1.0
MOST_NAMED = 8


def shut_down_and_wait(
    session: Session,
    ref: Ref,
    flags: int,
    seconds: int | None,
    *,
    force: bool,
    failed: str,
) -> None:
    """Asks a domain to end and waits for that; Failed at the bound unless ``force``."""
    bound = TIMEOUT_S if seconds is None else seconds
    end = monotonic() + bound
    # Before the request, so that no end can be missed.
    session.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=LIFECYCLE, dom=ref)
    how = session.own("SHUTDOWN", failed=failed, dom=ref, flags=flags)["how"]
    session.remark(f"Domain '{ref[0]}' is being shutdown ({how}), waiting for {bound} s\n")
    session.flush()
    if _wait(session, ref, end):
        session.remark(f"Domain '{ref[0]}' has shut down\n")
        return
    if not force:
        raise Failed(
            failed,
            f"it still runs after {bound} s ({how}); {_running(session, ref)}; look with "
            f"'virtlxc logs {ref[0]}' or 'virtlxc console {ref[0]}', or end it with "
            f"'virtlxc destroy {ref[0]}'",
        )
    session.call("DOMAIN_DESTROY_FLAGS", failed=failed, dom=ref)
    session.remark(f"Domain '{ref[0]}' destroyed after {bound} s\n")


def _running(session: Session, ref: Ref) -> str:
    """What inside does not end, as far as the daemon tells."""
    try:
        names = session.own("PROGRAMS", dom=ref, flags=0)["names"]
    except Failed:
        return "what runs inside is not known"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"inside run {', '.join(names[:MOST_NAMED])}{more}"


def _wait(session: Session, ref: Ref, end: float) -> bool:
    shown = ProgressLine()
    try:
        while True:
            if not _runs(session, ref):
                return True
            left = end - monotonic()
            if left <= 0:
                return False
            shown.show(f"waiting for '{ref[0]}' to end: {left:.0f} s left")
            event = session.connection.next_event(min(left, LOOK_S))
            if (
                event is not None
                and event.fields.get("event") == STOPPED
                and not _runs(session, ref)
            ):
                return True
    finally:
        shown.clear()


def _runs(session: Session, ref: Ref) -> bool:
    try:
        found = session.connection.call("DOMAIN_GET_STATE", dom=ref)
    except VirtlxcError as error:
        if error.code == Code.NO_DOMAIN:
            return False  # a transient domain vanishes with its end
        raise
    return found["state"] not in (SHUTOFF, CRASHED)


class ProgressLine:
    """One line that changes, on a terminal only."""

    def __init__(self) -> None:
        self.terminal = os.isatty(sys.stderr.fileno())
        self.width = 0

    def show(self, text: str) -> None:
        if self.terminal:
            sys.stderr.write("\r" + text.ljust(self.width))
            sys.stderr.flush()
            self.width = len(text)

    def clear(self) -> None:
        if self.terminal and self.width:
            sys.stderr.write("\r" + " " * self.width + "\r")
            sys.stderr.flush()
