"""``<blkiotune>``: weights and limits of disk traffic."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


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
