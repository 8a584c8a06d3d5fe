"""The machine itself, USB, graphics, mediated and vDPA devices."""

from __future__ import annotations

from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, maybe, tag

_GRAPHICS = ("primary", "control", "render")  # 64 numbers each


def system(node: Node, uuid: str) -> Lines:
    """``node`` is the folder of what the firmware says of the machine (DMI); it may be empty."""
    hardware = [
        *maybe("vendor", node.attribute("sys_vendor")),
        *maybe("version", node.attribute("product_version")),
        *maybe("serial", node.attribute("product_serial")),
        *tag("uuid", uuid),
    ]
    firmware = [
        *maybe("vendor", node.attribute("bios_vendor")),
        *maybe("version", node.attribute("bios_version")),
        *maybe("release_date", node.attribute("bios_date")),
    ]
    return [
        *maybe("product", node.attribute("product_name")),
        *tag("hardware", hardware),
        *tag("firmware", firmware),
    ]


def usb_device(node: Node) -> Lines:
    known = node.properties
    product = known.get("ID_MODEL_FROM_DATABASE") or node.attribute("product")
    vendor = known.get("ID_VENDOR_FROM_DATABASE") or node.attribute("manufacturer")
    return [
        *tag("bus", int(known.get("BUSNUM") or node.attribute("busnum") or 0)),
        *tag("device", int(known.get("DEVNUM") or node.attribute("devnum") or 0)),
        *tag("product", product, id=_identity(node, "ID_MODEL_ID", "idProduct")),
        *tag("vendor", vendor, id=_identity(node, "ID_VENDOR_ID", "idVendor")),
    ]


def _identity(node: Node, known: str, attribute: str) -> str:
    return f"0x{int(node.properties.get(known) or node.attribute(attribute) or '0', 16):04x}"


def usb_interface(node: Node) -> Lines:
    fields = {
        "number": "bInterfaceNumber",
        "class": "bInterfaceClass",
        "subclass": "bInterfaceSubClass",
        "protocol": "bInterfaceProtocol",
    }
    return [
        line
        for name, attribute in fields.items()
        for line in tag(name, int(node.attribute(attribute) or "0", 16))
    ]


def graphics(node: Node) -> Lines:
    kind = int(node.properties.get("MINOR", "0")) // 64
    return tag("type", _GRAPHICS[kind] if kind < len(_GRAPHICS) else "unknown")


def mediated(node: Node) -> Lines:
    return [
        *tag("type", id=node.target_name("mdev_type")),
        *tag("uuid", node.name),
        *tag("parent_addr", parent_of_mediated(node)),
        *tag("iommuGroup", number=node.target_name("iommu_group") or 0),
    ]


def parent_of_mediated(node: Node) -> str:
    return node.path.split("/")[-2]


def vdpa(node: Node) -> Lines:
    found = [name for name in node.entries() if name.startswith("vhost-vdpa-")]
    return tag("chardev", f"/dev/{found[0]}" if found else "")
