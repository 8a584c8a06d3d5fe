"""``<interface>``: a network card of the container."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.address import Ip, Route
from virtlxc.model.bandwidth import Bandwidth
from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """``type``: 'bridge', 'network', 'ethernet' (a veth pair without a bridge) or 'direct'.

    ``source`` is the bridge, the network or, for 'direct', the host's interface; ``source_mode`` is
    then 'vepa', 'bridge', 'private' or 'passthrough'. ``mac`` is lower case, None until
    :func:`virtlxc.model.complete`. ``target`` is the host's end (None: generated), ``guest`` the
    name inside (None: eth0, eth1 ...). ``ips`` and ``routes`` are set inside, ``host_ips`` and
    ``host_routes`` on the host's end ('ethernet' only). ``link_state``: 'up', 'down' or None.
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
    bandwidth: Bandwidth | None = None
    script: str | None = None
    guest_actual: str | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()
