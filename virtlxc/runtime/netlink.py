"""A small rtnetlink encoder: the few requests a start needs, as bytes.

The ``*_request`` functions are pure (tested against golden bytes); :class:`Route` sends them and
turns the kernel's refusal into OSError. Sources: rtnetlink(7), linux/if_link.h, linux/rtnetlink.h,
linux/veth.h.
"""

from __future__ import annotations

import _socket
import os
import struct

from . import lean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_NEWADDR = 20
RTM_NEWROUTE = 24

NLM_F_REQUEST = 0x01
NLM_F_ACK = 0x04
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
_NEW = NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE
_SET = NLM_F_REQUEST | NLM_F_ACK

IFF_UP = 1

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_PROTINFO = 12
IFLA_LINKINFO = 18
IFLA_AF_SPEC = 26
IFLA_NET_NS_FD = 28
IFLA_NEW_IFINDEX = 49
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
VETH_INFO_PEER = 1
IFLA_MACVLAN_MODE = 1
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthrough": 8}
IFLA_INET6_ADDR_GEN_MODE = 8
IN6_ADDR_GEN_MODE_NONE = 1
IFLA_BRPORT_ISOLATED = 33
IFLA_BR_VLAN_FILTERING = 7
IFLA_BR_VLAN_PROTOCOL = 8
IFLA_BRIDGE_VLAN_INFO = 2
BRIDGE_VLAN_INFO_PVID = 2
BRIDGE_VLAN_INFO_UNTAGGED = 4
BRIDGE_VLAN_INFO_RANGE_BEGIN = 8
BRIDGE_VLAN_INFO_RANGE_END = 16
LAST_VLAN = 4094
_NESTED = 0x8000

IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_F_NODAD = 0x02

RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RT_TABLE_MAIN = 254
RTPROT_STATIC = 4
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RTN_UNICAST = 1

_HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_ATTR = struct.Struct("=HH")


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTR.pack(4 + len(value), kind) + value + bytes(-len(value) & 3)


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _name(name: str) -> bytes:
    return attribute(IFLA_IFNAME, name.encode() + b"\0")


def _mac(mac: str) -> bytes:
    return attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))


def _link_body(
    index: int = 0, flags: int = 0, mask: int = 0, family: int = _socket.AF_UNSPEC
) -> bytes:
    return _IFINFO.pack(family, 0, index, flags, mask)


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One netlink message; sequence numbers are not needed on a socket used in turns."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def veth_request(
    host: str,
    host_mac: str,
    guest: str,
    netns_fd: int,
    mac: str | None = None,
    mtu: int | None = None,
    master: int | None = None,
    up: bool = True,
    ipv6: bool = True,
    quiet: bool = False,
) -> bytes:
    """A veth pair whose peer is born in another namespace under its final name.

    A host end in a bridge, or that is to be ``quiet``, gets no IPv6 link-local address of its own:
    the port must not be reachable from the guest. ``ipv6``: whether the kernel has IPv6 at all.
    """
    size = _u32(IFLA_MTU, mtu) if mtu else b""
    peer = _link_body() + _name(guest) + _u32(IFLA_NET_NS_FD, netns_fd) + size
    if mac:
        peer += _mac(mac)
    info = attribute(IFLA_INFO_KIND, b"veth\0") + attribute(
        IFLA_INFO_DATA | _NESTED, attribute(VETH_INFO_PEER | _NESTED, peer)
    )
    body = _link_body() + _name(host) + _mac(host_mac) + size
    create = message(RTM_NEWLINK, _NEW, body + attribute(IFLA_LINKINFO | _NESTED, info))
    flags = IFF_UP if up else 0
    settings = _link_body(flags=flags, mask=flags) + _name(host)
    if master is not None:
        settings += _u32(IFLA_MASTER, master)
    if ipv6 and (quiet or master is not None):
        none = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([IN6_ADDR_GEN_MODE_NONE]))
        family = attribute(_socket.AF_INET6 | _NESTED, none)
        settings += attribute(IFLA_AF_SPEC | _NESTED, family)
    return create + message(RTM_SETLINK, _SET, settings)


