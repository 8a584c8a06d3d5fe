"""Virtual networks and their ports."""

from __future__ import annotations

# fmt: off
ROWS = (
    (39, "NETWORK_CREATE", "net: network", "", ""),
    (40, "NETWORK_CREATE_XML", "xml: string", "net: network", ""),
    (41, "NETWORK_DEFINE_XML", "xml: string", "net: network", "high"),
    (42, "NETWORK_DESTROY", "net: network", "", "high"),
    (43, "NETWORK_GET_XML_DESC", "net: network, flags: uint", "xml: string", "ro high"),
    (44, "NETWORK_GET_AUTOSTART", "net: network", "autostart: int", "ro high"),
    (45, "NETWORK_GET_BRIDGE_NAME", "net: network", "name: string", "ro high"),
    (46, "NETWORK_LOOKUP_BY_NAME", "name: string", "net: network", "ro high"),
    (47, "NETWORK_LOOKUP_BY_UUID", "uuid: uuid", "net: network", "ro high"),
    (48, "NETWORK_SET_AUTOSTART", "net: network, autostart: int", "", "high"),
    (49, "NETWORK_UNDEFINE", "net: network", "", "high"),
    (152, "NETWORK_IS_ACTIVE", "net: network", "active: int", "ro high"),
    (153, "NETWORK_IS_PERSISTENT", "net: network", "persistent: int", "ro high"),
    (291, "NETWORK_UPDATE",
     "net: network, command: uint, section: uint, parentIndex: int, xml: string, flags: uint", "",
     "high"),
    (341, "NETWORK_GET_DHCP_LEASES", "net: network, mac: string?, need_results: int, flags: uint",
     "leases: dhcp_lease<65536>, ret: uint", "ro"),
    (404, "NETWORK_LIST_ALL_PORTS", "network: network, need_results: int, flags: uint",
     "ports: network_port<16384>, ret: uint", "ro high"),
    (405, "NETWORK_PORT_LOOKUP_BY_UUID", "network: network, uuid: uuid", "port: network_port",
     "ro high"),
    (406, "NETWORK_PORT_CREATE_XML", "network: network, xml: string, flags: uint",
     "port: network_port", ""),
    (407, "NETWORK_PORT_GET_PARAMETERS", "port: network_port, nparams: int, flags: uint",
     "params: param<16>, nparams: int", "ro"),
    (408, "NETWORK_PORT_SET_PARAMETERS", "port: network_port, params: param<16>, flags: uint", "",
     ""),
    (409, "NETWORK_PORT_GET_XML_DESC", "port: network_port, flags: uint", "xml: string", "ro"),
    (410, "NETWORK_PORT_DELETE", "port: network_port, flags: uint", "", ""),
    (432, "NETWORK_DEFINE_XML_FLAGS", "xml: string, flags: uint", "net: network", "high"),
    (437, "NETWORK_CREATE_XML_FLAGS", "xml: string, flags: uint", "net: network", "high"),
)
