"""Networks from their XML and back."""

from __future__ import annotations

import uuid as _uuid
from dataclasses import replace

from virtlxc import xmlmap
from virtlxc.model import metadata
from virtlxc.model.container import Container
from virtlxc.model.network import Bridge, Forward, ForwardInterface, Network
from virtlxc.model.network_check import check_network
from virtlxc.model.network_tables import NETWORK


def parse_network(text: str | bytes) -> Network:
    """The network in a ``<network>`` document, checked.

    Raises VirtlxcError: XML_ERROR for what cannot be read, with line, path and what is allowed,
    and for what contradicts itself.
    """
    element = xmlmap.read(text, "network")
    network: Network = xmlmap.parse(NETWORK, element)
    place = element.find("metadata")
    if place is not None:
        foreign, _ = metadata.split(text, place)
        network = replace(network, metadata=foreign)
    network = _normal(network)
    check_network(network)
    return network


def _normal(network: Network) -> Network:
    """What libvirt writes for what was read: defaults filled in, addresses in lower case."""
    forward = network.forward
    if forward is not None:
        forward = _normal_forward(forward)
    normal = replace(
        network,
        forward=forward,
        uuid=_normal_uuid(network.uuid),
        mac=network.mac.lower() if network.mac else None,
    )
    if not normal.own_bridge:
        return normal
    bridge = network.bridge
    filled: Bridge = replace(
        bridge,
        stp=True if bridge.stp is None else bridge.stp,
        delay=0 if bridge.delay is None else bridge.delay,
    )
    return replace(normal, bridge=filled)


def _normal_forward(forward: Forward) -> Forward | None:
    if forward.mode == "none":
        return None
    if forward.dev and not forward.interfaces:
        return replace(forward, interfaces=(ForwardInterface(dev=forward.dev),))
    if forward.interfaces and not forward.dev:
        return replace(forward, dev=forward.interfaces[0].dev)
    return forward


def _normal_uuid(text: str) -> str:
    if not text:
        return ""
    try:
        return str(_uuid.UUID(text))
    except ValueError:
        raise xmlmap.error(f"<uuid>: '{text}' is not a UUID (32 hexadecimal digits)") from None


def format_network(network: Network, *, connections: int = 0) -> str:
    """The document, in libvirt's order and layout; ``connections`` is shown for a running one."""
    if connections:
        network = replace(network, connections=connections)
    verbatim = metadata.join(network.metadata, Container())
    return xmlmap.format(
        NETWORK, network, verbatim={"metadata": verbatim} if verbatim is not None else {}
    )
