"""The host's devices and network interfaces."""

from __future__ import annotations

from virtlxc.driver.node.interfaces import InterfaceRef
from virtlxc.rpc.registry import Call, handles

NodeDevice = tuple[str]


def _refs(names: list[str]) -> list[NodeDevice]:
    return [(name,) for name in names]


@handles("CONNECT_LIST_ALL_NODE_DEVICES")
def connect_list_all_node_devices(
    call: Call, need_results: int, flags: int
) -> tuple[list[NodeDevice], int]:
    found = call.driver.node_devices.list_all(flags)
    return (_refs(found) if need_results else []), len(found)


@handles("NODE_NUM_OF_DEVICES", flags=0)
def node_num_of_devices(call: Call, cap: str | None, flags: int) -> int:
    return len(call.driver.node_devices.names(cap))


@handles("NODE_LIST_DEVICES", flags=0)
def node_list_devices(call: Call, cap: str | None, maxnames: int, flags: int) -> list[str]:
    return call.driver.node_devices.names(cap)[: max(maxnames, 0)]


@handles("NODE_DEVICE_LOOKUP_BY_NAME")
def node_device_lookup_by_name(call: Call, name: str) -> NodeDevice:
    return (call.driver.node_devices.lookup(name),)


@handles("NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN", flags=0)
def node_device_lookup_scsi_host_by_wwn(
    call: Call, wwnn: str, wwpn: str, flags: int
) -> NodeDevice:
    return (call.driver.node_devices.lookup_scsi_host(wwnn, wwpn),)


@handles("NODE_DEVICE_GET_XML_DESC", flags=0)
def node_device_get_xml_desc(call: Call, name: str, flags: int) -> str:
    return call.driver.node_devices.xml(name)


@handles("NODE_DEVICE_GET_PARENT")
def node_device_get_parent(call: Call, name: str) -> str | None:
    return call.driver.node_devices.parent(name)


@handles("NODE_DEVICE_NUM_OF_CAPS")
def node_device_num_of_caps(call: Call, name: str) -> int:
    return len(call.driver.node_devices.capabilities(name))


@handles("NODE_DEVICE_LIST_CAPS")
def node_device_list_caps(call: Call, name: str, maxnames: int) -> list[str]:
    return call.driver.node_devices.capabilities(name)[: max(maxnames, 0)]


@handles("NODE_DEVICE_IS_ACTIVE")
def node_device_is_active(call: Call, name: str) -> int:
    """What is there is active: a device that could be made and is not would not be."""
    call.driver.node_devices.lookup(name)
    return 1


@handles("NODE_DEVICE_IS_PERSISTENT")
def node_device_is_persistent(call: Call, name: str) -> int:
    return int(call.driver.node_devices.is_persistent(name))


@handles("NODE_DEVICE_GET_AUTOSTART")
def node_device_get_autostart(call: Call, name: str) -> int:
    return int(call.driver.node_devices.is_persistent(name))


@handles("CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY", fast=True)
def connect_node_device_event_register_any(
    call: Call, eventID: int, dev: NodeDevice | None
) -> int:
    number = call.peer.register_event("node device", eventID, dev)
    call.driver.node_devices.watch()
    return number


@handles("CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY", fast=True)
def connect_node_device_event_deregister_any(call: Call, callbackID: int) -> None:
    call.peer.deregister_event(callbackID)


# Network interfaces


@handles("CONNECT_LIST_ALL_INTERFACES")
def connect_list_all_interfaces(
    call: Call, need_results: int, flags: int
) -> tuple[list[InterfaceRef], int]:
    found = call.driver.interfaces.list_all(flags)
    return (found if need_results else []), len(found)


@handles("CONNECT_NUM_OF_INTERFACES")
def connect_num_of_interfaces(call: Call) -> int:
    return len(call.driver.interfaces.names(active=True))


@handles("CONNECT_LIST_INTERFACES")
def connect_list_interfaces(call: Call, maxnames: int) -> list[str]:
    return call.driver.interfaces.names(active=True)[: max(maxnames, 0)]


@handles("CONNECT_NUM_OF_DEFINED_INTERFACES")
def connect_num_of_defined_interfaces(call: Call) -> int:
    return len(call.driver.interfaces.names(active=False))


@handles("CONNECT_LIST_DEFINED_INTERFACES")
def connect_list_defined_interfaces(call: Call, maxnames: int) -> list[str]:
    return call.driver.interfaces.names(active=False)[: max(maxnames, 0)]


@handles("INTERFACE_LOOKUP_BY_NAME")
def interface_lookup_by_name(call: Call, name: str) -> InterfaceRef:
    return call.driver.interfaces.lookup_name(name)


@handles("INTERFACE_LOOKUP_BY_MAC_STRING")
def interface_lookup_by_mac_string(call: Call, mac: str) -> InterfaceRef:
    return call.driver.interfaces.lookup_mac(mac)


@handles("INTERFACE_GET_XML_DESC")
def interface_get_xml_desc(call: Call, iface: tuple[str, str], flags: int) -> str:
    return call.driver.interfaces.xml(iface, flags)


@handles("INTERFACE_IS_ACTIVE")
def interface_is_active(call: Call, iface: tuple[str, str]) -> int:
    return int(call.driver.interfaces.is_active(iface))
