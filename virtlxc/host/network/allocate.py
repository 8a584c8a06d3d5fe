"""Which bridge names and subnets are free, and who holds a taken one. Pure functions over facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import replace

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host.network.facts import NetworkFacts
from virtlxc.model.network import DhcpRange, Network, NetworkIp, Subnet


def bridge_prefix(instance: str) -> str:
    """What bridge names start with: ``virbr`` as in libvirt, tagged in instances below a root of
    their own. A link's name has at most 15 characters."""
    return f"virbr{instance}-" if instance else "virbr"


def free_bridge(facts: NetworkFacts, others: Iterable[Network], instance: str = "") -> str:
    """The first bridge name that neither a link nor another definition has."""
    taken = set(facts.links) | {other.bridge.name for other in others if other.bridge.name}
    prefix = bridge_prefix(instance)
    return next(name for n in range(100_000) if (name := f"{prefix}{n}") not in taken)


def candidate_subnets() -> Iterator[Subnet]:
    """Where an own network may go, in the order of trying: libvirt's 192.168.122.0/24 first."""
    for third in range(122, 255):
        yield ipaddress.ip_network(f"192.168.{third}.0/24")
    for second in range(122, 255):
        yield ipaddress.ip_network(f"10.{second}.122.0/24")
    for second in range(16, 32):
        yield ipaddress.ip_network(f"172.{second}.122.0/24")


def free_subnet(facts: NetworkFacts, others: Iterable[Network]) -> Subnet:
    """The first candidate that overlaps no address, route or other definition.

    Raises VirtlxcError when there is none, naming who holds the whole private ranges.
    """
    others = tuple(others)
    holders: list[str] = []
    for subnet in candidate_subnets():
        holder = subnet_holder(subnet, facts, others)
        if holder is None:
            return subnet
        if holder not in holders:
            holders.append(holder)
    shown = ", ".join(holders[:4]) + (" and others" if len(holders) > 4 else "")
    raise VirtlxcError(
        "no free subnet for a new network: 192.168.122-254.0/24, 10.122-254.122.0/24 and "
        f"172.16-31.122.0/24 are all taken by {shown} (define the network with an <ip> of its own)",
        Code.OPERATION_FAILED,
        From.NETWORK,
    )


def subnet_holder(subnet: Subnet, facts: NetworkFacts, others: Iterable[Network]) -> str | None:
    """Who has a part of the subnet, in words; None when it is free."""
    for other in others:
        for held in other.subnets:
            if _overlap(subnet, held):
                return f"network '{other.name}' ({held})"
    for link, interface in facts.addresses:
        if _overlap(subnet, interface.network):
            return f"interface '{link}' ({interface})"
    for link, route in facts.routes:
        if _overlap(subnet, route):
            return f"the route to {route} by interface '{link}'"
    return None


def _overlap(one: Subnet, two: Subnet) -> bool:
    return one.version == two.version and one.overlaps(two)


def with_bridge(
    network: Network, facts: NetworkFacts, others: Iterable[Network], instance: str, mac: str
) -> Network:
    """The network with a bridge name and a MAC, where it makes a bridge and has none written.

    ``mac`` is a fresh one. Raises VirtlxcError when another definition has the bridge's name.
    """
    if not network.own_bridge:
        return network
    others = tuple(others)
    name = network.bridge.name
    if name:
        for other in others:
            if other.bridge.name == name and other.own_bridge:
                raise VirtlxcError(
                    f"cannot define network '{network.name}': its bridge '{name}' is that of "
                    f"network '{other.name}' (choose another name, or leave it out to get a free "
                    "one)",
                    Code.OPERATION_FAILED,
                    From.NETWORK,
                )
    else:
        name = free_bridge(facts, others, instance)
    bridge = replace(network.bridge, name=name)
    return replace(network, bridge=bridge, mac=network.mac or mac)


def default_ip(subnet: Subnet) -> NetworkIp:
    """The first address for the bridge, all others for guests."""
    hosts = subnet.network_address
    last = subnet.broadcast_address - 1
    pool = DhcpRange(start=str(hosts + 2), end=str(last))
    return NetworkIp(address=str(hosts + 1), netmask=str(subnet.netmask), ranges=(pool,))


def check_free(network: Network, facts: NetworkFacts, active: Iterable[Network]) -> None:
    """Raises VirtlxcError, naming the holder, if the bridge or a subnet is taken at a start."""
    name = network.bridge.name or ""
    if name in facts.links:
        raise VirtlxcError(
            f"cannot start network '{network.name}': create bridge '{name}': the name is taken by "
            f"{_describe_link(name, facts)} (remove that one, or give the network another bridge: "
            f"virtlxc net-edit {network.name})",
            Code.OPERATION_FAILED,
            From.NETWORK,
        )
    active = tuple(active)
    for subnet in network.subnets:
        holder = subnet_holder(subnet, facts, active)
        if holder is not None:
            raise VirtlxcError(
                f"cannot start network '{network.name}': give '{name}' its address: the subnet "
                f"{subnet} is taken by {holder} (choose another: virtlxc net-edit {network.name})",
                Code.OPERATION_FAILED,
                From.NETWORK,
            )


def _describe_link(name: str, facts: NetworkFacts) -> str:
    what = "a bridge" if name in facts.bridges else "a network interface"
    held = [str(interface) for link, interface in facts.addresses if link == name]
    return f"{what} with the address {', '.join(held)}" if held else f"{what} without address"
