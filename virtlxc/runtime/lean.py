"""The thin C layers below json and socket, for processes that are forked in numbers.

A forked process shares memory with its parent until one of them writes there, and for Python every
call is a write (reference counts, inline caches). Measured on one call each, in private memory:
json.dumps 216 KiB, the C encoder below it 60; socket.socketpair 260, _socket.socketpair 48;
signal.signal 200, the libc's 8. What is not touched is also not copied at the start.

What is not imported does not lie between the objects that are used: without json, socket, signal,
contextlib and what these import, a third of all objects, a controller has 110 KiB less.
"""

from __future__ import annotations

import _json
import _socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from typing import Any
else:
    import _signal as signal

__all__ = (
    "MAX_FDS", "Socket", "accept", "connect", "listener", "netlink_socket", "packet_pair", "parse",
    "receive_fds", "send_fds", "signal", "stream", "stream_pair", "unparse",
)  # fmt: skip

Socket = _socket.socket


class _Plain:
    """What json.JSONDecoder tells the scanner: only what JSON has."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        raise ValueError(f"{name} is no JSON")


def _refuse(value: object) -> None:
    raise TypeError(f"{value!r} has no form in JSON")


_scan = _json.make_scanner(_Plain())  # type: ignore[arg-type]
_encode = _json.make_encoder(
    None, _refuse, _json.encode_basestring_ascii, None, ":", ",", False, False, False
)
#: The kernel's own limit of descriptors in one message.
MAX_FDS = 253
_FD = struct.Struct("=i")
_CONTROL = _socket.CMSG_SPACE(MAX_FDS * 4)


def parse(text: bytes | str) -> Any:
    """JSON to data; raises ValueError."""
    if isinstance(text, bytes):
        text = text.decode()
    text = text.strip()
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    if end != len(text):
        raise ValueError("something follows the JSON")
    return value


def unparse(data: Any) -> bytes:
    """Data to compact JSON."""
    return "".join(_encode(data, 0)).encode()


def packet_pair() -> tuple[Socket, Socket]:
    """A pair of sockets that keep messages apart and tell the end."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)


def netlink_socket() -> Socket:
    """A route netlink socket of the network namespace that this process is in."""
    return _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _socket.NETLINK_ROUTE)


def stream_pair() -> tuple[Socket, Socket]:
    """A pair of stream sockets."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)


def listener() -> Socket:
    """A stream socket that listens at an address which the kernel chooses."""
    sock = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.bind("")
    sock.listen(1)
    return sock


def connect(listener: Socket) -> Socket:
    """A connection to a listening stream socket."""
    sock = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.connect(listener.getsockname())
    return sock


def stream(fd: int) -> Socket:
    """A Unix stream socket from its descriptor (asking the kernel nothing)."""
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)


def accept(listener: Socket) -> Socket:
    """The next connection of a listening Unix socket."""
    fd, _ = listener._accept()  # type: ignore[attr-defined]
    return stream(fd)


def send_fds(sock: Socket, data: bytes, fds: Sequence[int]) -> int:
    """Send data, with descriptors on its first byte."""
    rights = struct.pack(f"={len(fds)}i", *fds)
    return sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])


def receive_fds(sock: Socket, size: int) -> tuple[bytes, list[int]]:
    """Data and the descriptors with it, close-on-exec from the first moment.

    (``socket.recv_fds`` takes flags but does not hand them to the kernel.)
    """
    data, control, _, _ = sock.recvmsg(size, _CONTROL, _socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, raw in control:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            for (fd,) in _FD.iter_unpack(raw[: len(raw) // 4 * 4]):
                fds.append(fd)
    return data, fds
