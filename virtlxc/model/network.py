"""The model of a virtual network: libvirt's ``<network>`` document.

Values are plain: addresses are text as the author wrote them (checked when parsed), MACs are lower
case. ``forward`` is None for an isolated network, as in libvirt. The XML side is in
:mod:`virtlxc.model.network_tables` and :mod:`virtlxc.model.network_document`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from virtlxc.model.bandwidth import Bandwidth
from virtlxc.model.port import Port, VirtualPort, Vlan, merge
from virtlxc.xmlmap.kept import Kept

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network

# The modes whose bridge, addresses and DHCP are made by us.
OWN_BRIDGE_MODES = ("nat", "route", "open")
MODES = ("nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nat:
    """``<nat>``: which source addresses and ports forwarded packets get."""

    ipv6: bool | None = None
    address_start: str | None = None
    address_end: str | None = None
    port_start: int | None = None
    port_end: int | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardInterface:
    dev: str
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """``<forward>``: how guests reach the world; ``interfaces`` are the host's devices for it."""

    mode: str = "nat"
    dev: str | None = None
    managed: bool | None = None
    nat: Nat | None = None
    interfaces: tuple[ForwardInterface, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """``<bridge>``: the host's bridge; ``delay`` is in seconds.

    ``stp`` and ``delay`` are None only where the bridge is somebody else's.
    """

    name: str | None = None
    zone: str | None = None
    stp: bool | None = None
    delay: int | None = None
    mac_table_manager: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """``<lease>``: how long an address is given; 0 is for ever."""

    expiry: int
    unit: str | None = "minutes"
    kept: tuple[Kept, ...] = ()

    def __post_init__(self) -> None:
        if self.expiry == 0:
            object.__setattr__(self, "unit", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpRange:
    """``<range>``: addresses given out to whoever asks, both ends included."""

    start: str
    end: str
    lease: Lease | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpHost:
    """``<host>`` of ``<dhcp>``: what one guest gets; ``id`` is the DHCPv6 client's."""

    mac: str | None = None
    id: str | None = None
    name: str | None = None
    ip: str | None = None
    lease: Lease | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkIp:
    """``<ip>``: an address of the bridge, and the DHCP service of its subnet."""

    family: str | None = None
    address: str
    netmask: str | None = None
    prefix: int | None = None
    local_ptr: bool | None = None
    tftp_root: str | None = None
    ranges: tuple[DhcpRange, ...] = ()
    hosts: tuple[DhcpHost, ...] = ()
    bootp_file: str | None = None
    bootp_server: str | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def interface(self) -> Interface:
        """The address with its length: the classful one, or 64 for IPv6, when none was given."""
        return ipaddress.ip_interface(f"{self.address}/{self.length}")

    @property
    def length(self) -> int:
        address = ipaddress.ip_address(self.address)
        if self.netmask is not None:
            return ipaddress.ip_network(f"0.0.0.0/{self.netmask}").prefixlen
        if self.prefix is not None:
            return self.prefix
        if address.version == 6:
            return 64
        first = int(self.address.split(".", 1)[0])
        return 8 if first < 128 else 16 if first < 192 else 24

    @property
    def dhcp(self) -> bool:
        return bool(self.ranges or self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsForwarder:
    domain: str | None = None
    addr: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsTxt:
    name: str
    value: str
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSrv:
    service: str
    protocol: str
    domain: str | None = None
    target: str | None = None
    port: int | None = None
    priority: int | None = None
    weight: int | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsHost:
    ip: str
    names: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """``<dns>``: what the network's name server answers."""

    enable: bool | None = None
    forward_plain_names: bool | None = None
    forwarders: tuple[DnsForwarder, ...] = ()
    txts: tuple[DnsTxt, ...] = ()
    srvs: tuple[DnsSrv, ...] = ()
    hosts: tuple[DnsHost, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsDomain:
    """``<domain>``: the domain of guests' names; a ``local_only`` one is never asked outside."""

    name: str
    local_only: bool | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRoute:
    """``<route>``: a subnet that is reached through a guest of this network."""

    family: str | None = None
    address: str
    netmask: str | None = None
    prefix: int | None = None
    gateway: str
    metric: int | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def subnet(self) -> Subnet:
        whole = 32 if ipaddress.ip_address(self.address).version == 4 else 128
        length: str | int = whole if self.prefix is None else self.prefix
        return ipaddress.ip_network(f"{self.address}/{self.netmask or length}", strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortGroup:
    """``<portgroup>``: what interfaces get that name it, or if it is the ``default``, name none."""

    name: str
    default: bool | None = None
    vlan: Vlan | None = None
    virtualport: VirtualPort | None = None
    bandwidth: Bandwidth | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqOption:
    """``<dnsmasq:option>``: one line for dnsmasq's configuration, as its author wrote it."""

    value: str
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One virtual network. ``uuid`` is "" and ``bridge.name`` None until the network is defined.

    ``connections`` is live only: how many interfaces of running domains are on it.
    """

    name: str
    uuid: str = ""
    ipv6: bool | None = None
    trust_guest_rx_filters: bool | None = None
    metadata: str | None = None
    forward: Forward | None = None
    bridge: Bridge = Bridge()
    mtu: int | None = None
    mac: str | None = None
    domain: DnsDomain | None = None
    dns: Dns = Dns()
    ips: tuple[NetworkIp, ...] = ()
    routes: tuple[NetworkRoute, ...] = ()
    dnsmasq_options: tuple[DnsmasqOption, ...] = ()
    vlan: Vlan | None = None
    virtualport: VirtualPort | None = None
    bandwidth: Bandwidth | None = None
    portgroups: tuple[PortGroup, ...] = ()
    connections: int | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def mode(self) -> str:
        """The forward mode, ``none`` for an isolated network."""
        return self.forward.mode if self.forward is not None else "none"

    @property
    def own_bridge(self) -> bool:
        """Whether the bridge is made and deleted with the network."""
        return self.forward is None or self.forward.mode in OWN_BRIDGE_MODES

    @property
    def port_limits(self) -> dict[str, Bandwidth]:
        """By the names of port groups; "" is for interfaces that name none."""
        limits = {group.name: group.bandwidth or Bandwidth() for group in self.portgroups}
        for group in self.portgroups:
            if group.default:
                limits[""] = limits[group.name]
        return limits

    @property
    def port(self) -> Port:
        """What holds for all ports, where their groups say nothing else."""
        return Port(vlan=self.vlan, virtualport=self.virtualport)

    @property
    def said_of_ports(self) -> tuple[tuple[str, Port], ...]:
        """Each by itself, not merged: the network's own with the name "", then the groups'."""
        groups = (
            (group.name, Port(vlan=group.vlan, virtualport=group.virtualport))
            for group in self.portgroups
        )
        return (("", self.port), *groups)

    @property
    def ports(self) -> dict[str, Port]:
        """By the names of port groups; "" is for interfaces that name none, if one is for them."""
        own = self.port
        found = {}
        for group in self.portgroups:
            found[group.name] = Port(
                vlan=group.vlan or own.vlan,
                virtualport=merge(group.virtualport, own.virtualport),
            )
            if group.default:
                found[""] = found[group.name]
        return found

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        return tuple(ip.interface.network for ip in self.ips)
