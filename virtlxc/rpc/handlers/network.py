"""Virtual networks."""

from __future__ import annotations

from virtlxc.driver.named import NamedRef
from virtlxc.driver.network.networks import Networks
from virtlxc.driver.network.ports import PortRef
from virtlxc.driver.network.state import DhcpLease
from virtlxc.rpc.handlers import named
from virtlxc.rpc.registry import Call, handles


def _networks(call: Call) -> Networks:
    return call.driver.networks


named.answer("NETWORK", "NETWORKS", _networks)
named.list_by_name("NETWORKS", _networks)


@handles("NETWORK_DEFINE_XML")
def network_define_xml(call: Call, xml: str) -> NamedRef:
    return call.driver.networks.define(xml)


@handles("NETWORK_DEFINE_XML_FLAGS")
def network_define_xml_flags(call: Call, xml: str, flags: int) -> NamedRef:
    return call.driver.networks.define(xml, flags)


@handles("NETWORK_CREATE_XML")
def network_create_xml(call: Call, xml: str) -> NamedRef:
    return call.driver.networks.create(xml)


@handles("NETWORK_CREATE_XML_FLAGS")
def network_create_xml_flags(call: Call, xml: str, flags: int) -> NamedRef:
    return call.driver.networks.create(xml, flags)


@handles("NETWORK_CREATE")
def network_create(call: Call, net: NamedRef) -> None:
    call.driver.networks.start(net)


@handles("NETWORK_GET_XML_DESC", fast=True)
def network_get_xml_desc(call: Call, net: NamedRef, flags: int) -> str:
    return call.driver.networks.xml(net, flags)


@handles("NETWORK_GET_BRIDGE_NAME", fast=True)
def network_get_bridge_name(call: Call, net: NamedRef) -> str:
    return call.driver.networks.bridge_name(net)


@handles("NETWORK_UPDATE")
def network_update(
    call: Call,
    net: NamedRef,
    command: int,
    section: int,
    parentIndex: int,
    xml: str,
    flags: int,
) -> None:
    call.driver.networks.update(net, command, section, parentIndex, xml, flags)


@handles("NETWORK_GET_DHCP_LEASES", flags=0)
def network_get_dhcp_leases(
    call: Call, net: NamedRef, mac: str | None, need_results: int, flags: int
) -> tuple[list[DhcpLease], int]:
    found = call.driver.networks.dhcp_leases(net, mac)
    return (found if need_results else []), len(found)


@handles("NETWORK_LIST_ALL_PORTS", fast=True, flags=0)
def network_list_all_ports(
    call: Call, network: NamedRef, need_results: int, flags: int
) -> tuple[list[PortRef], int]:
    found = call.driver.networks.ports(network)
    return (found if need_results else []), len(found)


@handles("NETWORK_PORT_LOOKUP_BY_UUID", fast=True)
def network_port_lookup_by_uuid(call: Call, network: NamedRef, uuid: bytes) -> PortRef:
    return call.driver.networks.port_lookup(network, uuid)


@handles("NETWORK_PORT_GET_XML_DESC", fast=True)
def network_port_get_xml_desc(call: Call, port: PortRef, flags: int) -> str:
    return call.driver.networks.port_xml(port, flags)
