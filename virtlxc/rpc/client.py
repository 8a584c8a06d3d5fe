"""A blocking client of the daemon: calls, streams, events, descriptors.

The command's start-up path: only light modules, and the C half of ``socket``, because the other
half would load five milliseconds of modules that nothing here needs.
"""

from __future__ import annotations

import _socket
import os
from struct import Struct
from time import monotonic

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc import wire
from virtlxc.rpc.codec import DecodeError, EncodeError
from virtlxc.rpc.tables import KEEPALIVE, PROGRAMS, REMOTE, Procedure, procedure, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from virtlxc.rpc.ssh import Tunnel

SYSTEM_PATH = "lxc:///system"
SSH_SCHEME = "lxc+ssh://"
# What a server says to who has not shown yet who he is: libvirt's words.
AUTHENTICATION_REQUIRED = "authentication required"
READ_ONLY = 1
_READ_SIZE = 65536
_ADDRESS_MAX = 107
_INT = Struct("i")


class RemoteError(VirtlxcError):
    """The daemon refused; message, code, domain and errno are what it said."""


class Event:
    """Something the daemon told unasked: the row's name, and its fields."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.name = name
        self.fields = fields


class Connection:
    """One connection. ``address`` is a socket's path, or a URI that names one here or elsewhere.

    Raises VirtlxcError (NO_CONNECT) that names the mend when nobody listens there. Not for use by
    several threads at a time.
    """

    def __init__(self, address: str, readonly: bool = False) -> None:
        self.readonly = readonly
        self.tunnel: Tunnel | None = None
        self._serial = 0
        self._data = bytearray()
        self._fds: list[int] = []
        self._events: list[Event] = []
        self._streams: dict[int, Stream] = {}
        self._event_rows: dict[int, Procedure] = {}
        if address.startswith(SSH_SCHEME):
            from virtlxc.rpc.ssh import Tunnel

            self.tunnel = Tunnel(address, readonly)
            self.path, self._socket = self.tunnel.name, self.tunnel.socket
        else:
            self.path = socket_path(address, readonly)
            self._socket = _connect(self.path)
        try:
            self._open()
        except BaseException:
            self.abandon()
            raise

    def _open(self) -> None:
        fields: dict[str, Any] = {
            "name": SYSTEM_PATH,
            "flags": READ_ONLY if self.readonly else 0,
        }
        try:
            self.call("CONNECT_OPEN", **fields)
        except RemoteError as error:
            if error.message != AUTHENTICATION_REQUIRED:
                raise
            self.call("AUTH_POLKIT")
            self.call("CONNECT_OPEN", **fields)
        except VirtlxcError:
            if self.tunnel is None:
                raise
            raise self.tunnel.failure() from None

    def fileno(self) -> int:
        return self._socket.fileno()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def call(
        self,
        name: str,
        /,
        *,
        program: str = REMOTE,
        fds: Sequence[int] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Makes a call and waits for its reply: the reply's fields by name.

        Numbers that are left out are 0, pointers None, lists empty. ``fds`` go with the call;
        descriptors that come back are in the result's ``"fds"``, the caller's to close. Raises
        RemoteError for what the daemon refuses, VirtlxcError (RPC) when the connection breaks.
        """
        row = procedure(name, program)
        serial = self._send_call(row, fields, fds)
        return self._await_reply(row, serial)

    def stream(self, name: str, /, *, program: str = REMOTE, **fields: Any) -> Stream:
        """Makes a call that opens a stream, and gives the stream once it is open."""
        row = procedure(name, program)
        serial = self._send_call(row, fields, None)
        stream = self._streams[serial] = Stream(self, row, serial)
        try:
            self._await_reply(row, serial)
        except BaseException:
            del self._streams[serial]
            raise
        return stream

    def next_event(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came within ``timeout`` seconds (None: wait forever)."""
        end = None if timeout is None else monotonic() + timeout
        while not self._events:
            # Other packets may come in between: they do not give it more time.
            if not self.pump(None if end is None else max(0.0, end - monotonic())):
                return None
        return self._events.pop(0)

    def close(self) -> None:
        """Says good-bye if the connection still stands; may be called again."""
        if self._socket.fileno() < 0:
            return
        try:
            self.call("CONNECT_CLOSE")
        except (VirtlxcError, OSError):
            pass  # The other side is gone already, which is as good.
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Closes without a word."""
        self._socket.close()
        if self.tunnel is not None:
            self.tunnel.end()
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    # Sending

    def _send_call(self, row: Procedure, fields: dict[str, Any], fds: Sequence[int] | None) -> int:
        if fds and self.tunnel is not None:
            raise VirtlxcError(
                f"descriptors cannot pass to {self.path} (log in there, and use virtlxc there)",
                Code.OPERATION_UNSUPPORTED,
                From.RPC,
            )
        self._serial += 1
        try:
            payload = row.args.encode_named(fields)
        except EncodeError as error:
            text = f"cannot send {row.name}: {error}"
            raise VirtlxcError(text, Code.INVALID_ARG, From.RPC) from None
        type = wire.CALL
        if fds is not None:
            type = wire.CALL_WITH_FDS
            payload = wire.with_fd_count(len(fds), payload)
        self.send_packet(
            wire.packet(row.program, row.version, row.number, type, self._serial, wire.OK, payload)
        )
        for fd in fds or ():
            self._send_fd(fd)
        return self._serial

    def send_packet(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _broken(self.path, error) from None

    def _send_fd(self, fd: int) -> None:
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, _INT.pack(fd))
        try:
            self._socket.sendmsg([b"\0"], [rights])
        except OSError as error:
            raise _broken(self.path, error) from None

    # Receiving

    def _await_reply(self, row: Procedure, serial: int) -> dict[str, Any]:
        while True:
            head, payload = self._packet()
            is_reply = head.type in (wire.REPLY, wire.REPLY_WITH_FDS)
            if not is_reply or head.serial != serial:
                self._take((head, payload))
                continue
            if head.status == wire.ERROR:
                raise _error_of(payload)
            fds: list[int] = []
            if head.type == wire.REPLY_WITH_FDS:
                fds = self._await_fds(wire.fd_count(payload, 0))
                payload = payload[wire.LENGTH_SIZE :]
            try:
                values = row.result.decode(payload)
            except DecodeError as error:
                raise _nonsense(self.path, row.name, error) from None
            result = dict(zip(row.result.names, values, strict=True))
            if head.type == wire.REPLY_WITH_FDS:
                result["fds"] = fds
            return result

    def _take(self, packet: tuple[wire.Header, bytes]) -> None:
        """Puts a packet that nobody waits for where it belongs."""
        head, payload = packet
        if head.type == wire.STREAM:
            stream = self._streams.get(head.serial)
            if stream is not None:
                stream.take(head.status, payload)
        elif head.type == wire.MESSAGE:
            if head.program == PROGRAMS[KEEPALIVE][0]:
                self._answer_ping(head)
            elif head.program == PROGRAMS[REMOTE][0]:
                self._take_event(head, payload)

    def _answer_ping(self, head: wire.Header) -> None:
        if head.proc == procedure("PING", KEEPALIVE).number:
            pong = procedure("PONG", KEEPALIVE)
            self.send_packet(
                wire.packet(pong.program, pong.version, pong.number, wire.MESSAGE, 0, wire.OK, b"")
            )

    def _take_event(self, head: wire.Header, payload: bytes) -> None:
        if not self._event_rows:
            for row in rows(REMOTE):
                if row[4] == "event":
                    self._event_rows[row[0]] = Procedure(REMOTE, row)
        known = self._event_rows.get(head.proc)
        if known is not None:
            try:
                values = known.args.decode(payload)
            except DecodeError as error:
                raise _nonsense(self.path, known.name, error) from None
            fields = dict(zip(known.args.names, values, strict=True))
            self._events.append(Event(known.name, fields))

    def pump(self, timeout: float | None) -> bool:
        """Takes one packet in; False when none came within ``timeout`` seconds."""
        if not self._complete() and timeout is not None and not self._readable(timeout):
            return False
        self._take(self._packet())
        return True

    def forget(self, stream: Stream) -> None:
        self._streams.pop(stream.serial, None)

    def _complete(self) -> bool:
        data = self._data
        return len(data) >= wire.LENGTH_SIZE and len(data) >= wire.packet_size(data)

    def _readable(self, timeout: float) -> bool:
        from select import POLLIN, poll

        watch = poll()
        watch.register(self._socket.fileno(), POLLIN)
        return bool(watch.poll(timeout * 1000))

    def _packet(self) -> tuple[wire.Header, bytes]:
        try:
            self._fill(wire.LENGTH_SIZE)
            size = wire.packet_size(self._data)
            self._fill(size)
            packet = bytes(self._data[:size])
            head = wire.header(packet)
        except DecodeError as error:
            raise _nonsense(self.path, "a packet", error) from None
        del self._data[:size]
        return head, packet[wire.LENGTH_SIZE + wire.HEADER_SIZE :]

    def _await_fds(self, count: int) -> list[int]:
        self._fill(count)
        del self._data[:count]
        found, self._fds = self._fds[:count], self._fds[count:]
        if len(found) != count:
            raise _broken(self.path, OSError(0, "a descriptor was announced and did not come"))
        return found

    def _fill(self, size: int) -> None:
        space = _socket.CMSG_SPACE(4 * wire.FDS_MAX)
        while len(self._data) < size:
            wanted = max(_READ_SIZE, size - len(self._data))
            try:
                data, extra, _flags, _from = self._socket.recvmsg(
                    wanted, space, _socket.MSG_CMSG_CLOEXEC
                )
            except InterruptedError:
                continue
            except OSError as error:
                raise _broken(self.path, error) from None
            if not data:
                raise _broken(self.path, OSError(0, "the daemon closed the connection"))
            self._data += data
            for level, kind, rights in extra:
                if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                    whole = len(rights) - len(rights) % _INT.size
                    self._fds += [fd for (fd,) in _INT.iter_unpack(rights[:whole])]


class Stream:
    """A stream of bytes inside a connection, both ways.

    ``poll`` the connection's descriptor, and ask :meth:`recv` until it gives None.
    """

    def __init__(self, connection: Connection, row: Procedure, serial: int) -> None:
        self.connection = connection
        self.row = row
        self.serial = serial
        self.ended = False
        self._chunks: list[bytes] = []
        self._error: RemoteError | None = None
        self._confirmed = False

    def fileno(self) -> int:
        return self.connection.fileno()

    def send(self, data: bytes) -> None:
        """Sends all of ``data``; blocks while the daemon does not read."""
        for at in range(0, len(data), wire.STREAM_CHUNK):
            self._packet(wire.CONTINUE, data[at : at + wire.STREAM_CHUNK])

    def recv(self, timeout: float | None = None) -> bytes | None:
        """The next bytes, ``b""`` at the end; None when none came within ``timeout`` seconds.

        Raises RemoteError when the daemon gave the stream up.
        """
        end = None if timeout is None else monotonic() + timeout
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            if not self.connection.pump(None if end is None else max(0.0, end - monotonic())):
                return None
        return self._chunks.pop(0)

    def finish(self) -> None:
        """Ends the stream in good order, and waits until the daemon has agreed."""
        self._end(wire.OK)

    def abort(self) -> None:
        """Ends the stream at once."""
        self._end(wire.ERROR)

    def take(self, status: int, payload: bytes) -> None:
        """What the connection hands over."""
        if status == wire.CONTINUE and payload:
            self._chunks.append(payload)
        elif status == wire.ERROR:
            self._error = _error_of(payload)
            self.ended = self._confirmed = True
        else:
            self.ended = True
            self._confirmed = self._confirmed or status == wire.OK

    def _end(self, status: int) -> None:
        if not self._confirmed:
            self._packet(status, b"")
            while not self._confirmed:
                self.connection.pump(None)
        self.connection.forget(self)

    def _packet(self, status: int, data: bytes) -> None:
        row = self.row
        self.connection.send_packet(
            wire.packet(
                row.program, row.version, row.number, wire.STREAM, self.serial, status, data
            )
        )


def socket_path(address: str, readonly: bool = False) -> str:
    """The socket that a path or a URI means; the read-only one stands beside the other as -ro."""
    path = address
    if "://" in address:
        path = _path_of_uri(address)
    if readonly and not path.endswith("-ro"):
        path += "-ro"
    return path


def _path_of_uri(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    path, _, query = rest.partition("?")
    if scheme in ("lxc", "lxc+unix") and path in ("", "/", "/system"):
        for word in query.split("&"):
            name, _, value = word.partition("=")
            if name == "socket" and value:
                return unquote(value)
        if not query:
            from virtlxc.paths import Paths

            return Paths().socket
    if scheme in ("lxc", "lxc+unix") and path.startswith("/"):
        text = f"internal error: Unexpected LXC URI path '{path}', try lxc:///system"
        raise VirtlxcError(text, Code.INTERNAL_ERROR)
    raise VirtlxcError(f"no connection driver available for {uri}", Code.NO_CONNECT, From.NONE)


def unquote(text: str) -> str:
    parts = text.split("%")
    raw = parts[0].encode()
    for part in parts[1:]:
        try:
            raw += bytes.fromhex(part[:2]) + part[2:].encode()
        except ValueError:
            raw += b"%" + part.encode()
    return os.fsdecode(raw)


# What a person can do about a socket that does not answer, by errno.
_MENDS = {
    2: "the daemon is not running; start it: virtlxc daemon, or systemctl start virtlxc",
    111: "the daemon is not running; start it: virtlxc daemon, or systemctl start virtlxc",
    13: "you may not use this socket: be root or a member of its group, or try --readonly",
    11: "the daemon has too many connections waiting; try again",
}


def _connect(path: str) -> _socket.socket:
    made = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        if len(os.fsencode(path)) > _ADDRESS_MAX:
            # The folder's descriptor stands for its path, which is too long for an address.
            folder = os.open(os.path.dirname(path), os.O_PATH | os.O_CLOEXEC)
            try:
                made.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
            finally:
                os.close(folder)
        else:
            made.connect(path)
    except OSError as error:
        made.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        mend = _MENDS.get(error.errno or 0)
        text = f"Failed to connect socket to '{path}': {reason}"
        if mend:
            text = f"{text} ({mend})"
        raise VirtlxcError(text, Code.SYSTEM_ERROR, From.RPC) from error
    return made


def _error_of(payload: bytes) -> RemoteError:
    try:
        fields = wire.ERROR_MESSAGE.decode(payload)
    except DecodeError as error:
        return RemoteError(f"the daemon's error cannot be read: {error}", Code.RPC, From.RPC)
    return RemoteError(fields[2] or "the daemon gave no reason", fields[0], fields[1], fields[8])


def _broken(path: str, error: OSError) -> VirtlxcError:
    return VirtlxcError(
        f"the connection to '{path}' broke: {error.strerror or error} "
        "(what was asked may have been done; the daemon's log tells more)",
        Code.RPC,
        From.RPC,
    )


def _nonsense(path: str, what: str, error: DecodeError) -> VirtlxcError:
    return VirtlxcError(
        f"the daemon at '{path}' sent {what} that cannot be read: {error}", Code.RPC, From.RPC
    )
