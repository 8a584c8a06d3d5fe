"""``<disk>``: a block device that appears below the container's /dev."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, REFUSED, Flag, Keep, Kept, Object, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class IoTune:
    """Limits of one disk, a second each; reading and writing together, or apart."""

    total_bytes_sec: int | None = None
    read_bytes_sec: int | None = None
    write_bytes_sec: int | None = None
    total_iops_sec: int | None = None
    read_iops_sec: int | None = None
    write_iops_sec: int | None = None
    kept: tuple[Kept, ...] = ()


# Who can show an image: a loop device by itself, or with QEMU between it and the image.
_BY_QEMU = ("qemu", "nbd")
QEMU_FORMATS = ("qcow2", "vmdk", "vpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """``type`` 'block' (``source`` is a device of the host) or 'file' (an image, by ``driver_name``
    'loop', 'qemu' or 'nbd', and ``driver_format``); ``target`` is the name below /dev."""

    type: str = "file"
    device: str = "disk"
    source: str | None = None
    target: str
    bus: str | None = None
    readonly: bool = False
    driver_name: str | None = None
    driver_format: str | None = None
    driver_cache: str | None = None
    iotune: IoTune | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def by_loop(self) -> bool:
        """A raw image is shown as it is, whoever is named: the guest sees the same bytes."""
        named = self.driver_name in (None, "loop", *_BY_QEMU)
        return self.type == "file" and named and self.driver_format in (None, "raw")

    @property
    def by_qemu(self) -> bool:
        """An image of another format, which QEMU has to read for the loop device."""
        named = self.driver_name in (None, *_BY_QEMU)
        return self.type == "file" and named and self.driver_format in QEMU_FORMATS


# What the names of disks begin with; then come letters, a to z, aa to az ...
_PREFIXES = ("fd", "hd", "vd", "sd", "xvd", "ubd")


def _index(target: str) -> int:
    """0 for sda, 1 for sdb ...; -1 for a name of another kind."""
    for prefix in _PREFIXES:
        letters = target.removeprefix(prefix).rstrip("0123456789")
        if target.startswith(prefix) and letters.isascii() and letters.isalpha():
            index = 0
            for letter in letters.lower():
                index = index * 26 + ord(letter) - ord("a") + 1
            return index - 1
    return -1


def in_order(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    """As libvirt keeps them: those of one bus by their names, a new bus at the end."""
    found: list[Disk] = []
    for disk in disks:
        beside = [at for at, other in enumerate(found) if other.bus == disk.bus]
        behind = [at for at in beside if _index(found[at].target) > _index(disk.target)]
        place = behind[0] if behind else beside[-1] + 1 if beside else len(found)
        found.insert(place, disk)
    return tuple(found)


_BUS = "a container sees a device node: there is no bus"

_TOGETHER = "the kernel limits reading and writing apart: use read_... and write_..."
_BURST = "a limit is never exceeded for a while"

IOTUNE = Table(
    "iotune",
    IoTune,
    (
        Value(
            path="total_bytes_sec",
            field="total_bytes_sec",
            type=types.ULONG,
            treatment=REFUSED,
            note=_TOGETHER,
        ),
        Value(path="read_bytes_sec", field="read_bytes_sec", type=types.ULONG),
        Value(path="write_bytes_sec", field="write_bytes_sec", type=types.ULONG),
        Value(
            path="total_iops_sec",
            field="total_iops_sec",
            type=types.ULONG,
            treatment=REFUSED,
            note=_TOGETHER,
        ),
        Value(path="read_iops_sec", field="read_iops_sec", type=types.ULONG),
        Value(path="write_iops_sec", field="write_iops_sec", type=types.ULONG),
        *(
            Keep(path=f"{what}_{unit}_sec_{more}", note=_BURST)
            for more in ("max",)
            for unit in ("bytes", "iops")
            for what in ("total", "read", "write")
        ),
        Keep(path="size_iops_sec", note="operations are counted as the kernel does them"),
        Keep(path="group_name", note="disks are limited one by one"),
        *(
            Keep(path=f"{what}_{unit}_sec_{more}", note=_BURST)
            for more in ("max_length",)
            for unit in ("bytes", "iops")
            for what in ("total", "read", "write")
        ),
    ),
)

DISK = Table(
    "disk",
    Disk,
    (
        Value(
            path="@type",
            field="type",
            type=types.choice("block", "file", "dir", "network", "volume", "nvme", "vhostuser"),
            always=True,
            treatment=REFUSED,
            served=("block", "file"),
            note="only block and file can be shown",
        ),
        Value(
            path="@device",
            field="device",
            type=types.choice("disk", "cdrom", "floppy", "lun"),
            always=True,
            treatment=KEPT,
            served=("disk",),
            note="a block device like any other",
        ),
        Value(
            path="driver/@name",
            field="driver_name",
            treatment=REFUSED,
            served=("loop", *_BY_QEMU),
            note="loop or qemu can show images (nbd means the same as qemu)",
        ),
        Value(
            path="driver/@type",
            field="driver_format",
            type=types.IMAGE_FORMAT,
            treatment=REFUSED,
            served=("raw", *QEMU_FORMATS),
            note="raw images are shown by a loop device, qcow2, vmdk and vpc by QEMU beneath it",
        ),
        Value(
            path="driver/@cache",
            field="driver_cache",
            treatment=KEPT,
            note="a loop device writes as its file does",
        ),
        Value(path="source/@dev", field="source", when=("type", ("block",))),
        Value(path="source/@file", field="source", when=("type", ("file",))),
        Value(path="target/@dev", field="target", type=types.DISK_NAME),
        Value(path="target/@bus", field="bus", note=f"shown again; {_BUS}"),
        Object(path="iotune", field="iotune", table=IOTUNE),
        Flag(path="readonly", field="readonly"),
        Keep(path="shareable", note="nothing hinders others from using a block device"),
        Keep(
            path="transient",
            treatment=REFUSED,
            note="what is written to the disk would stay",
        ),
        Keep(path="serial", note=_BUS),
        Keep(path="boot", note=_BUS),
        Value(path="alias/@name", field="alias", live=True),
        Keep(path="address", note=_BUS),
    ),
)
