"""The nft ruleset of all running networks of an instance, as text.

One table an instance, replaced whole in one transaction: what holds after a change depends only on
the networks that run, never on the way there, and no moment without rules is ever visible.

An ``accept`` here ends only our own chain: a packet that a chain of somebody else drops stays
dropped. So nothing is gained by accepting DHCP or DNS on input here; instead
:mod:`virtlxc.host.network.firewall` tells who would drop, and the mend.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from virtlxc.model.network import Nat, Network, Subnet

MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
DEFAULT_PORTS = "1024-65535"
FAMILY = {4: "ip", 6: "ip6"}


def table_name(instance: str) -> str:
    return f"virtlxc_{instance}" if instance else "virtlxc"


def needs_rules(network: Network) -> bool:
    """Whether the network has rules at all: mode ``open`` leaves them to the administrator, and
    without an address nothing is routed."""
    return network.own_bridge and network.mode != "open" and bool(network.ips)


def ruleset(networks: Iterable[Network], instance: str = "") -> str:
    """The text for ``nft -f -`` that puts the table in force; only deletes it if no network needs
    one. Networks are complete and are written in the order of their names."""
    table = table_name(instance)
    ruled = sorted((one for one in networks if needs_rules(one)), key=lambda one: one.name)
    # Declaring the table first makes the delete valid whether or not it exists.
    text = f"table inet {table} {{ }}\ndelete table inet {table}\n"
    if not ruled:
        return text
    chains = (
        ("dhcp_checksum", "type filter hook postrouting priority mangle", _checksum_rules),
        # Two base chains: a packet from one network to another must be let out and let in.
        ("guest_in", "type filter hook forward priority filter", _in_rules),
        ("guest_out", "type filter hook forward priority filter + 1", _out_rules),
        ("nat", "type nat hook postrouting priority srcnat", _nat_rules),
    )
    text += f"table inet {table} {{\n"
    for name, hook, rules in chains:
        lines = [line for network in ruled for line in rules(network)]
        if lines:
            body = "".join(f"    {line}\n" for line in lines)
            text += f"  chain {name} {{\n    {hook}; policy accept;\n{body}  }}\n"
    return text + "}\n"


def _checksum_rules(network: Network) -> Iterator[str]:
    """A packet that never leaves the host keeps a checksum left for hardware to fill. DHCP clients
    on raw sockets of older distributions check it and discard the offer; zero means none."""
    if any(ip.dhcp and ip.interface.version == 4 for ip in network.ips):
        yield f'oifname "{network.bridge.name}" udp dport 68 udp checksum set 0'


def _in_rules(network: Network) -> Iterator[str]:
    """What may reach guests from elsewhere: with NAT, answers only. So networks with NAT are closed
    to each other, too."""
    bridge = f'"{network.bridge.name}"'
    yield f"iifname {bridge} oifname {bridge} accept"
    if network.mode != "none":
        back = _devices(network, "iifname")
        for subnet in _routed(network):
            answers = network.mode == "nat" and _translated(network, subnet.version)
            known = " ct state established,related" if answers else ""
            target = f"{FAMILY[subnet.version]} daddr {subnet}"
            yield f"{back}oifname {bridge} {target}{known} accept"
    yield f"oifname {bridge} reject"


def _out_rules(network: Network) -> Iterator[str]:
    """What guests may send elsewhere: packets that carry an address of their network."""
    bridge = f'"{network.bridge.name}"'
    yield f"iifname {bridge} oifname {bridge} accept"
    if network.mode != "none":
        out = _devices(network, "oifname")
        for subnet in _routed(network):
            yield f"iifname {bridge} {out}{FAMILY[subnet.version]} saddr {subnet} accept"
    yield f"iifname {bridge} reject"


def _nat_rules(network: Network) -> Iterator[str]:
    if network.mode != "nat":
        return
    out = _devices(network, "oifname")
    for subnet in _routed(network):
        if not _translated(network, subnet.version):
            continue
        family = FAMILY[subnet.version]
        source = f"{family} saddr {subnet} {out}"
        yield f"{source}{family} daddr {MULTICAST[subnet.version]} return"
        if subnet.version == 4:
            yield f"{source}{family} daddr 255.255.255.255 return"
        away = f"{source}{family} daddr != {subnet}"
        nat = network.forward.nat if network.forward else None
        address = _nat_address(nat) if subnet.version == 4 else ""
        action = f"snat {family} to {address}" if address else "masquerade"
        ports = _nat_ports(nat)
        # Only TCP and UDP have ports; the rest (ping) is translated by the second rule.
        with_ports = f"{action}:{ports}" if address else f"masquerade to :{ports}"
        yield f"{away} meta l4proto {{ tcp, udp }} {with_ports}"
        yield f"{away} {action}"


def _routed(network: Network) -> Iterator[Subnet]:
    for ip in network.ips:
        yield ip.interface.network
    for route in network.routes:
        yield route.subnet


def _translated(network: Network, version: int) -> bool:
    """IPv6 is routed, not translated, unless ``<nat ipv6='yes'>`` asks for it."""
    nat = network.forward.nat if network.forward else None
    return version == 4 or bool(nat and nat.ipv6)


def _devices(network: Network, direction: str) -> str:
    forward = network.forward
    return f'{direction} "{forward.dev}" ' if forward and forward.dev else ""


def _nat_address(nat: Nat | None) -> str:
    if nat is None or nat.address_start is None:
        return ""
    if nat.address_end is None or nat.address_end == nat.address_start:
        return nat.address_start
    first, last = ipaddress.ip_address(nat.address_start), ipaddress.ip_address(nat.address_end)
    return f"{first}-{last}"


def _nat_ports(nat: Nat | None) -> str:
    if nat is None or nat.port_start is None:
        return DEFAULT_PORTS
    return f"{nat.port_start}-{nat.port_end if nat.port_end is not None else nat.port_start}"
