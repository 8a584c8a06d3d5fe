"""``<blkiotune>``: weights and limits of disk traffic."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Kept, Repeat, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class BlkioDevice:
    """Limits of one block device of the host, a second each; ``weight`` 10..1000."""

    path: str
    weight: int | None = None
    read_iops_sec: int | None = None
    write_iops_sec: int | None = None
    read_bytes_sec: int | None = None
    write_bytes_sec: int | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlkioTune:
    """``weight`` 10..1000 as on cgroup v1."""

    weight: int | None = None
    devices: tuple[BlkioDevice, ...] = ()
    kept: tuple[Kept, ...] = ()


WEIGHT = types.integer(0, 1000)

BLKIO_DEVICE = Table(
    "device",
    BlkioDevice,
    (
        Value(path="path", field="path", type=types.PATH),
        Value(path="weight", field="weight", type=WEIGHT),
        Value(path="read_iops_sec", field="read_iops_sec", type=types.UINT),
        Value(path="write_iops_sec", field="write_iops_sec", type=types.UINT),
        Value(path="read_bytes_sec", field="read_bytes_sec", type=types.ULONG),
        Value(path="write_bytes_sec", field="write_bytes_sec", type=types.ULONG),
    ),
)

BLKIOTUNE = Table(
    "blkiotune",
    BlkioTune,
    (
        Value(path="weight", field="weight", type=WEIGHT),
        Repeat(path="device", field="devices", table=BLKIO_DEVICE),
    ),
)
