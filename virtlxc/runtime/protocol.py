"""What the processes say to each other: framing, phases, segments, placeholders.

Between daemon, controller and clients of a controller: a big-endian u32 length, then JSON.
Between controller, stage and init: one packet a message, ``{"phase": n}`` or ``{"failed": {...}}``.
"""

from __future__ import annotations

import os
import struct

from .disk import read_text
from .lean import Socket, parse, receive_fds, send_fds, unparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTO = 1
VERSION = "0.1.0"
SIDES = ("daemon", "controller", "stage", "init")
#: Larger frames are refused: no honest peer sends one.
MAX_FRAME = 16 << 20
_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """The other side said something that cannot be: a wrong phase, a frame that is too long."""


# The step of an entering process whose errno is about the program itself.
EXECUTE = "execute the program"


class Failed(Exception):
    """A step failed: what goes to the daemon as {"failed": ...}.

    ``side``, ``step`` (name), ``errno`` (0: none), ``path`` and ``text``.
    """

    def __init__(self, side: str, step: str, errno: int, path: str, text: str) -> None:
        super().__init__(side, step, errno, path, text)
        self.side = side
        self.step = step
        self.errno = errno
        self.path = path
        self.text = text

    def __str__(self) -> str:
        return f"{self.step}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        return {
            "side": self.side,
            "step": self.step,
            "errno": self.errno,
            "path": self.path,
            "text": self.text,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Failed:
        return cls(
            str(data.get("side", "")),
            str(data.get("step", "")),
            int(data.get("errno", 0)),
            str(data.get("path", "")),
            str(data.get("text", "")),
        )


# --- frames -------------------------------------------------------------------------------------


def frame(data: Any) -> bytes:
    """One message as it goes over a stream socket."""
    text = unparse(data)
    return _LENGTH.pack(len(text)) + text


def send(sock: Socket, data: Any, fds: tuple[int, ...] = ()) -> None:
    """Send a frame, with descriptors on its first byte."""
    send_raw(sock, unparse(data), fds)


def send_raw(sock: Socket, body: bytes, fds: tuple[int, ...] = ()) -> None:
    """Send JSON that is written already, like ``send``."""
    raw = _LENGTH.pack(len(body)) + body
    sent = send_fds(sock, raw, fds) if fds else sock.send(raw)
    if sent < len(raw):
        sock.sendall(raw[sent:])


def receive_raw(sock: Socket) -> tuple[bytes, list[int]] | None:
    """The JSON text of the next frame and the descriptors with it; None at the end of stream."""
    head = b""
    fds: list[int] = []
    while len(head) < _LENGTH.size:
        more, got = receive_fds(sock, _LENGTH.size - len(head))
        fds += got
        if not more:
            for fd in fds:
                os.close(fd)
            if head:
                raise ProtocolError("the stream ended within a frame")
            return None
        head += more
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise ProtocolError(f"a frame of {length} bytes")
    body = bytearray()
    while len(body) < length:
        chunk = sock.recv(length - len(body))
        if not chunk:
            raise ProtocolError("the stream ended within a frame")
        body += chunk
    return bytes(body), fds


def receive(sock: Socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next frame as data, and its descriptors; None at the end of stream."""
    got = receive_raw(sock)
    if got is None:
        return None
    data = parse(got[0])
    if not isinstance(data, dict):
        raise ProtocolError("a frame that is no object")
    return data, got[1]


class FrameBuffer:
    """Frames out of a non-blocking stream: feed bytes, take messages."""

    __slots__ = ("_data", "limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._data = b""
        self.limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """The JSON texts complete by now; ProtocolError for a frame beyond the limit."""
        self._data += data
        frames = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > self.limit:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(self._data) < _LENGTH.size + length:
                break
            frames.append(self._data[_LENGTH.size : _LENGTH.size + length])
            self._data = self._data[_LENGTH.size + length :]
        return frames


# --- plans --------------------------------------------------------------------------------------


def segments(steps: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Runs of steps of one side, as (side, first, past the last); the index is the phase."""
    found: list[tuple[str, int, int]] = []
    for i, step in enumerate(steps):
        if found and found[-1][0] == step["side"]:
            found[-1] = (step["side"], found[-1][1], i + 1)
        else:
            found.append((step["side"], i, i + 1))
    return found


def boot_half(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps that a reboot from inside performs again."""
    return [step for step in steps if step.get("boot")]


def resolve(value: Any, pids: dict[str, int]) -> Any:
    """``value`` with the placeholders "\\0SIDE\\0" in its strings replaced by pids."""
    if isinstance(value, str):
        if "\0" in value:
            for side, pid in pids.items():
                value = value.replace(f"\0{side}\0", str(pid))
        return value
    if isinstance(value, list):
        return [resolve(item, pids) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, pids) for key, item in value.items()}
    return value


# --- identity of processes ----------------------------------------------------------------------


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot (proc_pid_stat(5), field 22)."""
    return int(read_text(f"/proc/{pid}/stat").rpartition(") ")[2].split()[19])


def boot_id() -> str:
    return read_text("/proc/sys/kernel/random/boot_id").strip()
