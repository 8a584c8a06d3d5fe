"""Disks and what else holds data."""

from __future__ import annotations

from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, maybe, tag

# By the kernel's name, where udev does not tell the type.
_BY_NAME = (("vd", "disk"), ("nvme", "disk"), ("xvd", "disk"), ("dasd", "dasd"), ("mmcblk", "sd"))
# By the type that a SCSI device gives itself, in the attribute ``type``.
_BY_SCSI_TYPE = {"0": "disk", "5": "cd"}
_REMOVABLE = ("cd", "cd/dvd", "floppy")


def drive_type(node: Node) -> str | None:
    """disk, cd, floppy, sd or dasd; None for what is no drive, such as loop devices."""
    found = node.properties.get("ID_TYPE")
    if found not in (None, "generic"):
        return found
    for name, kind in (("FLOPPY", "floppy"), ("FLASH_SD", "sd")):
        if f"ID_DRIVE_{name}" in node.properties:
            return kind
    if "ID_CDROM" in node.properties:
        return "cd"
    for start, kind in _BY_NAME:
        if node.name.startswith(start):
            return kind
    return _BY_SCSI_TYPE.get(node.attribute("device/type") or "")


def serial(node: Node) -> str | None:
    return node.properties.get("ID_SERIAL")


def details(node: Node) -> Lines:
    kind = drive_type(node) or ""
    return [
        *tag("block", node.special_file or ""),
        *maybe("bus", node.properties.get("ID_BUS")),
        *tag("drive_type", "cdrom" if kind in ("cd", "cd/dvd") else kind),
        *maybe("model", node.attribute("device/model")),
        *maybe("vendor", node.attribute("device/vendor")),
        *maybe("serial", serial(node)),
        *(_medium(node, kind) if kind in _REMOVABLE else _size(node)),
    ]


def _size(node: Node) -> Lines:
    blocks, block = _blocks(node)
    return [*tag("size", blocks * block), *_geometry(blocks, block)]


def _medium(node: Node, kind: str) -> Lines:
    """A removable medium, if there is one now; a floppy always is said to be there."""
    there = kind == "floppy" or node.properties.get("ID_CDROM_MEDIA") == "1"
    blocks, block = _blocks(node) if there else (0, 0)
    return tag(
        "capability",
        [
            *tag("media_available", int(there)),
            *tag("media_size", blocks * block),
            *maybe("media_label", node.properties.get("ID_FS_LABEL") if there else None),
            *_geometry(blocks, block),
        ],
        type="removable",
    )


def _geometry(blocks: int, block: int) -> Lines:
    return [
        *(tag("logical_block_size", block) if block else []),
        *(tag("num_blocks", blocks) if blocks else []),
    ]


def _blocks(node: Node) -> tuple[int, int]:
    """(how many, of how many bytes), as libvirt multiplies them."""
    return (
        int(node.attribute("size") or "0"),
        int(node.attribute("queue/logical_block_size") or "0"),
    )