def macvlan_request(
    parent: int,
    guest: str,
    netns_fd: int,
    mode: str,
    mac: str | None = None,
    mtu: int | None = None,
) -> bytes:
    """A macvlan of the link with index ``parent``, born in another namespace.

    ``mode`` is one of :data:`MACVLAN_MODES`. It goes with its namespace, or with its parent.
    """
    body = _link_body() + _name(guest) + _u32(IFLA_LINK, parent)
    body += _u32(IFLA_NET_NS_FD, netns_fd)
    if mac:
        body += _mac(mac)
    if mtu:
        body += _u32(IFLA_MTU, mtu)
    info = attribute(IFLA_INFO_KIND, b"macvlan\0") + attribute(
        IFLA_INFO_DATA | _NESTED, _u32(IFLA_MACVLAN_MODE, MACVLAN_MODES[mode])
    )
    return message(RTM_NEWLINK, _NEW, body + attribute(IFLA_LINKINFO | _NESTED, info))


def isolate_request(index: int) -> bytes:
    """Bridge port ``index`` exchanges no frames with other isolated ports."""
    body = _link_body(index, family=_socket.AF_BRIDGE)
    flag = attribute(IFLA_BRPORT_ISOLATED, b"\1")
    return message(RTM_SETLINK, _SET, body + attribute(IFLA_PROTINFO | _NESTED, flag))


def vlan_request(index: int, native: int | None, tagged: list[int]) -> bytes:
    """Bridge port ``index`` is in no VLAN, then in these; ``native``: see ``ops.ports.vlan``."""
    every = _vlan(1, BRIDGE_VLAN_INFO_RANGE_BEGIN) + _vlan(LAST_VLAN, BRIDGE_VLAN_INFO_RANGE_END)
    wanted = b"".join(_vlan(one, BRIDGE_VLAN_INFO_PVID if one == native else 0) for one in tagged)
    if native is not None and native not in tagged:
        wanted += _vlan(native, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED)
    body = _link_body(index, family=_socket.AF_BRIDGE)
    return message(RTM_DELLINK, _SET, body + attribute(IFLA_AF_SPEC | _NESTED, every)) + message(
        RTM_SETLINK, _SET, body + attribute(IFLA_AF_SPEC | _NESTED, wanted)
    )


def _vlan(number: int, flags: int) -> bytes:
    return attribute(IFLA_BRIDGE_VLAN_INFO, struct.pack("=HH", flags, number))


def aside_request(index: int, name: str) -> bytes:
    """Take a link down and out of its bridge, then rename it (links that are up keep names)."""
    down = _link_body(index, 0, IFF_UP) + _u32(IFLA_MASTER, 0)
    return message(RTM_SETLINK, _SET, down) + message(
        RTM_SETLINK, _SET, _link_body(index) + _name(name)
    )


def set_request(
    index: int,
    name: str | None = None,
    mtu: int | None = None,
    mac: str | None = None,
    up: bool | None = None,
    netns_fd: int | None = None,
    new_index: int | None = None,
) -> bytes:
    """Change settings of a link; ``up`` None leaves its state.

    ``new_index``: what it gets in the namespace ``netns_fd`` that it is moved to.
    """
    mask = 0 if up is None else IFF_UP
    body = _link_body(index, IFF_UP if up else 0, mask)
    if netns_fd is not None:
        body += _u32(IFLA_NET_NS_FD, netns_fd)
    if new_index is not None:
        body += _u32(IFLA_NEW_IFINDEX, new_index)
    if name:
        body += _name(name)
    if mtu:
        body += _u32(IFLA_MTU, mtu)
    if mac:
        body += _mac(mac)
    return message(RTM_SETLINK, _SET, body)


def port_request(index: int, master: int | None, up: bool) -> bytes:
    """Put a link into a bridge, or out of any (``master`` None), and set whether it is up."""
    body = _link_body(index, IFF_UP if up else 0, IFF_UP) + _u32(IFLA_MASTER, master or 0)
    return message(RTM_SETLINK, _SET, body)


def delete_request(index: int) -> bytes:
    return message(RTM_DELLINK, _SET, _link_body(index))


def _packed(address: str) -> tuple[int, bytes]:
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    return family, _socket.inet_pton(family, address)


