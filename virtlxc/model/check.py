"""What is wrong with a definition, and what its owner should know."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from itertools import pairwise

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model import names
from virtlxc.model.address import Ip, Route
from virtlxc.model.domain import Domain
from virtlxc.model.filesystem import Filesystem
from virtlxc.model.idmap import IdMap, IdRange
from virtlxc.model.interface import Interface
from virtlxc.model.port import OPENVSWITCH, virtualport_problems, vlan_problems
from virtlxc.model.unserved import unserved

MOST_ID_RANGES = 340
"""Lines that the kernel takes in /proc/PID/uid_map (user_namespaces(7))."""


def check(domain: Domain) -> list[str]:
    """The warnings about a definition.

    Raises VirtlxcError (XML_ERROR) for the first thing that makes it impossible. Looks at nothing
    but the domain: what the host lacks is found at the start.
    """
    for rule in _RULES:
        for problem in rule(domain):
            raise VirtlxcError(
                f"domain '{names.short(domain.name)}': {problem}", Code.XML_ERROR, From.DOMAIN
            )
    return list(warnings(domain))


def _name(domain: Domain) -> Iterator[str]:
    name = domain.name
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name.strip():
        yield "the name is empty; give it one in <name>"
    if size > names.MOST_BYTES:
        yield f"the name has {size} bytes; at most {names.MOST_BYTES} are possible"
    if "/" in name:
        yield "the name contains '/'; names are file names, choose one without"
    if "\n" in name:
        yield "the name contains a newline; write it in one line"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        yield "the name contains a control character; remove it"
    if name.startswith("."):
        yield "the name begins with '.'; choose one that begins otherwise"
    if domain.title is not None and "\n" in domain.title:
        yield "the title contains a newline; write it in one line, or use <description>"


# No init comes to its first instruction with less (busybox needs some 250).
LEAST_MEMORY_KIB = 1024
UNIT_MEND = " (<memory> without a unit is KiB: <memory unit='MiB'>)"


def _memory(domain: Domain) -> Iterator[str]:
    if domain.memory == 0:
        yield "<memory> is 0; give the most that the container may use, such as 512 MiB"


def _os(domain: Domain) -> Iterator[str]:
    if not domain.os.init:
        yield ("no init is given; name the first program in <os>, such as <init>/sbin/init</init>")


def _processors(domain: Domain) -> Iterator[str]:
    if domain.vcpus_current is not None and domain.vcpus_current > domain.vcpus:
        yield (f"<vcpu current='{domain.vcpus_current}'> is more than its maximum, {domain.vcpus}")
    tune = domain.cputune
    bounds = (
        ("shares", tune.shares, 2, 262144),
        ("period", tune.period or None, 1000, 1_000_000),
        ("quota", tune.quota if (tune.quota or 0) > 0 else None, 1000, 18446744073709551),
    )
    for name, value, least, most in bounds:
        if value is not None and not least <= value <= most:
            yield f"<cputune> <{name}> is {value}; it can be {least} to {most}"


def _idmap(domain: Domain) -> Iterator[str]:
    if domain.idmap is None:
        return
    sides = (("uid", domain.idmap.uids), ("gid", domain.idmap.gids))
    for kind, ranges in sides:
        yield from _ranges(kind, ranges, domain.idmap)


def _ranges(kind: str, ranges: tuple[IdRange, ...], idmap: IdMap) -> Iterator[str]:
    if not ranges:
        if idmap.uids or idmap.gids:
            yield f"<idmap> has no <{kind}>; users and groups are both needed"
        return
    if len(ranges) > MOST_ID_RANGES:
        yield f"<idmap> has {len(ranges)} <{kind}> lines; the kernel takes {MOST_ID_RANGES}"
    for item in ranges:
        if item.count == 0:
            yield f"<idmap> <{kind} start='{item.start}'> has count='0'; leave it out"
        if max(item.start, item.target) + item.count > 2**32 - 1:
            yield f"<idmap> <{kind} start='{item.start}'> goes beyond the highest id, 4294967294"
    if ranges[0].start != 0:
        yield (
            f"<idmap> maps no <{kind}> 0, so that the container has no root; "
            f"add a <{kind} start='0' .../>"
        )
    yield from _overlap(kind, ranges, "start", lambda item: item.start)
    yield from _overlap(kind, ranges, "target", lambda item: item.target)


def _overlap(
    kind: str, ranges: tuple[IdRange, ...], name: str, first: Callable[[IdRange], int]
) -> Iterator[str]:
    for low, high in pairwise(sorted(ranges, key=first)):
        if first(low) + low.count > first(high):
            yield (
                f"<idmap> <{kind} {name}='{first(low)}' count='{low.count}'> and "
                f"<{kind} {name}='{first(high)}' count='{high.count}'> overlap"
            )


_SOURCES = {"mount": "dir", "bind": "dir", "block": "dev", "file": "file", "template": "name"}


def _filesystems(domain: Domain) -> Iterator[str]:
    for fs in domain.filesystems:
        yield from _filesystem(fs)
    targets = {fs.target for fs in domain.filesystems}
    for extra in domain.container.filesystems:
        if extra.target not in targets:
            known = ", ".join(sorted(targets)) or "none"
            yield (
                f"<virtlxc:filesystem target='{extra.target}'> belongs to no <filesystem> "
                f"(targets: {known})"
            )


def _filesystem(fs: Filesystem) -> Iterator[str]:
    where = f"<filesystem> at '{fs.target}'"
    attribute = _SOURCES.get(fs.type)
    if not fs.target:
        yield "a <filesystem> has an empty target; give it one, such as <target dir='/data'/>"
    if attribute is not None and not fs.source:
        yield f"{where} has no source; add <source {attribute}='...'/>"
    if fs.type == "ram" and not fs.usage_kib:
        yield f"{where} has no size; add <source usage='64' units='MiB'/>"
    if fs.type == "volume" and not (fs.source_pool and fs.source_volume):
        yield f"{where} has no source; add <source pool='...' volume='...'/>"


def _interfaces(domain: Domain) -> Iterator[str]:
    for at, interface in enumerate(domain.interfaces):
        where = f"interface {at + 1}"
        if interface.mac is not None and int(interface.mac[:2], 16) & 1:
            yield (f"{where} has the multicast MAC {interface.mac}; the second digit must be even")
        attribute = {"bridge": "bridge", "network": "network", "direct": "dev"}.get(interface.type)
        if attribute is not None and not interface.source:
            yield f"{where} has no source; add <source {attribute}='...'/>"
        yield from (f"{where}: {problem}" for problem in _port(interface))
        for ip in (*interface.ips, *interface.host_ips):
            yield from _address(where, "address", ip.address, ip)
            yield from _address(where, "peer", ip.peer, ip)
        for route in (*interface.routes, *interface.host_routes):
            yield from _address(where, "address", route.address, route)
            yield from _address(where, "gateway", route.gateway, route)
        if interface.type != "ethernet" and (interface.host_ips or interface.host_routes):
            yield (
                f"{where} has addresses inside <source>, the host's end; "
                "only type='ethernet' can have them"
            )


def _port(card: Interface) -> Iterator[str]:
    """As libvirt refuses it: what the port of a bridge cannot be."""
    yield from vlan_problems(card.vlan)
    port = card.virtualport
    if port is None:
        return
    yield from virtualport_problems(port)
    if card.type not in ("network", "bridge", "direct", "hostdev"):
        yield f"<virtualport> is not possible with type='{card.type}'; take it out"
    elif port.type is None and card.type != "network":
        yield "<virtualport> has no type; write <virtualport type='openvswitch'>"
    if port.type == OPENVSWITCH and card.isolated:
        yield "Open vSwitch isolates no ports; take <port isolated='yes'/> out"


def _address(where: str, name: str, text: str | None, of: Ip | Route) -> Iterator[str]:
    if text is None:
        return
    tag = "ip" if isinstance(of, Ip) else "route"
    address = ipaddress.ip_address(text)
    if of.family not in (None, f"ipv{address.version}"):
        yield f"{where}: <{tag} {name}='{text}'> is not of the family '{of.family}'"
    if of.prefix is not None and of.prefix > address.max_prefixlen:
        yield f"{where}: the prefix {of.prefix} of '{text}' is more than {address.max_prefixlen}"


def _shares(domain: Domain) -> Iterator[str]:
    for share in domain.shares:
        where = f"<lxc:share{share.kind}>"
        if share.type == "netns" and share.kind != "net":
            yield f"{where} has type='netns'; use 'name' or 'pid'"
        if share.type == "pid" and not share.value.isdecimal():
            yield f"{where} has type='pid' and the value '{share.value}', which is no pid"
        if share.kind == "net" and domain.needs_netns:
            yield f"{where} and interfaces or <privnet/> exclude each other; remove one"


_RULES = (_name, _memory, _os, _processors, _idmap, _filesystems, _interfaces, _shares)


def warnings(domain: Domain) -> Iterator[str]:
    """What is possible, but probably not known to whoever wrote it."""
    if domain.idmap is None or not (domain.idmap.uids and domain.idmap.gids):
        yield (
            "root in this container is root on the host: it has no <idmap> "
            "(virtlxc new gives one by itself)"
        )
    elif any(line.target == 0 for line in (*domain.idmap.uids, *domain.idmap.gids)):
        yield "the host's id 0 is in this container (see <idmap>): its files are open to it"
    if 0 < domain.memory < LEAST_MEMORY_KIB:
        yield f"{domain.memory} KiB of memory is too little for any program{UNIT_MEND}"
    if domain.root is None:
        yield "no root file system is given: the container sees the host's programs, read-only"
    shares_net = any(share.kind == "net" for share in domain.shares)
    if not domain.needs_netns and not shares_net:
        yield (
            "no interface is given: the container uses the host's network "
            "(<features><privnet/></features> gives it one of its own)"
        )
    yield from _twice(
        "MAC", [interface.mac for interface in domain.interfaces if interface.mac is not None]
    )
    yield from _twice(
        "interface name inside",
        [interface.guest for interface in domain.interfaces if interface.guest is not None],
    )
    for item in unserved(domain):
        if item.protects:
            yield f"{item}; it will not start unless told to ignore '{item.name}'"
        else:
            yield str(item)


def _twice(what: str, values: list[str]) -> Iterator[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"the {what} {value} is used twice"
