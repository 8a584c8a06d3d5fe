"""Network namespaces of destroyed domains, held until the host has time to delete them.

Deleting one with a veth pair keeps the kernel's lock of all network settings for most of 25 ms, and
a start in that time waits for it; deleting twenty at once takes no longer than one. So a domain
that is destroyed leaves at once, but its namespace a moment later, when nothing starts. Nothing in
it can be seen from outside by then: the pair's end on the host is down, out of its bridge, and has
given its name back. When the daemon dies, the kernel lets go of them itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from virtlxc.driver.domain.domain import View

#: How long nothing must have started, and how long one is held at most, in seconds.
_QUIET = 0.2
_MOST = 0.6
#: Cards that are pairs of ours; others live on a link of the host's, which is to be free at once.
_PAIRS = frozenset(("bridge", "network", "ethernet"))


class Departed:
    """Descriptors of namespaces that nothing else uses any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[int] = []
        self._oldest = 0.0
        self._last_start = 0.0
        self._starts = 0
        self._closed = False

    def keep(self, view: View) -> None:
        """Holds the namespace of a running domain that is about to be killed."""
        live, run = view.live, view.run
        if live is None or run is None or live.hostdevs:
            return
        if any(card.type not in _PAIRS for card in live.interfaces):
            return
        try:
            namespace = os.open(f"/proc/{run.init.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        with self._lock:
            if self._closed:
                os.close(namespace)
                return
            self._held.append(namespace)
            if len(self._held) == 1:
                self._oldest = time.monotonic()
                threading.Thread(target=self._watch, name="departed", daemon=True).start()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """While something starts."""
        with self._lock:
            self._starts += 1
        try:
            yield
        finally:
            with self._lock:
                self._starts -= 1
                self._last_start = time.monotonic()

    def close(self) -> None:
        """Lets go of all, and of what comes later at once."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _watch(self) -> None:
        """Lets go of all that is there in a quiet moment; the next one starts another watch."""
        while True:
            time.sleep(_QUIET)
            now = time.monotonic()
            with self._lock:
                busy = self._starts > 0 or now - self._last_start < _QUIET
                if not busy or now - self._oldest + _QUIET >= _MOST:
                    self._let_go()
                    return

    def _let_go(self) -> None:
        for namespace in self._held:
            os.close(namespace)
        self._held.clear()
