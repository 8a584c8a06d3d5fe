"""Network cards: a veth pair or a macvlan each, born in the container under its final name."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from ipaddress import IPv4Address

from virtlxc.host.network import rates
from virtlxc.model import Bandwidth, Interface, Ip, Route
from virtlxc.plan import lending, ports
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step, Undo

NAME_MAX = 15  # IFNAMSIZ without the final NUL
_TYPES = frozenset({"bridge", "network", "ethernet", "direct"})
_WITH_LINK = "goes with the link"
_WITH_NS = "goes with the network namespace"


def cards(scene: Scene) -> tuple[Interface, ...]:
    """Those of the domain's interfaces that can be made; others were refused, or are ignored."""
    return tuple(
        ports.settled(scene, card) for card in scene.domain.interfaces if _is_made(card)
    )


def _is_made(card: Interface) -> bool:
    return card.type in _TYPES


def links(scene: Scene) -> tuple[tuple[str, str], ...]:
    """(name on the host, name inside) of each of the domain's interfaces, in its order.

    A macvlan has no end on the host: its name there is ''. One that is ignored has no name at all.
    """
    names = iter(named_cards(scene))
    return tuple(
        next(names)[1:] if _is_made(card) else ("", "") for card in scene.domain.interfaces
    )


def named_cards(scene: Scene) -> list[tuple[Interface, str, str]]:
    """Each card that can be made, with its names on the host and inside."""
    made = cards(scene)
    return [
        (card, _host_name(scene, index, card), guest)
        for index, (card, guest) in enumerate(zip(made, guest_names(made), strict=True))
    ]


def guest_names(cards: tuple[Interface, ...]) -> list[str]:
    """eth0, eth1 ... counted over the cards whose name inside is not given, as libvirt does."""
    unnamed = iter(range(len(cards)))
    return [card.guest or f"eth{next(unnamed)}" for card in cards]


def _host_name(scene: Scene, index: int, card: Interface) -> str:
    """The name that was asked for, or one made of the uuid: no two starts choose the same."""
    if card.type == "direct":
        return ""
    if card.target:
        return card.target
    taken = {*scene.start.links, *(other.target for other in scene.domain.interfaces)}
    for salt in range(1000):
        seed = f"{scene.options.instance}/{scene.domain.uuid}/{index}/{salt}"
        name = f"vnet{zlib.crc32(seed.encode()):08x}"
        if name not in taken:
            break
    return name


def host_mac(card: Interface, host: str) -> str:
    """The address of the host's end: high, so that a bridge keeps its own, and known to the undo.

    The guest's with 0xfe in front, as libvirt does for its taps.
    """
    if card.mac:
        return "fe" + card.mac[2:]
    value = zlib.crc32(host.encode())
    return "fe:52:" + ":".join(f"{value >> shift & 0xFF:02x}" for shift in (24, 16, 8, 0))


def bridge_of(scene: Scene, card: Interface) -> str | None:
    """The kernel's bridge of a card, if any; ``checks`` has refused what is not there."""
    if ports.switched(card):
        return None
    if card.type == "bridge":
        return card.source
    if card.type == "network":
        return scene.start.networks[card.source or ""].bridge
    return None


def make(scene: Scene) -> Iterator[Step]:
    for card, host, guest in named_cards(scene):
        if card.type == "direct":
            yield from _macvlan(scene, card, guest)
        else:
            yield from _veth(scene, card, host, guest)
    yield from lending.move(scene)


def _macvlan(scene: Scene, card: Interface, guest: str) -> Iterator[Step]:
    mode, parent = card.source_mode or "vepa", card.source or ""
    mac = card.mac
    if mode == "passthrough":
        # Here parent and macvlan have one address, and the kernel takes the parent's.
        was, mac = scene.start.nics[parent].mac, None
        if card.mac and card.mac != was:
            args = {"link": parent, "mac": card.mac, "was": was}
            yield Step(
                name=f"give {parent} the address of {guest}",
                side="controller",
                op="link-readdress",
                args=args,
                text=f"{card.mac}, which it shares with its passthrough",
                boot=True,
                undo=Undo(op="link-readdress", args={**args, "mac": was, "was": card.mac}),
            )
    yield Step(
        name=f"make {guest}",
        side="controller",
        op="link-macvlan",
        args={
            "parent": parent,
            "guest": guest,
            "netns": "netns",
            "mode": mode,
            "mac": mac,
            "mtu": card.mtu,
        },
        text=f"a macvlan of the host's {parent}, mode {mode}",
        boot=True,
        kernel=_WITH_NS,
    )


