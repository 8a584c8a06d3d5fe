"""What the firmware says of the machine (SMBIOS), in libvirt's ``<sysinfo>``; from DMI in sysfs."""

from __future__ import annotations

from virtlxc.host.devices.inventory import DMI
from virtlxc.host.devices.node import Node
from virtlxc.markup import document, tag

# Element -> (name of the entry, file), in libvirt's order.
_PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "bios": (
        ("vendor", "bios_vendor"),
        ("version", "bios_version"),
        ("date", "bios_date"),
        ("release", "bios_release"),
    ),
    "system": (
        ("manufacturer", "sys_vendor"),
        ("product", "product_name"),
        ("version", "product_version"),
        ("serial", "product_serial"),
        ("uuid", "product_uuid"),
        ("sku", "product_sku"),
        ("family", "product_family"),
    ),
    "baseBoard": (
        ("manufacturer", "board_vendor"),
        ("product", "board_name"),
        ("version", "board_version"),
        ("serial", "board_serial"),
        ("asset", "board_asset_tag"),
    ),
    "chassis": (
        ("manufacturer", "chassis_vendor"),
        ("version", "chassis_version"),
        ("serial", "chassis_serial"),
        ("asset", "chassis_asset_tag"),
    ),
}


def sysinfo(root: str = "") -> str | None:
    """The document; None for a machine whose firmware says nothing."""
    node = Node(DMI, root)
    lines = []
    for part, entries in _PARTS.items():
        found = [(name, node.attribute(file)) for name, file in entries]
        inner = [line for name, text in found if text for line in tag("entry", text, name=name)]
        lines += tag(part, inner) if inner else []
    return document(tag("sysinfo", lines, type="smbios")) if lines else None
