"""The host's network interfaces."""

from __future__ import annotations

# fmt: off
ROWS = (
    (128, "INTERFACE_LOOKUP_BY_NAME", "name: string", "iface: interface", "ro high"),
    (129, "INTERFACE_LOOKUP_BY_MAC_STRING", "mac: string", "iface: interface", "ro high"),
    (130, "INTERFACE_GET_XML_DESC", "iface: interface, flags: uint", "xml: string", "ro"),
    (131, "INTERFACE_DEFINE_XML", "xml: string, flags: uint", "iface: interface", "high"),
    (132, "INTERFACE_UNDEFINE", "iface: interface", "", "high"),
    (133, "INTERFACE_CREATE", "iface: interface, flags: uint", "", ""),
    (134, "INTERFACE_DESTROY", "iface: interface, flags: uint", "", "high"),
    (156, "INTERFACE_IS_ACTIVE", "iface: interface", "active: int", "ro high"),
    (220, "INTERFACE_CHANGE_BEGIN", "flags: uint", "", ""),
    (221, "INTERFACE_CHANGE_COMMIT", "flags: uint", "", ""),
    (222, "INTERFACE_CHANGE_ROLLBACK", "flags: uint", "", ""),
)
