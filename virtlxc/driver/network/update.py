"""``virNetworkUpdate``: one part of a network replaced, added or removed. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from virtlxc import xmlmap
from virtlxc.driver.refusals import NETWORK
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model import network_tables as tables
from virtlxc.model.network import Network
from virtlxc.model.network_check import check_network
from virtlxc.xmlmap import Table

MODIFY, DELETE, ADD_LAST, ADD_FIRST = 1, 2, 3, 4
COMMANDS = {MODIFY: "modify", DELETE: "delete", ADD_LAST: "add-last", ADD_FIRST: "add-first"}


@dataclass(frozen=True, slots=True)
class Section:
    """Where a section's items are: a field of the network's ``dns``, or of one of its ``ips``.

    ``same`` tells whether an item is the one that a given one means.
    """

    name: str
    table: Table
    owner: str
    field: str
    same: Callable[[Any, Any], bool]


def _same_dhcp_host(one: Any, other: Any) -> bool:
    for field in ("mac", "id", "name", "ip"):
        wanted, held = getattr(other, field), getattr(one, field)
        if wanted is not None and held is not None:
            return bool(str(wanted).lower() == str(held).lower())
    return False


SECTIONS = {
    4: Section("ip-dhcp-host", tables.HOST, "ips", "hosts", _same_dhcp_host),
    5: Section(
        "ip-dhcp-range",
        tables.RANGE,
        "ips",
        "ranges",
        lambda one, other: (one.start, one.end) == (other.start, other.end),
    ),
    10: Section("dns-host", tables.DNS_HOST, "dns", "hosts", lambda one, other: one.ip == other.ip),
    11: Section(
        "dns-txt", tables.DNS_TXT, "dns", "txts", lambda one, other: one.name == other.name
    ),
    12: Section(
        "dns-srv",
        tables.DNS_SRV,
        "dns",
        "srvs",
        lambda one, other: (one.service, one.protocol) == (other.service, other.protocol),
    ),
}


def changed(network: Network, command: int, section: int, parent: int, xml: str) -> Network:
    """The network after the change; raises VirtlxcError, also when it would contradict itself.

    ``parent``: which <ip> element, -1: the one that fits.
    """
    where = SECTIONS.get(section)
    if where is None or command not in COMMANDS:
        raise VirtlxcError(
            f"cannot update network '{network.name}': section {section} with command {command} "
            f"is not supported (can be: {', '.join(one.name for one in SECTIONS.values())})",
            Code.OPERATION_UNSUPPORTED,
            From.NETWORK,
        )
    item = xmlmap.parse(where.table, xmlmap.read(xml, where.table.tag))
    if where.owner == "dns":
        items = _edited(getattr(network.dns, where.field), item, command, where, network.name)
        change: dict[str, Any] = {where.field: items}
        network = replace(network, dns=replace(network.dns, **change))
    else:
        at = _parent(network, parent, item)
        ip = network.ips[at]
        items = _edited(getattr(ip, where.field), item, command, where, network.name)
        change = {where.field: items}
        ips = (*network.ips[:at], replace(ip, **change), *network.ips[at + 1 :])
        network = replace(network, ips=ips)
    check_network(network)
    return network


def _parent(network: Network, parent: int, item: Any) -> int:
    if parent >= 0:
        if parent >= len(network.ips):
            raise NETWORK.failed(f"network '{network.name}' has no <ip> element number {parent}")
        return parent
    version_text = getattr(item, "ip", None) or getattr(item, "start", None) or ""
    six = ":" in version_text
    fitting = [at for at, ip in enumerate(network.ips) if (":" in ip.address) == six]
    serving = [at for at in fitting if network.ips[at].dhcp]
    for at in (*serving, *fitting):
        return at
    raise NETWORK.failed(f"network '{network.name}' has no <ip> element that fits")


def _edited(
    items: tuple[Any, ...], item: Any, command: int, where: Section, name: str
) -> tuple[Any, ...]:
    found = [at for at, one in enumerate(items) if where.same(one, item)]
    if command in (ADD_FIRST, ADD_LAST):
        if found:
            raise NETWORK.invalid(
                f"there is an existing {where.name} that matches in network '{name}'"
            )
        return (item, *items) if command == ADD_FIRST else (*items, item)
    if not found:
        raise NETWORK.invalid(f"couldn't locate a matching {where.name} in network '{name}'")
    at = found[0]
    put = (item,) if command == MODIFY else ()
    return (*items[:at], *put, *items[at + 1 :])
