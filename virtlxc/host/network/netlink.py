"""Requests to the kernel's rtnetlink, on plain sockets.

The few messages that networks need, so that no 200 ms import stands on a daemon's way. A
:class:`Netlink` belongs to the network namespace of the thread that made it. Sources: rtnetlink(7),
linux/if_link.h, linux/rtnetlink.h, linux/neighbour.h.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from virtlxc.errors import KernelRefused
from virtlxc.model.network import Interface, Subnet

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_GETNEIGH = 30
NLMSG_ERROR, NLMSG_DONE = 2, 3
F_REQUEST, F_ACK, F_DUMP = 0x01, 0x04, 0x300
F_EXCL, F_CREATE = 0x200, 0x400
NESTED = 0x8000
IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
IFLA_STATS64 = 23
INFO_KIND, INFO_DATA = 1, 2
BR_FORWARD_DELAY, BR_STP_STATE = 1, 5
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD = 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE = 1, 4, 5, 6, 15
RT_TABLE_MAIN, RTPROT_STATIC, RTPROT_RA, RTN_UNICAST = 254, 4, 9, 1
NDA_DST, NDA_LLADDR = 1, 2
NUD_FAILED, NUD_NOARP = 0x20, 0x40

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDR = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEIGH = struct.Struct("=BxxxiHBB")
_HZ = 100  # bridge times on the wire are USER_HZ ticks


class Link(NamedTuple):
    """A network device; ``kind`` is "bridge", "veth", ... or "" for hardware."""

    ifindex: int
    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    master: int
    counters: tuple[int, ...]


class Held(NamedTuple):
    """An address of this host and the index of the link that has it."""

    link: int
    interface: Interface


class Reached(NamedTuple):
    """A route of the main table: a subnet (length 0: the default route), the index of the link it
    goes out by, and who made it (``RTPROT_*``)."""

    link: int
    subnet: Subnet
    protocol: int


class Neighbour(NamedTuple):
    link: int
    mac: str
    address: str


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of a message's tail by their number, the nested flag taken off."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class Netlink:
    """One rtnetlink socket. Methods raise KernelRefused with the step they are given."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _send(self, kind: int, flags: int, payload: bytes) -> None:
        self._sequence += 1
        header = _HEADER.pack(16 + len(payload), kind, flags | F_REQUEST, self._sequence, 0)
        self._socket.send(header + payload)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """The messages of the answer; ends at its end, raises OSError for a refusal."""
        while True:
            data = self._socket.recv(1 << 18)
            at = 0
            while at + 16 <= len(data):
                length, kind, _flags, sequence, _pid = _HEADER.unpack_from(data, at)
                body = data[at + 16 : at + length]
                at += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    error = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if error > 0:
                        raise OSError(error, os.strerror(error))
                    return
                yield kind, body

    def request(self, step: str, target: str, kind: int, flags: int, payload: bytes) -> None:
        """Sends one request and awaits its acknowledgement."""
        try:
            self._send(kind, flags | F_ACK, payload)
            for _ in self._answers():
                pass
        except OSError as error:
            raise KernelRefused(step, error.errno or 0, target) from None

    def _dump(self, kind: int, payload: bytes) -> Iterator[bytes]:
        self._send(kind, F_DUMP, payload)
        for _kind, body in self._answers():
            yield body

    # What is there

    def links(self) -> list[Link]:
        return [_read_link(body) for body in self._dump(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0))]

    def addresses(self) -> list[Held]:
        found = []
        for body in self._dump(RTM_GETADDR, _ADDR.pack(0, 0, 0, 0, 0)):
            _family, length, _flags, _scope, index = _ADDR.unpack_from(body)
            values = attributes(body[_ADDR.size :])
            raw = values.get(IFA_LOCAL, values.get(IFA_ADDRESS))
            if raw:
                address = ipaddress.ip_address(raw)
                found.append(Held(index, ipaddress.ip_interface(f"{address}/{length}")))
        return found

    def routes(self) -> list[Reached]:
        """The unicast routes of the main table."""
        found = []
        for body in self._dump(RTM_GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
            family, length, _s, _tos, table, proto, _scope, kind, _f = _ROUTE.unpack_from(body)
            values = attributes(body[_ROUTE.size :])
            if RTA_TABLE in values:
                table = struct.unpack("=I", values[RTA_TABLE])[0]
            if table != RT_TABLE_MAIN or kind != RTN_UNICAST:
                continue
            everything = bytes(4 if family == socket.AF_INET else 16)
            start = ipaddress.ip_address(values.get(RTA_DST, everything))
            oif = struct.unpack("=i", values[RTA_OIF])[0] if RTA_OIF in values else 0
            found.append(Reached(oif, ipaddress.ip_network(f"{start}/{length}"), proto))
        return found

    def neighbours(self) -> list[Neighbour]:
        """The neighbours whose hardware address the kernel knows."""
        found = []
        for body in self._dump(RTM_GETNEIGH, _NEIGH.pack(0, 0, 0, 0, 0)):
            _family, index, state, _flags, _type = _NEIGH.unpack_from(body)
            values = attributes(body[_NEIGH.size :])
            if state & (NUD_FAILED | NUD_NOARP) or NDA_LLADDR not in values:
                continue
            if NDA_DST in values:
                mac = values[NDA_LLADDR].hex(":")
                found.append(Neighbour(index, mac, str(ipaddress.ip_address(values[NDA_DST]))))
        return found

    def find(self, name: str) -> Link | None:
        return next((link for link in self.links() if link.name == name), None)

    # Changes

    def add_bridge(self, name: str, *, mac: str, stp: bool, delay: int, mtu: int | None) -> None:
        """A bridge, down; ``delay`` in seconds. The kernel takes a delay below 2 s only without
        spanning tree, so the delay is set first."""
        data = attribute(BR_FORWARD_DELAY, struct.pack("=I", delay * _HZ))
        data += attribute(BR_STP_STATE, struct.pack("=I", int(stp)))
        info = attribute(INFO_KIND, b"bridge") + attribute(INFO_DATA | NESTED, data)
        payload = _LINK.pack(0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, _text(name))
        payload += attribute(IFLA_ADDRESS, _mac_bytes(mac))
        if mtu:
            payload += attribute(IFLA_MTU, struct.pack("=I", mtu))
        payload += attribute(IFLA_LINKINFO | NESTED, info)
        self.request("create bridge", name, RTM_NEWLINK, F_CREATE | F_EXCL, payload)

    def delete(self, index: int, name: str) -> None:
        payload = _LINK.pack(0, 0, index, 0, 0)
        self.request("delete link", name, RTM_DELLINK, 0, payload)

    def set_up(self, index: int, name: str, up: bool = True) -> None:
        payload = _LINK.pack(0, 0, index, IFF_UP if up else 0, IFF_UP)
        self.request("set link up" if up else "set link down", name, RTM_NEWLINK, 0, payload)

    def set_master(self, index: int, name: str, master: int) -> None:
        """Puts the link into the bridge with this index."""
        payload = _LINK.pack(0, 0, index, 0, 0)
        payload += attribute(IFLA_MASTER, struct.pack("=I", master))
        self.request("put into its bridge", name, RTM_NEWLINK, 0, payload)

    def add_address(self, index: int, name: str, interface: Interface) -> None:
        """Gives the link an address; for IPv6 without waiting for duplicates, since nobody else
        can be on a bridge that was made a moment ago."""
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        raw = interface.ip.packed
        payload = _ADDR.pack(family, interface.network.prefixlen, 0, 0, index)
        payload += attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw)
        if interface.version == 4:
            if interface.network.prefixlen < 31:
                broadcast = interface.network.broadcast_address.packed
                payload += attribute(IFA_BROADCAST, broadcast)
        else:
            payload += attribute(IFA_FLAGS, struct.pack("=I", IFA_F_NODAD))
        step = f"give {name} the address"
        self.request(step, str(interface), RTM_NEWADDR, F_CREATE | F_EXCL, payload)

    def add_route(self, index: int, subnet: Subnet, gateway: str, metric: int | None) -> None:
        family = socket.AF_INET if subnet.version == 4 else socket.AF_INET6
        payload = _ROUTE.pack(
            family, subnet.prefixlen, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0
        )
        payload += attribute(RTA_DST, subnet.network_address.packed)
        payload += attribute(RTA_GATEWAY, ipaddress.ip_address(gateway).packed)
        payload += attribute(RTA_OIF, struct.pack("=i", index))
        if metric:
            payload += attribute(RTA_PRIORITY, struct.pack("=I", metric))
        step = f"route through {gateway} to"
        self.request(step, str(subnet), RTM_NEWROUTE, F_CREATE | F_EXCL, payload)


def _read_link(body: bytes) -> Link:
    _family, _type, index, flags, _change = _LINK.unpack_from(body)
    values = attributes(body[_LINK.size :])
    info = attributes(values.get(IFLA_LINKINFO, b""))
    stats = values.get(IFLA_STATS64, b"")
    counters = struct.unpack_from("=8Q", stats) if len(stats) >= 64 else (0,) * 8
    return Link(
        ifindex=index,
        name=values.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(),
        kind=info.get(INFO_KIND, b"").rstrip(b"\0").decode(),
        mac=values.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=_u32(values.get(IFLA_MTU)),
        up=bool(flags & IFF_UP),
        master=_u32(values.get(IFLA_MASTER)),
        counters=counters,
    )


def _u32(data: bytes | None) -> int:
    return int.from_bytes(data[:4], "little" if struct.pack("=H", 1)[0] else "big") if data else 0
