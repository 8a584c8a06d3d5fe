"""``<interface>``: a network card of the container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtlxc.model.address import IP, ROUTE, Ip, Route
from virtlxc.model.bandwidth import BANDWIDTH, Bandwidth
from virtlxc.model.port import VIRTUALPORT, VLAN, VirtualPort, Vlan
from virtlxc.xmlmap import KEPT, REFUSED, Ignore, Keep, Kept, Object, Repeat, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """``type``: 'bridge', 'network', 'ethernet' (a veth pair without a bridge) or 'direct'.

    ``source`` is the bridge, the network or, for 'direct', the host's interface; ``source_mode`` is
    then 'vepa', 'bridge', 'private' or 'passthrough'. ``mac`` is lower case, None until
    :func:`virtlxc.model.complete`. ``target`` is the host's end (None: generated), ``guest`` the
    name inside (None: eth0, eth1 ...). ``ips`` and ``routes`` are set inside, ``host_ips`` and
    ``host_routes`` on the host's end ('ethernet' only). ``link_state``: 'up', 'down' or None.
    ``vlan`` and ``virtualport`` are of the card's port of its bridge; while the domain runs they
    say what its network said. ``bridge`` (of the network) exists only then.
    """

    type: str
    source: str | None = None
    source_mode: str | None = None
    portgroup: str | None = None
    mac: str | None = None
    target: str | None = None
    guest: str | None = None
    model: str | None = None
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    host_ips: tuple[Ip, ...] = ()
    host_routes: tuple[Route, ...] = ()
    link_state: str | None = None
    mtu: int | None = None
    vlan: Vlan | None = None
    virtualport: VirtualPort | None = None
    bandwidth: Bandwidth | None = None
    isolated: bool | None = None
    script: str | None = None
    bridge: str | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()


TYPES = types.choice(
    *("user", "ethernet", "vhostuser", "server", "client", "mcast", "network", "bridge"),
    *("internal", "direct", "hostdev", "udp", "vdpa"),
)
_CARD = "a container's card is a veth or a macvlan: there is nothing to set"
# What libvirt makes up itself comes in from a running domain's XML, and means "generate one".
_GENERATED = ("vnet", "veth", "macvlan", "macvtap")


def _make(values: dict[str, Any]) -> Interface:
    target = values.get("target")
    if target is not None and any(
        target.startswith(prefix) and target[len(prefix) :].isdecimal() for prefix in _GENERATED
    ):
        values["target"] = None
    return Interface(**values)


INTERFACE = Table(
    "interface",
    Interface,
    (
        Value(
            path="@type",
            field="type",
            type=TYPES,
            always=True,
            treatment=REFUSED,
            served=("bridge", "network", "ethernet", "direct"),
            note="only bridge, network, ethernet and direct can be started",
        ),
        Keep(path="@trustGuestRxFilters", note=_CARD),
        Keep(path="@managed", note=_CARD),
        Value(path="mac/@address", field="mac", type=types.MAC),
        Keep(path="mac/@type", note=_CARD),
        Keep(path="mac/@check", note=_CARD),
        Value(path="source/@network", field="source", when=("type", ("network",))),
        Value(
            path="source/@portgroup",
            field="portgroup",
            when=("type", ("network",)),
        ),
        Value(path="source/@bridge", field="source", when=("type", ("bridge",))),
        Value(path="source/@bridge", field="bridge", when=("type", ("network",)), live=True),
        Value(path="source/@dev", field="source", when=("type", ("direct",))),
        Value(
            path="source/@mode",
            field="source_mode",
            type=types.choice("vepa", "private", "bridge", "passthrough"),
            when=("type", ("direct",)),
        ),
        Ignore(path="source/@portid"),
        Repeat(path="source/ip", field="host_ips", table=IP),
        Repeat(path="source/route", field="host_routes", table=ROUTE),
        Object(
            path="vlan",
            field="vlan",
            table=VLAN,
            note="on a macvlan it would need a virtual function of an SR-IOV card: refused there",
        ),
        Object(path="virtualport", field="virtualport", table=VIRTUALPORT),
        Object(path="bandwidth", field="bandwidth", table=BANDWIDTH),
        Value(path="port/@isolated", field="isolated", type=types.YES_NO),
        Repeat(path="ip", field="ips", table=IP),
        Repeat(path="route", field="routes", table=ROUTE),
        Value(path="script/@path", field="script", treatment=REFUSED, note="scripts are not run"),
        Keep(path="downscript", treatment=REFUSED, note="scripts are not run"),
        Keep(path="backenddomain", note=_CARD),
        Value(path="target/@dev", field="target", type=types.LINK),
        Keep(path="target/@managed", note=_CARD),
        Value(path="guest/@dev", field="guest", type=types.LINK),
        Ignore(path="guest/@actual"),
        Value(path="model/@type", field="model", treatment=KEPT, note=_CARD),
        Keep(path="driver", note=_CARD),
        Keep(path="backend", note=_CARD),
        Keep(path="filterref", treatment=REFUSED, note="packet filters are not set up"),
        Keep(path="tune", note=_CARD),
        Value(path="link/@state", field="link_state", type=types.choice("up", "down")),
        Value(path="mtu/@size", field="mtu", type=types.integer(68, 65535)),
        Keep(path="coalesce", note=_CARD),
        Keep(path="teaming", note=_CARD),
        Keep(path="boot", note=_CARD),
        Keep(path="rom", note=_CARD),
        Value(path="alias/@name", field="alias", live=True),
        Keep(path="address", note=_CARD),
    ),
    make=_make,
)
