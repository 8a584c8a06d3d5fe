"""What a start wants to know of the host's network links: a few ioctls, no dump."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from virtlxc.host.facts import Nic
from virtlxc.runtime.netlink import Route

_SIOCGIFFLAGS = 0x8913
_SIOCGIFMTU = 0x8921
_SIOCGIFHWADDR = 0x8927
_SIOCETHTOOL = 0x8946
_IFF_UP = 1
_ETHTOOL_GDRVINFO = 0x00000003
_DRVINFO_SIZE = 196  # struct ethtool_drvinfo
_BRIDGES = frozenset({"bridge", "openvswitch"})
_NAME_MAX = 15


def exists(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except (OSError, ValueError):
        return False
    return True


def is_bridge(name: str) -> bool:
    return driver(name) in _BRIDGES


def is_switch(name: str) -> bool:
    """Whether it is a bridge of Open vSwitch's; with a datapath in userspace that is not seen."""
    return driver(name) == "openvswitch"


def filters_vlans(name: str) -> bool | None:
    """Whether a bridge of the kernel's keeps VLANs apart; None for one that never could."""
    with Route() as route:
        return route.filters(name)


def driver(name: str) -> str:
    """The driver of a link: /sys/class/net may show another network namespace than ours."""
    raw = name.encode()
    if not 0 < len(raw) <= _NAME_MAX:
        return ""
    info = array.array("B", struct.pack("I", _ETHTOOL_GDRVINFO).ljust(_DRVINFO_SIZE, b"\0"))
    request = struct.pack("16sP", raw, info.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            fcntl.ioctl(sock, _SIOCETHTOOL, request.ljust(40, b"\0"))
        except OSError:
            return ""
    return info.tobytes()[4:36].split(b"\0", 1)[0].decode("ascii", "replace")


def nic(name: str) -> Nic | None:
    """Address, size and state of a link; None when there is none."""
    raw = name.encode()
    if not 0 < len(raw) <= _NAME_MAX:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:

        def ask(question: int) -> bytes:
            return fcntl.ioctl(sock, question, struct.pack("16s24x", raw))[16:]

        try:
            mac = ask(_SIOCGIFHWADDR)[2:8].hex(":")
            (mtu,) = struct.unpack_from("i", ask(_SIOCGIFMTU))
            (flags,) = struct.unpack_from("H", ask(_SIOCGIFFLAGS))
        except OSError:
            return None
    return Nic(mac=mac, mtu=mtu, up=bool(flags & _IFF_UP))
