"""``<disk>``: a block device that appears below the container's /dev."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, Flag, Keep, Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """``type`` 'block' (``source`` is a device of the host) or 'file' (an image, by ``driver_name``
    'loop' or 'nbd' and ``driver_format``); ``target`` is the name below /dev."""

    type: str = "file"
    device: str = "disk"
    source: str | None = None
    target: str
    bus: str | None = None
    readonly: bool = False
    driver_name: str | None = None
    driver_format: str | None = None
    driver_cache: str | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()


_BUS = "a container sees a device node: there is no bus"

DISK = Table(
    "disk",
    Disk,
    (
        Value(
            path="@type",
            field="type",
            type=types.choice("block", "file", "dir", "network", "volume", "nvme", "vhostuser"),
            always=True,
        ),
        Value(
            path="@device",
            field="device",
            type=types.choice("disk", "cdrom", "floppy", "lun"),
            always=True,
        ),
        Value(path="driver/@name", field="driver_name"),
        Value(path="driver/@type", field="driver_format"),
        Value(path="driver/@cache", field="driver_cache"),
        Value(path="source/@dev", field="source", when=("type", ("block",))),
        Value(path="source/@file", field="source", when=("type", ("file",))),
        Value(path="target/@dev", field="target", type=types.NOT_EMPTY),
        Value(path="target/@bus", field="bus", treatment=KEPT, note=_BUS),
        Keep(path="iotune", note="use <blkiotune>"),
        Flag(path="readonly", field="readonly"),
        Keep(path="shareable"),
        Keep(path="transient"),
        Keep(path="serial", note=_BUS),
        Keep(path="boot", note=_BUS),
        Value(path="alias/@name", field="alias", live=True),
        Keep(path="address", note=_BUS),
    ),
)
