"""What a network's XML may not say although each value is allowed by itself."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model import names
from virtlxc.model.network import DhcpHost, Network, NetworkIp
from virtlxc.model.port import differ, virtualport_problems, vlan_problems

_FREE = frozenset({"metadata", "kept"})
"""What only people, or nobody here, reads."""


def check_network(network: Network) -> None:
    """Raises VirtlxcError with the first contradiction."""
    for problem in problems(network):
        raise VirtlxcError(
            f"network '{names.short(network.name)}': {problem}", Code.XML_ERROR, From.NETWORK
        )


def problems(network: Network) -> Iterator[str]:
    """All contradictions, in words."""
    yield from _name_problems(network.name)
    for text in _texts(network):
        if any(unicodedata.category(sign) == "Cc" for sign in text):
            # Each would begin a line of its own in dnsmasq's files.
            yield f"{text!a} has a control character; remove it"
    if network.own_bridge:
        yield from _forward_problems(network)
    else:
        yield from _foreign_bridge_problems(network)
    if network.mac and int(network.mac[:2], 16) & 1:
        yield f"<mac>: {network.mac} is a multicast address (the first byte must be even)"
    for version, name in ((4, "IPv4"), (6, "IPv6")):
        serving = [ip for ip in network.ips if ip.dhcp and _version(ip) == version]
        if len(serving) > 1:
            yield f"<dhcp> stands in {len(serving)} {name} <ip> elements; one can have it"
    for ip in network.ips:
        yield from (f"<ip address='{ip.address}'>: {problem}" for problem in _ip_problems(ip))
    yield from _route_problems(network)
    for group, port in network.said_of_ports:
        place = f" of port group '{group}'" if group else ""
        yield from (f"{problem}{place}" for problem in vlan_problems(port.vlan))
        yield from (f"{problem}{place}" for problem in virtualport_problems(port.virtualport))
        if differ(port.virtualport, network.virtualport):
            yield f"<virtualport>{place} has another type than that of the network"


def _texts(value: object) -> Iterator[str]:
    """Every text in a network that means something to a program."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in _FREE:
                yield from _texts(getattr(value, field.name))


def _name_problems(name: str) -> Iterator[str]:
    if len(name.encode()) > names.MOST_BYTES:
        yield f"the name has {len(name.encode())} bytes, more than {names.MOST_BYTES}"
    if name.startswith("."):
        yield "the name starts with '.'"


def _forward_problems(network: Network) -> Iterator[str]:
    forward = network.forward
    if forward is None:
        return
    if not network.ips:
        yield (
            f"<forward mode='{forward.mode}'> needs an <ip> element with the bridge's address, "
            "such as <ip address='192.168.123.1' netmask='255.255.255.0'/>"
        )
    if len(forward.interfaces) > 1:
        yield f"<forward mode='{forward.mode}'> can name one interface only"
    if forward.dev and forward.interfaces and forward.interfaces[0].dev != forward.dev:
        yield f"<forward dev='{forward.dev}'> is not its <interface>"
    if forward.mode == "open" and forward.dev:
        yield "<forward mode='open'> restricts nothing, so it cannot have a dev"
    nat = forward.nat
    if nat is not None:
        if nat.address_end and not nat.address_start:
            yield "<nat>: the <address> has an end and no start"
        if (
            nat.address_start
            and nat.address_end
            and not _ordered(nat.address_start, nat.address_end)
        ):
            yield f"<nat>: {nat.address_start} to {nat.address_end} is not a range"
        if nat.port_end is not None and (nat.port_start or nat.port_end + 1) > nat.port_end:
            yield "<nat>: the <port> end is before the start"


def _foreign_bridge_problems(network: Network) -> Iterator[str]:
    mode = network.mode
    present = {
        "<ip>": network.ips,
        "<mac>": network.mac,
        "<domain>": network.domain,
        "<mtu>": network.mtu,
        "<dns>": network.dns.txts or network.dns.hosts or network.dns.srvs,
        "<bridge stp, delay or zone>": network.bridge.stp is not None
        or network.bridge.delay is not None
        or network.bridge.zone,
        "<bridge name>": network.bridge.name if mode != "bridge" else None,
    }
    for what, value in present.items():
        if value:
            yield f"{what} is not possible with <forward mode='{mode}'>"


def _version(ip: NetworkIp) -> int:
    return ipaddress.ip_address(ip.address).version


def _ordered(start: str, end: str) -> bool:
    first, last = ipaddress.ip_address(start), ipaddress.ip_address(end)
    return first.version == last.version and int(first) <= int(last)


def _ip_problems(ip: NetworkIp) -> Iterator[str]:
    version = _version(ip)
    if ip.family is not None and ip.family != f"ipv{version}":
        yield f"the address is IPv{version}, the family {ip.family}"
        return
    if ip.netmask is not None and ip.prefix is not None:
        yield "it has a netmask and a prefix"
        return
    if version == 6 and ip.netmask is not None:
        yield "IPv6 has a prefix, no netmask"
        return
    try:
        subnet = ip.interface.network
    except ValueError:
        yield f"{ip.netmask or ip.prefix} is not a length of an IPv{version} subnet"
        return
    for pool in ip.ranges:
        if not _ordered(pool.start, pool.end):
            yield f"<range>: {pool.start} to {pool.end} is not a range"
        elif not all(ipaddress.ip_address(end) in subnet for end in (pool.start, pool.end)):
            yield f"<range>: {pool.start} to {pool.end} is not inside {subnet}"
        elif version == 4 and subnet.prefixlen < 31:
            if pool.start == str(subnet.network_address):
                yield f"<range>: {pool.start} is the address of the subnet itself"
            if pool.end == str(subnet.broadcast_address):
                yield f"<range>: {pool.end} is the broadcast address"
    yield from _host_problems(ip, version)


def _host_problems(ip: NetworkIp, version: int) -> Iterator[str]:
    subnet = ip.interface.network
    for host in ip.hosts:
        if not (host.mac or host.name or host.id):
            yield "<host> has neither mac, name nor id"
        if host.mac and version == 6:
            yield f"<host mac='{host.mac}'>: DHCPv6 knows guests by id or name, not by mac"
        if host.mac and int(host.mac.split(":")[0], 16) & 1:
            yield f"<host mac='{host.mac}'>: a multicast address"
        if host.ip and ipaddress.ip_address(host.ip) not in subnet:
            yield f"<host ip='{host.ip}'> is not inside {subnet}"
        if any(sign in (host.name or "") for sign in ", \t\n"):
            yield f"<host name='{host.name}'>: a name has no blanks and commas"
    for attribute in ("mac", "ip"):
        count = Counter(_key(host, attribute) for host in ip.hosts)
        for value, times in count.items():
            if value and times > 1:
                yield f"<host {attribute}='{value}'> stands there {times} times"


def _key(host: DhcpHost, attribute: str) -> str:
    return str(getattr(host, attribute) or "").lower()


def _route_problems(network: Network) -> Iterator[str]:
    for route in network.routes:
        where = f"<route address='{route.address}'>"
        try:
            subnet = route.subnet
        except ValueError:
            yield f"{where}: {route.netmask or route.prefix} is not a length of a subnet"
            continue
        gateway = ipaddress.ip_address(route.gateway)
        if gateway.version != subnet.version:
            yield f"{where}: the gateway {gateway} is of another family"
        elif not any(gateway in held for held in network.subnets):
            yield f"{where}: the gateway {gateway} is in none of the network's subnets"
