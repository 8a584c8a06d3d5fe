"""Network devices: their link, and what they can do (ioctl SIOCETHTOOL, linux/ethtool.h)."""

from __future__ import annotations

import fcntl
import socket
import struct

from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, tag

_SIOCETHTOOL = 0x8946
_NAME_MAX = 15
# One question each, with the answer 0 or 1.
_QUESTIONS = (
    ("rx", 0x14), ("tx", 0x16), ("sg", 0x18), ("tso", 0x1E), ("gso", 0x23), ("gro", 0x2B),
)  # fmt: skip
_GFLAGS = 0x25
_FLAGS = (
    ("lro", 1 << 15), ("rxvlan", 1 << 8), ("txvlan", 1 << 7), ("ntuple", 1 << 27),
    ("rxhash", 1 << 28),
)  # fmt: skip
_GFEATURES = 0x3A
_UDP_TUNNEL = 25  # NETIF_F_GSO_UDP_TUNNEL's bit among the features


def details(node: Node) -> Lines:
    wireless = node.properties.get("DEVTYPE") == "wlan"
    return [
        *tag("interface", node.name),
        *tag("address", node.attribute("address") or ""),
        *link(node),
        *(line for name in _features(node) for line in tag("feature", name=name)),
        *tag("capability", type="80211" if wireless else "80203"),
    ]


def link(node: Node) -> Lines:
    """``<link>``: the state, and the speed in Mbit/s of what is up and tells one."""
    state = node.attribute("operstate")
    if state is None:
        return []
    speed = node.attribute("speed") if state == "up" else None
    return tag("link", speed=speed if speed and int(speed) > 0 else None, state=state)


def _features(node: Node) -> list[str]:
    name = node.name.encode()
    if node.root or len(name) > _NAME_MAX:
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        found = [word for word, command in _QUESTIONS if _value(control, name, command)]
        flags = _value(control, name, _GFLAGS)
        found += [word for word, bit in _FLAGS if flags & bit]
        if node.exists("device/infiniband"):
            found.append("rdma")
        if _active_features(control, name) >> _UDP_TUNNEL & 1:
            found.append("txudptnl")
    return found


def _value(control: socket.socket, name: bytes, command: int) -> int:
    """The answer to a ``struct ethtool_value``, 0 when the device does not know the question."""
    answer = bytearray(struct.pack("=II", command, 0))
    return struct.unpack("=II", answer)[1] if _ask(control, name, answer) else 0


def _active_features(control: socket.socket, name: bytes) -> int:
    """The first 32 features that are on: ``struct ethtool_gfeatures`` with two blocks."""
    answer = bytearray(struct.pack("=II8I", _GFEATURES, 2, *(0,) * 8))
    return struct.unpack_from("=I", answer, 16)[0] if _ask(control, name, answer) else 0


def _ask(control: socket.socket, name: bytes, answer: bytearray) -> bool:
    import ctypes

    buffer = (ctypes.c_char * len(answer)).from_buffer(answer)
    request = struct.pack("=16sQ16x", name, ctypes.addressof(buffer))
    try:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError:
        return False
    return True
