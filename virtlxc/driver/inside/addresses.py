"""The addresses that a running container's interfaces have.

Read from /proc/PID/net, which shows the network namespace of a process to whoever may read it:
nothing has to enter the container. Sources: proc_pid_net(5), the kernel's net/ipv4/fib_trie.c.
"""

from __future__ import annotations

import ipaddress
import re
import struct

from virtlxc.driver import refusals
from virtlxc.driver.constants import AddressSource
from virtlxc.driver.core import Core
from virtlxc.driver.domain.domain import View
from virtlxc.driver.ref import Address, InterfaceAddresses

IPV4, IPV6 = 0, 1


def find(core: Core, view: View, source: int) -> list[InterfaceAddresses]:
    """``virDomainInterfaceAddresses``: by leases, from inside, or by the host's neighbours."""
    finders = {
        AddressSource.LEASE: lambda: by_lease(core, view),
        AddressSource.AGENT: lambda: inside(view),
        AddressSource.ARP: lambda: by_arp(view),
    }
    if source not in finders:
        raise refusals.bad_argument(f"unknown IP address data source {source}")
    return finders[source]()


def by_lease(core: Core, view: View) -> list[InterfaceAddresses]:
    """What the DHCP servers of the domain's networks gave out."""
    assert view.run is not None and view.live is not None
    found = []
    for (host, _), card in zip(view.run.links, view.live.interfaces, strict=False):
        if card.type != "network" or not card.source:
            continue
        network = core.networks.lookup_name(card.source)
        leases = core.networks.dhcp_leases(network, card.mac)
        rows = tuple(Address(lease.type, lease.ipaddr, lease.prefix) for lease in leases)
        if rows:
            found.append(InterfaceAddresses(host, card.mac or "", rows))
    return found


def inside(view: View) -> list[InterfaceAddresses]:
    """Every interface inside with its MAC and addresses, lo included, as an agent would tell."""
    assert view.run is not None and view.live is not None
    base = f"/proc/{view.run.init.pid}/net"
    found: dict[str, list[Address]] = {name: [] for name in _names(base)}
    for name, address in (*_ipv4(base), *_ipv6(base)):
        rows = found.setdefault(name, [])
        if len(rows) < _MOST:
            rows.append(address)
    macs = {
        guest: card.mac or ""
        for (_, guest), card in zip(view.run.links, view.live.interfaces, strict=False)
    }
    macs["lo"] = "00:00:00:00:00:00"
    return [
        InterfaceAddresses(name, macs.get(name, ""), tuple(addresses))
        for name, addresses in list(found.items())[:_MOST]
    ]


def by_arp(view: View) -> list[InterfaceAddresses]:
    """What the host's neighbour table knows by the interfaces' MACs."""
    assert view.run is not None and view.live is not None
    neighbours: dict[str, list[Address]] = {}
    for line in _lines("/proc/thread-self/net/arp")[1:]:
        words = line.split()
        if len(words) >= 4 and words[2] != "0x0":
            neighbours.setdefault(words[3].lower(), []).append(Address(IPV4, words[0], 0))
    return [
        InterfaceAddresses(host, card.mac or "", tuple(neighbours.get(card.mac or "", ())))
        for (host, _), card in zip(view.run.links, view.live.interfaces, strict=False)
        if neighbours.get(card.mac or "")
    ]


# What a guest may have any number of (links, addresses, routes), and as many as the wire carries.
_MOST = 2048
_MOST_CHARACTERS = 1 << 20


def _lines(path: str) -> list[str]:
    """The lines of a file of the kernel, in which a guest's names of links may be any bytes."""
    try:
        with open(path, errors="replace", newline="\n") as file:
            text = file.read(_MOST_CHARACTERS)
    except OSError:
        return []
    return text[: text.rfind("\n")].split("\n")


def _names(base: str) -> list[str]:
    return [line.partition(":")[0].strip() for line in _lines(f"{base}/dev")[2:]]


_LEAF = re.compile(r"\|-- (\S+)$")


# (network, mask, name of its link, length of its prefix)
_Route = tuple[int, int, str, int]


def _ipv4(base: str) -> list[tuple[str, Address]]:
    """Local addresses come without their interface: the route of their network names it."""
    networks = _routes(base)
    found: dict[str, Address] = {}
    names = []
    last = ""
    for line in _lines(f"{base}/fib_trie"):
        if match := _LEAF.search(line):
            last = match.group(1)
        elif line.strip() == "/32 host LOCAL" and last and last not in found:
            name, prefix = _owner(ipaddress.IPv4Address(last), networks)
            found[last] = Address(IPV4, last, prefix)
            names.append(name)
            if len(found) == _MOST:
                break
    return list(zip(names, found.values(), strict=True))


def _routes(base: str) -> list[_Route]:
    """Every route without a gateway, the narrowest first."""
    found = []
    for line in _lines(f"{base}/route")[1 : _MOST + 1]:
        words = [word.strip(" ") for word in line.split("\t")]
        if len(words) < 8 or int(words[2], 16):
            continue
        target, mask = (
            int.from_bytes(struct.pack("=I", int(words[at], 16)), "big") for at in (1, 7)
        )
        found.append((target & mask, mask, words[0], mask.bit_count()))
    return sorted(found, key=lambda row: -row[3])


def _owner(address: ipaddress.IPv4Address, networks: list[_Route]) -> tuple[str, int]:
    if address.is_loopback:
        return "lo", 8
    number = int(address)
    for network, mask, name, length in networks:
        if mask and number & mask == network:
            return name, length
    return "lo", 32


def _ipv6(base: str) -> list[tuple[str, Address]]:
    found = []
    for line in _lines(f"{base}/if_inet6")[:_MOST]:
        raw, _, prefix, _, _, name = line.split(maxsplit=5)
        address = str(ipaddress.IPv6Address(bytes.fromhex(raw)))
        found.append((name, Address(IPV6, address, int(prefix, 16))))
    return found
