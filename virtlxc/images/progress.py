"""How far the making of a guest is, for who waits for it, and whether it is still wanted."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from virtlxc.errors import Code, VirtlxcError


@dataclass(frozen=True, slots=True)
class Point:
    """What is being done; ``done`` of ``total``, in units of the step's own, 0 of 0: unknown."""

    text: str = ""
    done: int = 0
    total: int = 0


class Progress:
    """Written by the maker's thread, read by others. :meth:`fileno` is readable once cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._cancelled = False
        self.point = Point()

    def tell(self, text: str, done: int = 0, total: int = 0) -> None:
        """Raises VirtlxcError when nobody waits any more."""
        self.point = Point(text, done, total)
        self.check()

    def check(self) -> None:
        if self._cancelled:
            raise VirtlxcError("it was given up; nothing was left", Code.OPERATION_ABORTED)

    def cancel(self) -> None:
        with self._lock:
            if not self._cancelled and self._writer >= 0:
                self._cancelled = True
                os.write(self._writer, b"x")

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        with self._lock:
            for fd in (self._reader, self._writer):
                if fd >= 0:
                    os.close(fd)
            self._reader = self._writer = -1
