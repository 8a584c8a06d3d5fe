"""What the host has of networks at this moment, as plain data for the pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from virtlxc.host.network.netlink import RTPROT_RA, Netlink
from virtlxc.model.network import Interface, Subnet

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """``links`` maps names to MACs; addresses and routes carry the name of their link.

    ``routes`` are those to subnets; ``uplink`` is the link of the IPv4 default route, "" without
    one. ``forwarding`` is by IP version. ``announced`` are links with IPv6 routes from router
    announcements that the kernel would forget once it forwards IPv6. ``bridge_filtered``: rules for
    IPv4 also hold for what bridges pass on by themselves (br_netfilter).
    """

    links: Mapping[str, str] = field(default_factory=dict)
    bridges: frozenset[str] = frozenset()
    addresses: tuple[tuple[str, Interface], ...] = ()
    routes: tuple[tuple[str, Subnet], ...] = ()
    forwarding: Mapping[int, bool] = field(default_factory=dict)
    ipv6: bool = True
    uplink: str = ""
    announced: tuple[str, ...] = ()
    bridge_filtered: bool = False


def read_facts() -> NetworkFacts:
    """The facts of the calling thread's network namespace."""
    with Netlink() as netlink:
        links = netlink.links()
        addresses = netlink.addresses()
        routes = netlink.routes()
    names = {link.ifindex: link.name for link in links}
    forwarding = {family: read_sysctl(key) for family, key in FORWARDING.items()}
    announced = {
        names[route.link]
        for route in routes
        if route.subnet.version == 6 and route.protocol == RTPROT_RA and route.link in names
    }
    return NetworkFacts(
        links={link.name: link.mac for link in links},
        bridges=frozenset(link.name for link in links if link.kind == "bridge"),
        addresses=tuple((names.get(held.link, "?"), held.interface) for held in addresses),
        routes=tuple(
            (names.get(route.link, "?"), route.subnet)
            for route in routes
            if route.subnet.prefixlen and not route.subnet.is_link_local
        ),
        forwarding={family: value == "1" for family, value in forwarding.items() if value},
        ipv6=forwarding[6] is not None,
        bridge_filtered=read_sysctl("net/bridge/bridge-nf-call-iptables") == "1",
        uplink=next(
            (
                names.get(route.link, "")
                for route in routes
                if route.subnet.version == 4 and route.subnet.prefixlen == 0
            ),
            "",
        ),
        announced=tuple(
            sorted(n for n in announced if read_sysctl(f"net/ipv6/conf/{n}/accept_ra") != "2")
        ),
    )


def read_sysctl(key: str) -> str | None:
    """The value of a sysctl (``net/ipv4/ip_forward``), None when this kernel has none such."""
    try:
        with open(f"/proc/sys/{key}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
