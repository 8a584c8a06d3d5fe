"""Which devices there are, what each is called, and its document.

One row a kind: where sysfs lists such devices, which of them are meant, and what is said of them.
The names are libvirt's: subsystem, name and what tells twins apart, with ``_`` for all that is
neither letter nor digit (``pci_0000_00_1f_2``, ``net_eth0_52_54_00_12_34_56``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from virtlxc.host.devices import net, others, pci, scsi, storage
from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, document, maybe, tag

COMPUTER = "computer"
DMI = "/sys/devices/virtual/dmi/id"

# In the order of the bits of virConnectListAllNodeDeviceFlags.
CAPABILITIES = (
    "system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage",
    "fc_host", "vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa",
    "ap_card", "ap_queue", "ap_matrix", "vpd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """Devices in ``folder`` with that DEVTYPE ("" for none), or that ``is_one`` accepts.

    ``twin`` is the last part of the name; ``more`` the further capabilities, each with its test.
    """

    capability: str
    folder: str
    devtype: str
    details: Callable[[Node], Lines]
    is_one: Callable[[Node], bool] = lambda node: True
    twin: Callable[[Node], str | None] = lambda node: None
    more: tuple[tuple[str, Callable[[Node], bool]], ...] = ()

    def accepts(self, node: Node) -> bool:
        return node.properties.get("DEVTYPE", "") == self.devtype and self.is_one(node)


KINDS = (
    Kind("pci", "/sys/bus/pci/devices", "", pci.details,
         more=(("mdev_types", pci.has_mediated_types),)),
    Kind("usb_device", "/sys/bus/usb/devices", "usb_device", others.usb_device),
    Kind("usb", "/sys/bus/usb/devices", "usb_interface", others.usb_interface),
    Kind("net", "/sys/class/net", "", net.details, twin=lambda node: node.attribute("address")),
    Kind("net", "/sys/class/net", "wlan", net.details,
         twin=lambda node: node.attribute("address")),
    Kind("scsi_host", "/sys/bus/scsi/devices", "scsi_host", scsi.host,
         more=(("fc_host", scsi.is_fibre_channel), ("vports", scsi.has_ports))),
    Kind("scsi_target", "/sys/bus/scsi/devices", "scsi_target", scsi.target),
    Kind("scsi", "/sys/bus/scsi/devices", "scsi_device", scsi.device),
    Kind("storage", "/sys/class/block", "disk", storage.details,
         is_one=lambda node: storage.drive_type(node) is not None, twin=storage.serial),
    Kind("scsi_generic", "/sys/class/scsi_generic", "", scsi.generic),
    Kind("drm", "/sys/class/drm", "drm_minor", others.graphics),
    Kind("mdev", "/sys/bus/mdev/devices", "", others.mediated, twin=others.parent_of_mediated),
    Kind("vdpa", "/sys/bus/vdpa/devices", "", others.vdpa),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Device:
    """One device that was there; ``parent`` is the name of the nearest one above it."""

    name: str
    path: str
    parent: str | None
    capabilities: tuple[str, ...]
    kind: Kind | None  # None is the computer

    def has(self, capabilities: set[str]) -> bool:
        return not capabilities.isdisjoint(self.capabilities)


def devices(root: str = "") -> dict[str, Device]:
    """Every device by name; parents come before what is on them."""
    found = {COMPUTER: Device(COMPUTER, DMI, None, ("system",), None)}
    names: dict[str, str] = {}  # by path
    for path, kind in sorted(_nodes(root), key=lambda one: one[0]):
        node = Node(path, root)
        name = name_of(kind, node)
        names[path] = name
        more = tuple(capability for capability, holds in kind.more if holds(node))
        found[name] = Device(name, path, _parent(path, names), (kind.capability, *more), kind)
    return found


def _nodes(root: str) -> Iterator[tuple[str, Kind]]:
    for kind in KINDS:
        folder = Node(kind.folder, root)
        for entry in folder.entries():
            path = folder.target(entry)
            if path is not None and kind.accepts(Node(path, root)):
                yield path, kind


def name_of(kind: Kind, node: Node) -> str:
    twin = kind.twin(node)
    whole = f"{node.subsystem}_{node.name}" + (f"_{twin}" if twin is not None else "")
    return re.sub("[^0-9A-Za-z]", "_", whole)


def _parent(path: str, names: dict[str, str]) -> str:
    while path := path.rpartition("/")[0]:
        if path in names:
            return names[path]
    return COMPUTER


def is_there(device: Device, root: str = "") -> bool:
    """Whether what was found is still the same device."""
    node = Node(device.path, root)
    return device.kind is None or (
        os.path.isdir(root + device.path)
        and device.kind.accepts(node)
        and name_of(device.kind, node) == device.name
    )


def describe(device: Device, uuid: str, root: str = "") -> str:
    """The document; ``uuid`` is the machine's."""
    node = Node(device.path, root)
    if device.kind is None:
        lines = tag("capability", others.system(node, uuid), type="system")
        return document(tag("device", [*tag("name", device.name), *lines]))
    driver = node.driver
    return document(
        tag(
            "device",
            [
                *tag("name", device.name),
                *tag("path", device.path),
                *(line for line in _special_files(node)),
                *maybe("parent", device.parent),
                *([] if driver is None else tag("driver", tag("name", driver))),
                *tag("capability", device.kind.details(node), type=device.kind.capability),
            ],
        )
    )


def _special_files(node: Node) -> Lines:
    path = node.special_file
    if path is None:
        return []
    links = [line for link in node.links for line in tag("devnode", link, type="link")]
    return [*tag("devnode", path, type="dev"), *links]
