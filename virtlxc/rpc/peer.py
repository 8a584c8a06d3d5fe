"""One client of the server: its bytes, its calls in flight, its streams and registrations.

Everything here runs on the event loop's thread and never waits.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from virtlxc.rpc import wire
from virtlxc.rpc.codec import DecodeError
from virtlxc.rpc.events import Registrations
from virtlxc.rpc.listen import peer_credentials, peer_is_there
from virtlxc.rpc.streams import Stream, Upload
from virtlxc.rpc.tables import KEEPALIVE, PROGRAMS, procedure

if TYPE_CHECKING:
    from virtlxc.rpc.server import Server

_log = logging.getLogger(__name__)
_audit = logging.getLogger("virtlxc.audit")

# Packets of one client that are dealt with before others get their turn.
_TURN = 32
# Bytes that a packet may have before the connection was opened.
_STRANGER_MAX = 65536
# Bytes that a packet of a client who may only read may have: the statistics of many domains.
_READER_MAX = 1 << 20
# Bytes of events that may wait for a client that does not read; then it is given up.
_BACKLOG_MAX = 4 << 20
_READER_BACKLOG_MAX = 256 << 10
_FD_SPACE = socket.CMSG_SPACE(4 * wire.FDS_MAX)


class _Outgoing:
    """A packet on its way out, the descriptors after it, and what to do when it is gone."""

    __slots__ = ("data", "fds", "sent")

    def __init__(self, data: bytes, fds: list[int], sent: Callable[[], None] | None) -> None:
        self.data = memoryview(data)
        self.fds = fds
        self.sent = sent


class Client:
    """A connected client; ``uid`` and ``pid`` are what the kernel says of it."""

    def __init__(self, server: Server, connected: socket.socket, readonly: bool) -> None:
        self.server = server
        self.socket = connected
        self.readonly = readonly
        self.opened = False
        self.admitted = False
        self.bound: asyncio.TimerHandle | None = None
        self.closed = False
        self.pid, self.uid, self.gid = peer_credentials(connected)
        self.kept: dict[int, Any] = {}
        self._loop = server.loop
        self._config = server.config
        self._data = bytearray()
        self._fds: list[int] = []
        self._out: deque[_Outgoing] = deque()
        self._out_size = 0
        self._in_flight = 0
        self._streams: dict[tuple[int, int, int], Stream] = {}
        self._held: set[int] = set()
        self._watched: set[int] = set()
        self._registrations = Registrations()
        self._reading = False
        self._writing = False
        self._again = False
        self._closing = False
        self._missed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        connected.setblocking(False)
        self._read_on()

    # Coming in

    def _read_on(self) -> None:
        if not self._reading and not self.closed and not self._stuck():
            self._loop.add_reader(self.socket, self._readable)
            self._reading = True

    def _read_off(self) -> None:
        if self._reading:
            self._loop.remove_reader(self.socket)
            self._reading = False

    def _stuck(self) -> bool:
        busy = self._in_flight >= self._config.max_client_requests
        return busy or bool(self._held) or self._closing

    def _readable(self) -> None:
        try:
            size, extra, flags, _from = self.socket.recvmsg_into(
                [self.server.inbox], _FD_SPACE, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        for level, kind, rights in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found = array.array("i")
                found.frombytes(rights[: len(rights) - len(rights) % found.itemsize])
                self._fds += found
        if not size:
            self.close()
        elif flags & socket.MSG_CTRUNC or len(self._fds) > 2 * wire.FDS_MAX:
            self._give_up("it sent more descriptors than it announced")
        else:
            self._heard = True
            self._data += self.server.inbox[:size]
            self._work()

    def _work(self) -> None:
        """Deals with the packets that are there, a few at a time."""
        self._again = False
        try:
            for _ in range(_TURN):
                if self.closed or self._stuck() or not self._next_packet():
                    break
            else:
                self._work_later()
        except DecodeError as error:
            self._give_up(str(error))
            return
        if self._stuck():
            self._read_off()
        else:
            self._read_on()

    def _work_later(self) -> None:
        if not self._again and not self.closed:
            self._again = True
            self._loop.call_soon(self._work)

    def _next_packet(self) -> bool:
        """Takes one packet from the buffer; False when there is no whole one."""
        data = self._data
        if len(data) < wire.LENGTH_SIZE:
            return False
        size = wire.packet_size(data)
        if size > self._config.max_message_bytes:
            raise DecodeError(f"a packet of {size} bytes is longer than max_message_bytes allows")
        if size > _READER_MAX and self.readonly:
            raise DecodeError(f"a packet of {size} bytes of a client that may only read")
        if size > _STRANGER_MAX and not self.opened:
            raise DecodeError(f"a packet of {size} bytes before the connection was opened")
        if len(data) < size:
            return False
        start = wire.LENGTH_SIZE + wire.HEADER_SIZE
        head = wire.header(bytes(data[:start]))
        fds: list[int] = []
        end = size
        if head.type == wire.CALL_WITH_FDS:
            # The payload's first word is their number; each comes with one byte after the packet.
            count = wire.fd_count(bytes(data[start : start + wire.LENGTH_SIZE]), 0)
            start += wire.LENGTH_SIZE
            end = size + count
            if len(data) < end:
                return False
            if len(self._fds) < count:
                raise DecodeError("a descriptor was announced and did not come")
            fds, self._fds = self._fds[:count], self._fds[count:]
        payload = bytes(data[start:size])
        del data[:end]
        self._take(head, payload, fds)
        return True

    def _take(self, head: wire.Header, payload: bytes, fds: list[int]) -> None:
        if head.program == PROGRAMS[KEEPALIVE][0]:
            self._take_keepalive(head)
        elif head.type == wire.STREAM:
            stream = self._streams.get((head.program, head.proc, head.serial))
            # Data for a stream that has ended may still be on its way: nobody answers it.
            if stream is not None:
                stream.take(head.status, payload)
        else:
            self._in_flight += 1
            self.server.dispatch(self, head, payload, fds)

    # Going out

    def send(self, data: bytes, sent: Callable[[], None] | None = None) -> None:
        """Queues a packet; ``sent`` is called when the kernel has all of it."""
        self._queue(_Outgoing(data, [], sent))

    def reply(self, data: bytes, fds: list[int] | None = None) -> None:
        """Queues the answer to a call, and the descriptors that go with it (closed then)."""
        self._queue(_Outgoing(data, fds or [], self._answered))

    def tell(self, event: object) -> None:
        """Tells of an event, if this client wants it."""
        for name, packet in self._registrations.packets(event):
            if self._is_behind():
                self._give_up("it does not read what it is sent")
                return
            if self._config.log_calls:
                _audit.info("uid=%d pid=%d event=%s", self.uid, self.pid, name)
            self.send(packet)

    def _is_behind(self) -> bool:
        return self._out_size > (_READER_BACKLOG_MAX if self.readonly else _BACKLOG_MAX)

    def _answered(self) -> None:
        was_stuck = self._stuck()
        self._in_flight -= 1
        if was_stuck:
            self._work_later()

    def _queue(self, outgoing: _Outgoing) -> None:
        if self.closed:
            _close_all(outgoing.fds)
            return
        self._out.append(outgoing)
        self._out_size += len(outgoing.data)
        if len(self._out) == 1:
            self._write()

    def _write(self) -> None:
        while self._out:
            first = self._out[0]
            try:
                if len(first.data):
                    done = self.socket.send(first.data)
                    self._out_size -= done
                    first.data = first.data[done:]
                elif first.fds:
                    socket.send_fds(self.socket, [b"\0"], [first.fds[0]])
                    os.close(first.fds.pop(0))
                else:
                    self._out.popleft()
                    if first.sent is not None:
                        first.sent()
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self.close()
                return
        if self.closed:
            return
        if self._out and not self._writing:
            self._loop.add_writer(self.socket, self._write)
            self._writing = True
        elif not self._out:
            if self._writing:
                self._loop.remove_writer(self.socket)
                self._writing = False
            if self._closing and not self._in_flight:
                self.close()

    # Streams

    def open_stream(self, head: wire.Header, end: socket.socket, upload: bool = False) -> None:
        """Relays ``end`` from now on; call it after the reply was queued."""
        if self.closed:
            end.close()
            return
        stream = (Upload if upload else Stream)(self._loop, self, head, end)
        old = self._streams.pop(stream.key, None)
        if old is not None:
            old.close()
        self._streams[stream.key] = stream
        stream.start()

    def forget_stream(self, stream: Stream) -> None:
        self._streams.pop(stream.key, None)

    def hold(self, stream: object, full: bool) -> None:
        """Stops reading from the client while any stream of it is full."""
        before = bool(self._held)
        if full:
            self._held.add(id(stream))
        else:
            self._held.discard(id(stream))
        if before and not self._held:
            self._work_later()
        elif self._held:
            self._read_off()

    # Events, and being alive

    def register_event(self, group: str, event: int, about: object, legacy: bool = False) -> int:
        return self._registrations.add(group, event, about, legacy)

    def deregister_event(self, number: int) -> None:
        self._registrations.remove(number)

    def deregister_legacy(self, group: str, event: int) -> None:
        self._registrations.remove_legacy(group, event)

    def start_keepalive(self) -> None:
        """Begins to ask whether the other side is still there: it said that it would answer."""
        if self._timer is None and not self.closed:
            self._timer = self._loop.call_later(self._config.keepalive_interval, self._tick)

    def _tick(self) -> None:
        if self._heard or not self._reading:
            self._missed = 0
        elif self._missed >= self._config.keepalive_count:
            self._give_up("it does not answer keepalive messages")
            return
        else:
            self._missed += 1
            self.send(_keepalive("PING"))
        self._heard = False
        self._timer = self._loop.call_later(self._config.keepalive_interval, self._tick)

    def _take_keepalive(self, head: wire.Header) -> None:
        if head.proc == procedure("PING", KEEPALIVE).number and head.type == wire.MESSAGE:
            if self._is_behind():
                self._give_up("it does not read what it is sent")
            else:
                self.send(_keepalive("PONG"))

    # What the client has

    def is_there(self) -> bool:
        return not self.closed and peer_is_there(self.socket)

    def admit(self) -> None:
        self.server.client_admitted(self)

    def open(self, readonly: bool) -> None:
        self.opened = True
        self.readonly = self.readonly or readonly
        self.server.client_opened(self)

    def unbind(self) -> None:
        """Ends the time within which the client had to say what it wants."""
        if self.bound is not None:
            self.bound.cancel()
            self.bound = None

    def keep(self, number: int, thing: Any) -> None:
        """Closes ``thing`` when the client goes, at the latest. May be called by any thread."""
        self.kept[number] = thing
        if self.closed:
            self.drop(number)

    def drop(self, number: int) -> None:
        thing = self.kept.pop(number, None)
        if thing is not None:
            with contextlib.suppress(OSError):
                thing.close()

    def watch(self, fileno: int, callback: Callable[[], None]) -> None:
        """Calls back whenever ``fileno`` is readable, until :meth:`unwatch` or the end."""
        self._watched.add(fileno)
        self._loop.add_reader(fileno, callback)

    def unwatch(self, fileno: int) -> None:
        self._watched.discard(fileno)
        self._loop.remove_reader(fileno)

    # The end

    def close_soon(self) -> None:
        """Closes once the replies are out."""
        self._closing = True

    def _give_up(self, why: str) -> None:
        _log.warning("closing the connection of process %d (uid %d): %s", self.pid, self.uid, why)
        self.close()

    def close(self) -> None:
        """Closes now, and lets go of everything that the client had."""
        if self.closed:
            return
        self.closed = True
        self._read_off()
        if self._writing:
            self._loop.remove_writer(self.socket)
        if self._timer is not None:
            self._timer.cancel()
        for stream in list(self._streams.values()):
            stream.close()
        self._streams.clear()
        for outgoing in self._out:
            _close_all(outgoing.fds)
        self._out.clear()
        _close_all(self._fds)
        for fileno in list(self._watched):
            self.unwatch(fileno)
        for number in list(self.kept):
            self.drop(number)
        self.socket.close()
        self.server.client_gone(self)


def _close_all(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())


def _keepalive(name: str) -> bytes:
    row = procedure(name, KEEPALIVE)
    return wire.packet(row.program, row.version, row.number, wire.MESSAGE, 0, wire.OK, b"")
