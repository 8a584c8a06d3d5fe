"""Virtual networks."""

from __future__ import annotations

from typing import Any

from virtlxc.rpc.registry import Call, handles

Net = tuple[str, bytes]
_ACTIVE, _INACTIVE = 2, 1  # virConnectListAllNetworksFlags


def _networks(call: Call) -> Any:
    return call.driver.networks


@handles("CONNECT_LIST_ALL_NETWORKS", fast=True)
def connect_list_all_networks(call: Call, need_results: int, flags: int) -> tuple[list[Net], int]:
    found = _networks(call).list(flags)
    return (found if need_results else []), len(found)


@handles("CONNECT_NUM_OF_NETWORKS", fast=True)
def connect_num_of_networks(call: Call) -> int:
    return len(_networks(call).list(_ACTIVE))


@handles("CONNECT_LIST_NETWORKS", fast=True)
def connect_list_networks(call: Call, maxnames: int) -> list[str]:
    return [net[0] for net in _networks(call).list(_ACTIVE)][: max(maxnames, 0)]


@handles("CONNECT_NUM_OF_DEFINED_NETWORKS", fast=True)
def connect_num_of_defined_networks(call: Call) -> int:
    return len(_networks(call).list(_INACTIVE))


@handles("CONNECT_LIST_DEFINED_NETWORKS", fast=True)
def connect_list_defined_networks(call: Call, maxnames: int) -> list[str]:
    return [net[0] for net in _networks(call).list(_INACTIVE)][: max(maxnames, 0)]


@handles("NETWORK_LOOKUP_BY_NAME", fast=True)
def network_lookup_by_name(call: Call, name: str) -> Net:
    return _networks(call).lookup_name(name)  # type: ignore[no-any-return]


@handles("NETWORK_LOOKUP_BY_UUID", fast=True)
def network_lookup_by_uuid(call: Call, uuid: bytes) -> Net:
    return _networks(call).lookup_uuid(uuid)  # type: ignore[no-any-return]


@handles("NETWORK_DEFINE_XML")
def network_define_xml(call: Call, xml: str) -> Net:
    return _networks(call).define(xml, 0)[0]  # type: ignore[no-any-return]


@handles("NETWORK_DEFINE_XML_FLAGS")
def network_define_xml_flags(call: Call, xml: str, flags: int) -> Net:
    return _networks(call).define(xml, flags)[0]  # type: ignore[no-any-return]


@handles("NETWORK_CREATE_XML")
def network_create_xml(call: Call, xml: str) -> Net:
    return _networks(call).create_xml(xml, 0)[0]  # type: ignore[no-any-return]


@handles("NETWORK_CREATE_XML_FLAGS")
def network_create_xml_flags(call: Call, xml: str, flags: int) -> Net:
    return _networks(call).create_xml(xml, flags)[0]  # type: ignore[no-any-return]


@handles("NETWORK_CREATE")
def network_create(call: Call, net: Net) -> None:
    _networks(call).start(net)


@handles("NETWORK_DESTROY")
def network_destroy(call: Call, net: Net) -> None:
    _networks(call).destroy(net)


@handles("NETWORK_UNDEFINE")
def network_undefine(call: Call, net: Net) -> None:
    _networks(call).undefine(net)


@handles("NETWORK_GET_XML_DESC", fast=True)
def network_get_xml_desc(call: Call, net: Net, flags: int) -> str:
    return _networks(call).xml(net, flags)  # type: ignore[no-any-return]


@handles("NETWORK_GET_BRIDGE_NAME", fast=True)
def network_get_bridge_name(call: Call, net: Net) -> str:
    return _networks(call).bridge_name(net)  # type: ignore[no-any-return]


@handles("NETWORK_GET_AUTOSTART", fast=True)
def network_get_autostart(call: Call, net: Net) -> int:
    return int(_networks(call).autostart(net))


@handles("NETWORK_SET_AUTOSTART")
def network_set_autostart(call: Call, net: Net, autostart: int) -> None:
    _networks(call).set_autostart(net, bool(autostart))


@handles("NETWORK_IS_ACTIVE", fast=True)
def network_is_active(call: Call, net: Net) -> int:
    return int(_networks(call).is_active(net))


@handles("NETWORK_IS_PERSISTENT", fast=True)
def network_is_persistent(call: Call, net: Net) -> int:
    return int(_networks(call).is_persistent(net))


@handles("NETWORK_UPDATE")
def network_update(
    call: Call, net: Net, command: int, section: int, parentIndex: int, xml: str, flags: int
) -> None:  # fmt: skip
    _networks(call).update(net, command, section, parentIndex, xml, flags)


@handles("NETWORK_GET_DHCP_LEASES", flags=0)
def network_get_dhcp_leases(
    call: Call, net: Net, mac: str | None, need_results: int, flags: int
) -> tuple[list[Any], int]:
    found = [tuple(lease) for lease in _networks(call).leases(net, mac)]
    return (found if need_results else []), len(found)


@handles("NETWORK_LIST_ALL_PORTS", fast=True, flags=0)
def network_list_all_ports(
    call: Call, network: Net, need_results: int, flags: int
) -> tuple[list[Any], int]:
    """Containers are plugged into bridges directly: no network keeps a list of its ports."""
    _networks(call).lookup_uuid(network[1])
    return [], 0