def _veth(scene: Scene, card: Interface, host: str, guest: str) -> Iterator[Step]:
    bridge = bridge_of(scene, card)
    mac = host_mac(card, host)
    up = card.link_state != "down"
    # Nothing passes before the port is what it shall be.
    later = card.vlan is not None or ports.switched(card)
    yield Step(
        name=f"attach {guest} to its bridge" if bridge else f"make {guest}",
        side="controller",
        op="link-veth",
        args={
            "host": host,
            "guest": guest,
            "netns": "netns",
            "host_mac": mac,
            "mac": card.mac,
            "mtu": card.mtu,
            "bridge": bridge,
            # A guest brings its own end up as it likes; without ours it has no carrier.
            "up": up and not later,
            **({"isolated": True} if card.isolated else {}),
            **({"quiet": True} if ports.switched(card) else {}),
        },
        text=f"a veth pair, its end {host} " + (f"in {bridge}" if bridge else "on the host"),
        boot=True,
        undo=Undo(op="link-aside", args={"host": host, "mac": mac}),
    )
    yield from ports.make(scene, card, host, guest)
    if up and later:
        yield Step(
            name=f"bring {host} up",
            side="controller",
            op="link-up",
            args={"link": host},
            text=f"the end of {guest} on the host",
            boot=True,
            kernel=_WITH_LINK,
        )
    yield from _rates(bandwidth_of(scene, card), host, guest)
    yield from _addresses(host, card.host_ips, "controller", _WITH_LINK)
    yield from _routes(host, card.host_routes, "controller", _WITH_LINK)


def bandwidth_of(scene: Scene, card: Interface) -> Bandwidth | None:
    """The card's own limits, or else those of its port group of its network."""
    if card.bandwidth is not None or card.type != "network":
        return card.bandwidth
    network = scene.start.networks.get(card.source or "")
    return network.port_limits.get(card.portgroup or "") if network else None


def _rates(bandwidth: Bandwidth | None, host: str, guest: str) -> Iterator[Step]:
    """libvirt's own directions: inbound is what the guest receives, so what its link sends."""
    inbound, outbound = rates.inbound(bandwidth), rates.outbound(bandwidth)
    if inbound is None and outbound is None:
        return
    told = [
        f"{name} {rate.average} KiB/s"
        for name, rate in (
            ("inbound", bandwidth and bandwidth.inbound),
            ("outbound", bandwidth and bandwidth.outbound),
        )
        if rate and rate.average
    ]
    yield Step(
        name=f"limit the traffic of {guest}",
        side="controller",
        op="link-rate",
        args={"link": host, "inbound": inbound, "outbound": outbound},
        text=", ".join(told),
        boot=True,
        kernel=_WITH_LINK,
    )


def configure(scene: Scene) -> Iterator[Step]:
    """What init does in the container's own namespace."""
    if not scene.own_net:
        return
    yield Step(
        name="bring lo up",
        side="init",
        op="lo-up",
        args={},
        text="loopback",
        boot=True,
        kernel=_WITH_NS,
    )
    for card, _, guest in named_cards(scene):
        yield from _dress(guest, card.ips, card.routes, up=card.link_state != "down")
    for loan in lending.loans(scene):
        yield from _dress(loan.name, loan.hostdev.ips, loan.hostdev.routes, up=True)


def _dress(
    link: str, ips: tuple[Ip, ...], routes: tuple[Route, ...], *, up: bool
) -> Iterator[Step]:
    """Addresses, state and routes of a link inside."""
    yield from _addresses(link, ips, "init", _WITH_NS)
    if up:
        yield Step(
            name=f"bring {link} up",
            side="init",
            op="link-up",
            args={"link": link},
            text="before its routes, which need it",
            boot=True,
            kernel=_WITH_NS,
        )
        yield from _routes(link, routes, "init", _WITH_NS)


def _addresses(link: str, ips: tuple[Ip, ...], side: str, kernel: str) -> Iterator[Step]:
    for ip in ips:
        prefix = ip.prefix if ip.prefix is not None else natural_prefix(ip.address, ip.family)
        yield Step(
            name=f"give {link} the address {ip.address}",
            side=side,
            op="address",
            args={"link": link, "address": ip.address, "prefix": prefix, "peer": ip.peer},
            text=f"{ip.address}/{prefix}" + (f" to {ip.peer}" if ip.peer else ""),
            boot=True,
            kernel=kernel,
        )


def _routes(link: str, routes: tuple[Route, ...], side: str, kernel: str) -> Iterator[Step]:
    for route in routes:
        prefix = route_prefix(route)
        yield Step(
            name=f"route {route.address}/{prefix} through {route.gateway}",
            side=side,
            op="route",
            args={
                "address": route.address,
                "prefix": prefix,
                "gateway": route.gateway,
                "link": link,
                "metric": route.metric,
            },
            text=f"by {link}",
            boot=True,
            kernel=kernel,
        )


def route_prefix(route: Route) -> int:
    """The length of a route's network: given, by netmask, or natural; 0 for the default route."""
    if route.prefix is not None:
        return route.prefix
    if route.netmask:
        return int(IPv4Address(route.netmask)).bit_count()
    if route.address in ("0.0.0.0", "::"):
        return 0
    return natural_prefix(route.address, route.family or "ipv4")


def natural_prefix(address: str, family: str | None) -> int:
    """What libvirt assumes where a prefix is not given: the class of an IPv4 address, 64."""
    if family == "ipv6" or ":" in address:
        return 64
    first = int(address.split(".", 1)[0])
    return 8 if first < 128 else 16 if first < 192 else 24
