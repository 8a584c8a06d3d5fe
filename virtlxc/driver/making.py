"""A guest being made while somebody watches: in a thread of its own, ended when they go."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from virtlxc.driver.images import Images
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.images.progress import Point, Progress

_log = logging.getLogger("virtlxc")

# Who watches is told of a change at most this often, in seconds.
_PACE_S = 0.1


class _Watched(Progress):
    """Wakes the watcher when there is something new."""

    def __init__(self, wake: Making) -> None:
        super().__init__()
        self._wake = wake
        self._told = 0.0

    def tell(self, text: str, done: int = 0, total: int = 0) -> None:
        other = text != self.point.text
        super().tell(text, done, total)
        now = time.monotonic()
        if other or now - self._told >= _PACE_S:
            self._told = now
            self._wake.wake()


class Making:
    """:meth:`fileno` is readable when :meth:`poll` may have news; :meth:`close` gives it up."""

    def __init__(
        self, images: Images, name: str, template: str, options: Mapping[str, Any]
    ) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._progress = _Watched(self)
        self._made: tuple[Ref, list[str]] | None = None
        self._error: VirtlxcError | None = None
        self._seen: Point | None = None
        self._closed = False
        threading.Thread(
            target=self._work, args=(images, name, template, options), name="new", daemon=True
        ).start()

    def _work(self, images: Images, name: str, template: str, options: Mapping[str, Any]) -> None:
        try:
            self._made = images.new(name, template, options, self._progress)
        except VirtlxcError as error:
            self._error = error
        except Exception:
            _log.exception("cannot make '%s'", name)
            self._error = VirtlxcError(
                f"cannot make '{name}': internal error (see the daemon's log)", Code.INTERNAL_ERROR
            )
        finally:
            self._progress.close()
            self.wake()

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._writer, b"x")

    def poll(self) -> tuple[str, int, int, tuple[Ref, list[str]] | None] | None:
        """(text, done, total, what was made), or None: nothing new. Raises its error at the end."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        if self._error is not None:
            raise self._error
        point = self._progress.point
        if self._made is None and point == self._seen:
            return None
        self._seen = point
        return point.text, point.done, point.total, self._made

    def close(self) -> None:
        """Ends it if it is not done; what it has made so far goes."""
        self._progress.cancel()
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reader)
                os.close(self._writer)
