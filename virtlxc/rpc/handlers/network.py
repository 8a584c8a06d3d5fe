"""Virtual networks."""

from __future__ import annotations

from virtlxc.driver.network_state import DhcpLease, Listing, NetworkRef
from virtlxc.rpc.registry import Call, handles


@handles("CONNECT_LIST_ALL_NETWORKS", fast=True)
def connect_list_all_networks(
    call: Call, need_results: int, flags: int
) -> tuple[list[NetworkRef], int]:
    found = call.driver.networks.list_all(flags)
    return (found if need_results else []), len(found)


@handles("CONNECT_NUM_OF_NETWORKS", fast=True)
def connect_num_of_networks(call: Call) -> int:
    return len(call.driver.networks.list_all(Listing.ACTIVE))


@handles("CONNECT_LIST_NETWORKS", fast=True)
def connect_list_networks(call: Call, maxnames: int) -> list[str]:
    return [net[0] for net in call.driver.networks.list_all(Listing.ACTIVE)][: max(maxnames, 0)]


@handles("CONNECT_NUM_OF_DEFINED_NETWORKS", fast=True)
def connect_num_of_defined_networks(call: Call) -> int:
    return len(call.driver.networks.list_all(Listing.INACTIVE))


@handles("CONNECT_LIST_DEFINED_NETWORKS", fast=True)
def connect_list_defined_networks(call: Call, maxnames: int) -> list[str]:
    return [net[0] for net in call.driver.networks.list_all(Listing.INACTIVE)][: max(maxnames, 0)]


@handles("NETWORK_LOOKUP_BY_NAME", fast=True)
def network_lookup_by_name(call: Call, name: str) -> NetworkRef:
    return call.driver.networks.lookup_name(name)


@handles("NETWORK_LOOKUP_BY_UUID", fast=True)
def network_lookup_by_uuid(call: Call, uuid: bytes) -> NetworkRef:
    return call.driver.networks.lookup_uuid(uuid)


@handles("NETWORK_DEFINE_XML")
def network_define_xml(call: Call, xml: str) -> NetworkRef:
    return call.driver.networks.define(xml)


@handles("NETWORK_DEFINE_XML_FLAGS")
def network_define_xml_flags(call: Call, xml: str, flags: int) -> NetworkRef:
    return call.driver.networks.define(xml, flags)


@handles("NETWORK_CREATE_XML")
def network_create_xml(call: Call, xml: str) -> NetworkRef:
    return call.driver.networks.create(xml)


@handles("NETWORK_CREATE_XML_FLAGS")
def network_create_xml_flags(call: Call, xml: str, flags: int) -> NetworkRef:
    return call.driver.networks.create(xml, flags)


@handles("NETWORK_CREATE")
def network_create(call: Call, net: NetworkRef) -> None:
    call.driver.networks.start(net)


@handles("NETWORK_DESTROY")
def network_destroy(call: Call, net: NetworkRef) -> None:
    call.driver.networks.destroy(net)


@handles("NETWORK_UNDEFINE")
def network_undefine(call: Call, net: NetworkRef) -> None:
    call.driver.networks.undefine(net)


@handles("NETWORK_GET_XML_DESC", fast=True)
def network_get_xml_desc(call: Call, net: NetworkRef, flags: int) -> str:
    return call.driver.networks.xml(net, flags)


@handles("NETWORK_GET_BRIDGE_NAME", fast=True)
def network_get_bridge_name(call: Call, net: NetworkRef) -> str:
    return call.driver.networks.bridge_name(net)


@handles("NETWORK_GET_AUTOSTART", fast=True)
def network_get_autostart(call: Call, net: NetworkRef) -> int:
    return int(call.driver.networks.autostart(net))


@handles("NETWORK_SET_AUTOSTART")
def network_set_autostart(call: Call, net: NetworkRef, autostart: int) -> None:
    call.driver.networks.set_autostart(net, bool(autostart))


@handles("NETWORK_IS_ACTIVE", fast=True)
def network_is_active(call: Call, net: NetworkRef) -> int:
    return int(call.driver.networks.is_active(net))


@handles("NETWORK_IS_PERSISTENT", fast=True)
def network_is_persistent(call: Call, net: NetworkRef) -> int:
    return int(call.driver.networks.is_persistent(net))


@handles("NETWORK_UPDATE")
def network_update(
    call: Call,
    net: NetworkRef,
    command: int,
    section: int,
    parentIndex: int,
    xml: str,
    flags: int,
) -> None:
    call.driver.networks.update(net, command, section, parentIndex, xml, flags)


@handles("NETWORK_GET_DHCP_LEASES", flags=0)
def network_get_dhcp_leases(
    call: Call, net: NetworkRef, mac: str | None, need_results: int, flags: int
) -> tuple[list[DhcpLease], int]:
    found = call.driver.networks.dhcp_leases(net, mac)
    return (found if need_results else []), len(found)


@handles("NETWORK_LIST_ALL_PORTS", fast=True, flags=0)
def network_list_all_ports(
    call: Call, network: NetworkRef, need_results: int, flags: int
) -> tuple[list[object], int]:
    """Containers are plugged into bridges directly: no network keeps a list of its ports."""
    call.driver.networks.lookup_uuid(network[1])
    return [], 0
