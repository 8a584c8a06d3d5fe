"""A stream of libvirt's library, in the manner of the wire's.

The library has no descriptor to wait for, so a thread waits, and makes one readable.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from virtlxc.errors import VirtlxcError

_CHUNK = 65536


class Stream:
    """``inner`` is the library's stream, which blocks; ``mistake`` makes an error from its."""

    def __init__(self, inner: Any, mistake: Callable[[Exception], VirtlxcError], reads: bool):
        self._inner = inner
        self._mistake = mistake
        self._chunks: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._readable, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ended = not reads
        if reads:
            Thread(target=self._receive, daemon=True).start()

    def fileno(self) -> int:
        return self._readable

    def _receive(self) -> None:
        found: bytes | Exception = b"-"
        while found:
            try:
                found = self._inner.recv(_CHUNK)
            except Exception as error:
                found = error
            self._chunks.put(found)
            with contextlib.suppress(OSError):
                os.write(self._wake, b"r")
            if isinstance(found, Exception):
                return

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._inner.send(bytes(view)) :]
            except Exception as error:
                raise self._mistake(error) from None

    def recv(self, timeout: float | None = None) -> bytes | None:
        if self._ended:
            return b""
        try:
            found = self._chunks.get(timeout != 0, timeout)
        except Empty:
            return None
        with contextlib.suppress(BlockingIOError):
            os.read(self._readable, 1)
        if isinstance(found, Exception):
            raise self._mistake(found)
        self._ended = not found
        return found

    def finish(self) -> None:
        self._end("finish")

    def abort(self) -> None:
        self._end("abort")

    def _end(self, how: str) -> None:
        try:
            getattr(self._inner, how)()
        except Exception as error:
            raise self._mistake(error) from None
