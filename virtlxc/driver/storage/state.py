"""The values of the storage driver: views, flags, and the refusals clients know."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from virtlxc.driver.named import Listing, NamedEvent, NamedView
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.pool import Pool


class VolumeRef(NamedTuple):
    """A volume as libvirt's wire has it; ``key`` is its path."""

    pool: str
    name: str
    key: str


class PoolInfo(NamedTuple):
    """``virStoragePoolInfo``; sizes in bytes."""

    state: int
    capacity: int
    allocation: int
    available: int


class VolumeInfo(NamedTuple):
    """``virStorageVolInfo``; sizes in bytes."""

    type: int
    capacity: int
    allocation: int


class PoolState:
    """``virStoragePoolState``."""

    INACTIVE = 0
    RUNNING = 2


class PoolListing(Listing):
    """``virConnectListAllStoragePoolsFlags``: the pairs, and one bit for each type."""

    TYPES = (
        "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog",
        "gluster", "zfs", "vstorage", "iscsi-direct",
    )  # fmt: skip
    FIRST_TYPE = 64
    ALL = FIRST_TYPE * (1 << len(TYPES)) - 1


class PoolEvent(NamedEvent):
    """``virStoragePoolEventLifecycleType``."""

    CREATED = 4
    DELETED = 5


CREATE_WITH_BUILD, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE = 1, 2, 4
BUILD_NO_OVERWRITE, BUILD_OVERWRITE = 4, 8
VOL_PREALLOC, VOL_REFLINK, VOL_VALIDATE = 1, 2, 4
RESIZE_ALLOCATE, RESIZE_DELTA, RESIZE_SHRINK = 1, 2, 4
INFO_PHYSICAL = 1
IMAGES_MADE = ("qcow2", "vmdk", "vpc")  # by qemu-img
FORMATS_MADE = ("raw", "dir", *IMAGES_MADE)  # the first is what is made when none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView(NamedView[Pool]):
    """One pool at one moment; ``volumes`` are the names that the last refresh found."""

    volumes: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return self.current.path

    def volume(self, name: str) -> VolumeRef:
        return VolumeRef(self.name, name, f"{self.path.rstrip('/')}/{name}")


def volume_exists(name: str) -> VirtlxcError:
    return VirtlxcError(
        f"storage volume '{name}' exists already", Code.STORAGE_VOL_EXIST, From.STORAGE
    )


def refused(doing: str, error: OSError) -> VirtlxcError:
    """What the kernel would not do with a file or folder of a pool."""
    return VirtlxcError(
        f"{doing}: {os.strerror(error.errno or 0)}", Code.SYSTEM_ERROR, From.STORAGE
    )
