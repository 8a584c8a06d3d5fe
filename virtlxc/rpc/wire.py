"""How packets are cut out of the stream of bytes (libvirt's virnetprotocol.x), without any I/O.

A packet is a length (four bytes, counting itself), a header of 24 bytes and a payload. Descriptors
follow their packet: the payload begins with their number, and after the packet comes one zero byte
for each, which carries it. This module is on the start-up path of the command: it must stay light.
"""

from __future__ import annotations

from struct import Struct

from virtlxc.rpc.codec import DecodeError, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LENGTH_SIZE = 4
HEADER_SIZE = 24
PACKET_MAX = 33554432 + LENGTH_SIZE
FDS_MAX = 32
# The most bytes of a stream in one packet that libvirt's older clients take.
STREAM_CHUNK = 262120

CALL, REPLY, MESSAGE, STREAM, CALL_WITH_FDS, REPLY_WITH_FDS, STREAM_HOLE = range(7)
OK, ERROR, CONTINUE = range(3)

_HEADER = Struct(">IIiIII")
_PREFIX = Struct(">IIIiIII")
_LENGTH = Struct(">I")

# How a failed call, or a failed stream, is told.
ERROR_MESSAGE = Message(
    "code: int, domain: int, message: string?, level: int, dom: domain?, str1: string?, "
    "str2: string?, str3: string?, int1: int, int2: int, net: network?"
)
LEVEL_ERROR = 2
_ERROR_TEXT_MAX = 65536


class Header:
    """What stands before every payload; ``proc`` and ``serial`` tie replies to calls."""

    __slots__ = ("proc", "program", "serial", "status", "type", "version")

    def __init__(
        self, program: int, version: int, proc: int, type: int, serial: int, status: int
    ) -> None:
        self.program = program
        self.version = version
        self.proc = proc
        self.type = type
        self.serial = serial
        self.status = status

    def packet(self, type: int, status: int, payload: bytes = b"") -> bytes:
        """A packet of another type that answers this one, or goes on with its stream."""
        return packet(self.program, self.version, self.proc, type, self.serial, status, payload)


def packet(
    program: int, version: int, proc: int, type: int, serial: int, status: int, payload: bytes
) -> bytes:
    """A whole packet, its length first. Raises DecodeError when it would be longer than allowed."""
    size = LENGTH_SIZE + HEADER_SIZE + len(payload)
    if size > PACKET_MAX:
        raise DecodeError(f"a packet of {size} bytes is longer than the {PACKET_MAX} allowed")
    return _PREFIX.pack(size, program, version, proc, type, serial, status) + payload


def packet_size(data: bytes | bytearray, at: int = 0) -> int:
    """The length that a packet claims. Raises DecodeError for one that no packet can have."""
    size: int = _LENGTH.unpack_from(data, at)[0]
    if size < LENGTH_SIZE + HEADER_SIZE:
        raise DecodeError(f"a packet of {size} bytes is too short for its header")
    if size > PACKET_MAX:
        raise DecodeError(f"a packet of {size} bytes is longer than the {PACKET_MAX} allowed")
    return size


def header(data: bytes, at: int = LENGTH_SIZE) -> Header:
    """The header of a packet. Raises DecodeError for a type or a status that does not exist."""
    program, version, proc, type, serial, status = _HEADER.unpack_from(data, at)
    if type > STREAM_HOLE:
        raise DecodeError(f"there is no packet of type {type}")
    if status > CONTINUE:
        raise DecodeError(f"there is no packet of status {status}")
    return Header(program, version, proc, type, serial, status)


def fd_count(data: bytes, at: int) -> int:
    """How many descriptors follow the packet whose payload begins at ``at``."""
    if len(data) < at + LENGTH_SIZE:
        raise DecodeError("the number of descriptors is missing")
    count: int = _LENGTH.unpack_from(data, at)[0]
    if count > FDS_MAX:
        raise DecodeError(f"{count} descriptors are more than the {FDS_MAX} allowed")
    return count


def with_fd_count(count: int, payload: bytes) -> bytes:
    """The payload of a packet that ``count`` descriptors follow."""
    return _LENGTH.pack(count) + payload


def error_payload(code: int, domain: int, message: str, errno: int = -1) -> bytes:
    """The payload of a packet with status ERROR; any message at all can be told."""
    text = message[:_ERROR_TEXT_MAX].replace("\0", "\\0")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode()
    # libvirt's own errors carry the message's form and its filling beside the whole.
    values: tuple[Any, ...] = (
        code, domain, text, LEVEL_ERROR, None, "%s", text, None, errno, -1, None,
    )  # fmt: skip
    return ERROR_MESSAGE.encode(values)
