"""Domains that wait for their next start after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virtlxc.driver.domain.domain import Entry


class Restarts:
    """One timer a waiting domain; ``start`` is called in the timer's thread when it is due."""

    def __init__(self, start: Callable[[Entry], None]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._timers: dict[str, threading.Timer] = {}
        self._closed = False

    def schedule(self, entry: Entry, delay: float) -> None:
        """Starts the domain again ``delay`` seconds from now, unless :meth:`forget` comes first."""
        timer = threading.Timer(delay, self._due, (entry,))
        timer.daemon = True
        timer.name = "restart"
        with self._lock:
            if self._closed:
                return
            self._timers[entry.view.uuid] = timer
        timer.start()

    def forget(self, entry: Entry) -> None:
        with self._lock:
            timer = self._timers.pop(entry.view.uuid, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Forgets all, for good."""
        with self._lock:
            self._closed = True
            timers = tuple(self._timers.values())
            self._timers.clear()
        for timer in timers:
            timer.cancel()

    def _due(self, entry: Entry) -> None:
        with self._lock:
            if self._timers.pop(entry.view.uuid, None) is None:
                return
        self._start(entry)