def address_request(index: int, address: str, prefix: int, peer: str | None = None) -> bytes:
    """IFA_LOCAL is the own address, IFA_ADDRESS the peer's on a point-to-point link."""
    family, local = _packed(address)
    remote = _packed(peer)[1] if peer else local
    flags = IFA_F_NODAD if family == _socket.AF_INET6 else 0
    body = struct.pack("=BBBBI", family, prefix, flags, RT_SCOPE_UNIVERSE, index)
    body += attribute(IFA_LOCAL, local) + attribute(IFA_ADDRESS, remote)
    return message(RTM_NEWADDR, _NEW, body)


def route_request(
    address: str,
    prefix: int,
    gateway: str | None = None,
    index: int | None = None,
    metric: int | None = None,
) -> bytes:
    family, destination = _packed(address)
    scope = RT_SCOPE_UNIVERSE if gateway or family == _socket.AF_INET6 else RT_SCOPE_LINK
    body = struct.pack(
        "=BBBBBBBBI", family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0
    )
    if prefix:
        body += attribute(RTA_DST, destination)
    if gateway:
        body += attribute(RTA_GATEWAY, _packed(gateway)[1])
    if index is not None:
        body += _u32(RTA_OIF, index)
    if metric is not None:
        body += _u32(RTA_PRIORITY, metric)
    return message(RTM_NEWROUTE, _NEW, body)


class Route:
    """A netlink socket of the network namespace this process is in now."""

    def __init__(self) -> None:
        self._socket = lean.netlink_socket()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Route:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def request(self, messages: bytes, what: str = "") -> None:
        """Send messages in one call and await every answer; OSError for the first refusal.

        The kernel goes on to the next message when one is refused.
        """
        self._socket.send(messages)
        expected, offset, error = 0, 0, 0
        while offset < len(messages):
            offset += _HEADER.unpack_from(messages, offset)[0]
            expected += 1
        while expected:
            for kind, body in _split(self._socket.recv(65536)):
                if kind == 2:  # NLMSG_ERROR, which is also the acknowledgement
                    expected -= 1
                    error = error or -struct.unpack_from("=i", body)[0]
        if error:
            raise OSError(error, os.strerror(error), what or None)

    def link(self, name: str) -> tuple[int, str] | None:
        """Index and address (lower case, colons) of a link, None when there is none."""
        found = self._answer(_link_body() + _name(name), name)
        if found is None:
            return None
        index = _IFINFO.unpack_from(found)[2]
        return index, _attributes(found[_IFINFO.size :]).get(IFLA_ADDRESS, b"").hex(":")

    def filters(self, name: str) -> bool | None:
        """Whether ``name`` is a bridge that keeps VLANs apart; None for one that never could.

        So are all, where the kernel was built without it (CONFIG_BRIDGE_VLAN_FILTERING).
        """
        found = self._answer(_link_body() + _name(name), name)
        if found is None:
            return None
        info = _attributes(_attributes(found[_IFINFO.size :]).get(IFLA_LINKINFO, b""))
        data = _attributes(info.get(IFLA_INFO_DATA, b""))
        if info.get(IFLA_INFO_KIND, b"").rstrip(b"\0") != b"bridge":
            return None
        return data[IFLA_BR_VLAN_FILTERING][0] == 1 if IFLA_BR_VLAN_PROTOCOL in data else None

    def name_of(self, index: int) -> str | None:
        """The name of the link with this index, None when there is none."""
        found = self._answer(_link_body(index), str(index))
        if found is None:
            return None
        return _attributes(found[_IFINFO.size :])[IFLA_IFNAME].rstrip(b"\0").decode()

    def _answer(self, body: bytes, what: str) -> bytes | None:
        self._socket.send(message(RTM_GETLINK, NLM_F_REQUEST, body))
        kind, answer = next(_split(self._socket.recv(65536)))
        if kind == RTM_NEWLINK:
            return answer
        error = -struct.unpack_from("=i", answer)[0]
        if error == 19:  # ENODEV
            return None
        raise OSError(error, os.strerror(error), what)

    def index(self, name: str) -> int:
        """The index of a link; OSError ENODEV with its name."""
        found = self.link(name)
        if found is None:
            raise OSError(19, os.strerror(19), name)
        return found[0]


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTR.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found
