"""PCI devices. Layout of the configuration space: PCI Local Bus 3.0 and PCI Express 3.0."""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, maybe, tag

IDS = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
# By the low bits of the byte at 0x0e; the first kind, an ordinary device, is not said.
HEADERS = ("", "pci-bridge", "cardbus-bridge")
SPEEDS = (None, "2.5", "5", "8", "16", "32", "64")  # GT/s, by number
_HEADER_TYPE, _FIRST_CAPABILITY, _HEADER_END, _OLD_SIZE = 0x0E, 0x34, 0x40, 256
_STATUS, _HAS_CAPABILITIES = 0x06, 0x10
_EXPRESS = 0x10
_ROOT_COMPLEX_PARTS = (0x9, 0xA)  # they have no link


def details(node: Node) -> Lines:
    domain, bus, slot, function = address(node.name)
    vendor, product = (int(node.attribute(name) or "0", 16) for name in ("vendor", "device"))
    vendor_name, product_name = names(vendor, product, node.root)
    cell = node.attribute("numa_node")
    return [
        *tag("class", f"0x{int(node.attribute('class') or '0', 16):06x}"),
        *tag("domain", domain),
        *tag("bus", bus),
        *tag("slot", slot),
        *tag("function", function),
        *tag("product", product_name, id=f"0x{product:04x}"),
        *tag("vendor", vendor_name, id=f"0x{vendor:04x}"),
        *_functions(node),
        *_header(node.bytes("config")),
        *mediated_types(node),
        *_iommu(node),
        *(tag("numa", node=cell) if cell is not None and int(cell) >= 0 else []),
        *_express(node.bytes("config"), node.size("config")),
    ]


def address(name: str) -> tuple[int, int, int, int]:
    """(domain, bus, slot, function) of ``0000:00:1f.2``."""
    domain, bus, slot, function = (int(part, 16) for part in re.split("[:.]", name))
    return domain, bus, slot, function


def _address_tag(name: str) -> Lines:
    domain, bus, slot, function = address(name)
    return tag(
        "address", domain=f"0x{domain:04x}", bus=f"0x{bus:02x}", slot=f"0x{slot:02x}",
        function=f"0x{function}",
    )  # fmt: skip


def _functions(node: Node) -> Lines:
    """What is virtual, and what it is a function of (SR-IOV)."""
    lines: Lines = []
    physical = node.target_name("physfn")
    if physical is not None:
        lines += tag("capability", _address_tag(physical), type="phys_function")
    most = int(node.attribute("sriov_totalvfs") or "0")
    links = sorted(
        (name for name in node.entries() if re.fullmatch(r"virtfn\d+", name)),
        key=lambda name: int(name.removeprefix("virtfn")),
    )
    virtual = [found for name in links if (found := node.target_name(name)) is not None]
    if most or virtual:
        inner = [line for name in virtual for line in _address_tag(name)]
        lines += tag("capability", inner or None, type="virt_functions", maxCount=most or None)
    return lines


def has_mediated_types(node: Node) -> bool:
    return bool(node.entries("mdev_supported_types"))


def mediated_types(node: Node) -> Lines:
    types: Lines = []
    for name in node.entries("mdev_supported_types"):
        base = f"mdev_supported_types/{name}"
        types += tag(
            "type",
            [
                *maybe("name", node.attribute(f"{base}/name")),
                *tag("deviceAPI", node.attribute(f"{base}/device_api") or ""),
                *tag("availableInstances", node.attribute(f"{base}/available_instances") or "0"),
            ],
            id=name,
        )
    return tag("capability", types, type="mdev_types") if types else []


def _iommu(node: Node) -> Lines:
    number = node.target_name("iommu_group")
    if number is None:
        return []
    members = [line for one in node.entries("iommu_group/devices") for line in _address_tag(one)]
    return tag("iommuGroup", members, number=number)


def _header(config: bytes) -> Lines:
    kind = config[_HEADER_TYPE] & 0x7F if len(config) > _HEADER_TYPE else 0
    return tag("capability", type=HEADERS[kind]) if 0 < kind < len(HEADERS) else []


def _express(config: bytes, size: int) -> Lines:
    """What a PCI Express device's link can do, and does.

    As libvirt, a device that does not say what it is (or not to us: only root reads more than 64
    bytes) is taken for one when its configuration space has another size than old PCI's.
    """
    at = _capability(config, _EXPRESS)
    if at is None or len(config) < at + 0x14:
        return tag("pci-express") if size not in (0, _OLD_SIZE) else []
    (flags,) = struct.unpack_from("<H", config, at + 0x02)
    if flags >> 4 & 0xF in _ROOT_COMPLEX_PARTS:
        return tag("pci-express")
    (able,) = struct.unpack_from("<I", config, at + 0x0C)
    (now,) = struct.unpack_from("<H", config, at + 0x12)
    return tag("pci-express", [*_link("cap", able, able >> 24), *_link("sta", now, None)])


def _link(validity: str, word: int, port: int | None) -> Lines:
    speed = word & 0xF
    return tag(
        "link",
        validity=validity,
        port=port,
        speed=SPEEDS[speed] if speed < len(SPEEDS) else None,
        width=word >> 4 & 0x3F,
    )


def _capability(config: bytes, wanted: int) -> int | None:
    """Where a capability stands in the configuration space."""
    listed = len(config) > _HEADER_END and config[_STATUS] & _HAS_CAPABILITIES
    at = config[_FIRST_CAPABILITY] if listed else 0
    seen: set[int] = set()
    while at >= _HEADER_END and at not in seen and at + 1 < len(config):
        if config[at] == wanted:
            return at
        seen.add(at)
        at = config[at + 1]
    return None


def names(vendor: int, product: int, root: str = "") -> tuple[str | None, str | None]:
    """(vendor, product) in words, from the database of PCI ids; None where it has none."""
    vendors, products = _database(root)
    return vendors.get(vendor), products.get((vendor, product))


@lru_cache(2)
def _database(root: str) -> tuple[dict[int, str], dict[tuple[int, int], str]]:
    """Lines ``8086  Intel``, below each ``\\t1502  82579LM``; classes follow after a ``C``."""
    vendors: dict[int, str] = {}
    products: dict[tuple[int, int], str] = {}
    for path in IDS:
        try:
            with open(root + path, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
        except OSError:
            continue
        vendor = -1
        for line in lines:
            found = re.match(r"(\t?)([0-9a-f]{4})  (.*)", line)
            if found is None:
                if line.startswith("C "):
                    break
            elif found[1]:
                products[vendor, int(found[2], 16)] = found[3].strip()
            else:
                vendor = int(found[2], 16)
                vendors[vendor] = found[3].strip()
        break
    return vendors, products
