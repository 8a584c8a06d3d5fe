"""Relays a console between its socket and a client, both ways, holding at most one packet each.
An upload is relayed one way, and its end is confirmed only when all of it is on the disk.

Nothing here waits: the console is read only when the client has taken the last packet, and the
client is read only while the console takes what it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Protocol

from virtlxc.errors import Code, From
from virtlxc.rpc import wire

_log = logging.getLogger(__name__)

_CHUNK = 65536
_WAITING_MAX = 262144


class Outlet(Protocol):
    """What a stream needs of its client."""

    def send(self, data: bytes, sent: Callable[[], None] | None = None) -> None:
        """Queues a packet; ``sent`` is called when the kernel has all of it."""

    def hold(self, stream: object, full: bool) -> None:
        """Stops reading from the client while any stream of it is full."""

    def forget_stream(self, stream: Stream) -> None:
        """The stream has ended."""


class Stream:
    """One open stream; ``head`` is the header of the call that opened it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, outlet: Outlet, head: wire.Header, end: socket.socket
    ) -> None:
        self.head = head
        self._loop = loop
        self._outlet = outlet
        self._end = end
        self._waiting = bytearray()
        self._reading = False
        self._writing = False
        end.setblocking(False)

    @property
    def key(self) -> tuple[int, int, int]:
        return self.head.program, self.head.proc, self.head.serial

    def start(self) -> None:
        self._read_on()

    def close(self) -> None:
        """Lets go of the console; nothing more is sent."""
        self._stop_reading()
        self._stop_writing()
        self._end.close()
        self._outlet.hold(self, False)

    # From the console to the client

    def _read_on(self) -> None:
        if self._end.fileno() >= 0 and not self._reading:
            self._loop.add_reader(self._end, self._readable)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._end)
            self._reading = False

    def _readable(self) -> None:
        try:
            data = self._end.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"cannot read the console: {os.strerror(error.errno or 0)}")
            return
        self._stop_reading()
        sent = self._read_on if data else None
        # An empty packet is the end; the client answers it by finishing the stream.
        self._outlet.send(self.head.packet(wire.STREAM, wire.CONTINUE, data), sent)

    # From the client to the console

    def take(self, status: int, data: bytes) -> None:
        """A packet of the client's."""
        if status == wire.CONTINUE:
            self._waiting += data
            self._write()
            return
        # Finished (OK) and aborted (ERROR) are both confirmed in the same words.
        self._write()
        self.close()
        self._outlet.forget_stream(self)
        self._outlet.send(self.head.packet(wire.STREAM, wire.OK))

    def _write(self) -> None:
        while self._waiting:
            try:
                done = self._end.send(self._waiting)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # The console has gone; reading it tells the client so.
                self._waiting.clear()
                break
            del self._waiting[:done]
        if self._waiting and not self._writing:
            self._loop.add_writer(self._end, self._write)
            self._writing = True
        elif not self._waiting:
            self._stop_writing()
        self._outlet.hold(self, len(self._waiting) > _WAITING_MAX)

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._end)
            self._writing = False

    def _fail(self, message: str) -> None:
        self.close()
        self._outlet.forget_stream(self)
        payload = wire.error_payload(Code.OPERATION_FAILED, From.STREAMS, message)
        self._outlet.send(self.head.packet(wire.STREAM, wire.ERROR, payload))


class Upload(Stream):
    """A client's bytes on their way to a file.

    Whoever writes the file closes its end when all is done; what it sends before is why it failed.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, outlet: Outlet, head: wire.Header, end: socket.socket
    ) -> None:
        super().__init__(loop, outlet, head, end)
        self._finishing = False
        self._said = b""

    def _readable(self) -> None:
        try:
            data = self._end.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self._said += data
            return
        if self._said:
            self._fail(self._said.decode(errors="replace"))
        elif self._finishing:
            super().take(wire.OK, b"")
        else:
            self._fail("the file was closed too early")

    def take(self, status: int, data: bytes) -> None:
        if status == wire.OK:
            self._finishing = True
            self._write()
        else:
            super().take(status, data)

    def _write(self) -> None:
        super()._write()
        if self._finishing and not self._waiting and self._end.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_WR)
