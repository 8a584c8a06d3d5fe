"""The ports of a network: the cards of running domains that are plugged into its bridge.

libvirt's virtual networks keep a list of them. Here they follow from what runs, so that the list
cannot be wrong: a port is there as long as its card is, and its UUID is made from those of the
network and the domain, the card's MAC and its link on the host.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

from virtlxc.driver.named import NamedRef
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.markup import Lines, document, maybe, tag
from virtlxc.model import Interface, VirtualPort, Vlan
from virtlxc.model.bandwidth import Bandwidth
from virtlxc.model.network import Network


class Plugged(NamedTuple):
    """A card of a running domain: its link on the host, and whose it is."""

    link: str
    domain: str
    domain_uuid: str
    card: Interface


class PortRef(NamedTuple):
    """A port as libvirt's wire has it."""

    network: NamedRef
    uuid: bytes


def uuid_of(network: NamedRef, one: Plugged) -> bytes:
    own = f"{network.uuid_text} {one.card.mac} {one.link}"
    return uuid.uuid5(uuid.UUID(one.domain_uuid), own).bytes


def missing(wanted: bytes) -> VirtlxcError:
    text = f"Network port with UUID {uuid.UUID(bytes=wanted)} does not exist"
    return VirtlxcError(text, Code.NO_NETWORK_PORT, From.NETWORK)


def xml(network: Network, ref: PortRef, one: Plugged) -> str:
    """``virNetworkPortGetXMLDesc``."""
    card = one.card
    bandwidth = card.bandwidth or network.port_limits.get(card.portgroup or "")
    if bandwidth == Bandwidth():  # of a port group that limits nothing
        bandwidth = None
    return document(tag("networkport", [
        *tag("uuid", str(uuid.UUID(bytes=ref.uuid))),
        *tag("owner", [*tag("name", one.domain), *tag("uuid", one.domain_uuid)]),
        *maybe("group", card.portgroup),
        *tag("mac", address=card.mac),
        *(_virtualport(card.virtualport) if card.virtualport is not None else ()),
        *(_bandwidth(bandwidth) if bandwidth is not None else ()),
        *(_vlan(card.vlan) if card.vlan is not None else ()),
        *(tag("port", isolated="yes") if card.isolated else ()),
        *tag("plug", type="network" if network.own_bridge else "bridge",
             bridge=card.bridge or network.bridge.name),
    ]))  # fmt: skip


def _virtualport(port: VirtualPort) -> Lines:
    told = tag("parameters", interfaceid=port.interface_id, profileid=port.profile_id)
    return tag("virtualport", told, type=port.type)


def _vlan(vlan: Vlan) -> Lines:
    tags = [line for one in vlan.tags for line in tag("tag", id=one.id, nativeMode=one.native_mode)]
    return tag("vlan", tags, trunk="yes" if vlan.trunk else None)


def _bandwidth(bandwidth: Bandwidth) -> Lines:
    rates = (("inbound", bandwidth.inbound), ("outbound", bandwidth.outbound))
    return tag("bandwidth", [
        line
        for name, rate in rates
        if rate is not None
        for line in tag(name, average=rate.average, peak=rate.peak, burst=rate.burst)
    ])  # fmt: skip
