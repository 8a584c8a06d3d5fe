"""One change at a time for each domain.

Queries never come here: they read the registry's snapshot. A change that takes long lets others
end it: whoever wants the domain gone calls :meth:`Job.preempt`, which runs the callbacks that the
holder left with its ticket.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from virtlxc.errors import Code, VirtlxcError

WAIT_SECONDS = 30.0


class Ticket:
    """What the holder of a job leaves for those who come to end it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._lock = threading.Lock()
        self._cancelled_by = ""
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled_by(self) -> str:
        """What pre-empted this job; empty while nothing has."""
        return self._cancelled_by

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Has ``callback`` run at a pre-emption, or now if there was one already."""
        with self._lock:
            self._callbacks.append(callback)
            if not self._cancelled_by:
                return
        callback()

    def cancel(self, by: str) -> None:
        with self._lock:
            if self._cancelled_by:
                return
            self._cancelled_by = by
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()


class Job:
    """The lock of one domain."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._ticket: Ticket | None = None

    @contextlib.contextmanager
    def hold(self, what: str, name: str, wait: float = WAIT_SECONDS) -> Iterator[Ticket]:
        """Holds the domain for ``what``, a word for messages ("start").

        Raises VirtlxcError (OPERATION_TIMEOUT) when another change keeps it longer than ``wait``
        seconds.
        """
        with self._free:
            if not self._free.wait_for(lambda: self._ticket is None, wait):
                holder = self._ticket.what if self._ticket else "?"
                raise VirtlxcError(
                    f"cannot {what} domain '{name}': wait for its other job: {holder} did not end"
                    f" within {wait:.0f} seconds (destroy the domain, or try again later)",
                    Code.OPERATION_TIMEOUT,
                )
            ticket = self._ticket = Ticket(what)
        try:
            yield ticket
        finally:
            with self._free:
                self._ticket = None
                self._free.notify()

    def preempt(self, by: str, kinds: frozenset[str]) -> None:
        """Tells the running job to give up, if it is one of ``kinds``; does not wait for that."""
        with self._free:
            ticket = self._ticket
        if ticket is not None and ticket.what in kinds:
            ticket.cancel(by)

    @property
    def running(self) -> str:
        """What holds the domain now; empty when nothing does."""
        ticket = self._ticket
        return ticket.what if ticket else ""
