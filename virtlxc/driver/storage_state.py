"""The values of the storage driver: references, views, flags, and the refusals clients know."""

from __future__ import annotations

import uuid as _uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.pool import Pool


class PoolRef(NamedTuple):
    """A pool as libvirt's wire has it."""

    name: str
    uuid: bytes


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


class Listing:
    """``virConnectListAllStoragePoolsFlags``: pairs of filters, and one bit for each type."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32
    TYPES = (
        "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog",
        "gluster", "zfs", "vstorage", "iscsi-direct",
    )  # fmt: skip
    FIRST_TYPE = 64
    ALL = FIRST_TYPE * (1 << len(TYPES)) - 1


class PoolEvent:
    """``virStoragePoolEventLifecycleType``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3
    CREATED = 4
    DELETED = 5


DEFINE_VALIDATE = 1
XML_INACTIVE = 1
CREATE_WITH_BUILD, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE = 1, 2, 4
BUILD_NO_OVERWRITE, BUILD_OVERWRITE = 4, 8
DELETE_ZEROED = 1
VOL_PREALLOC, VOL_REFLINK, VOL_VALIDATE = 1, 2, 4
VOL_DELETE_WITH_SNAPSHOTS = 2
RESIZE_ALLOCATE, RESIZE_DELTA, RESIZE_SHRINK = 1, 2, 4
INFO_PHYSICAL = 1
FORMATS_MADE = ("raw", "dir", "qcow2")  # the first is what is made when none is named


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One pool at one moment: ``config`` None is transient, ``live`` None is not running.

    ``volumes`` are the names that the last refresh found.
    """

    name: str
    uuid: str
    config: Pool | None = None
    live: Pool | None = None
    autostart: bool = False
    volumes: tuple[str, ...] = field(default=())

    @property
    def active(self) -> bool:
        return self.live is not None

    @property
    def current(self) -> Pool:
        pool = self.live or self.config
        assert pool is not None
        return pool

    @property
    def path(self) -> str:
        return self.current.path

    @property
    def ref(self) -> PoolRef:
        return PoolRef(self.name, _uuid.UUID(self.uuid).bytes)

    def volume(self, name: str) -> VolumeRef:
        return VolumeRef(self.name, name, f"{self.path.rstrip('/')}/{name}")


def no_pool_named(name: str) -> VirtlxcError:
    return _no_pool(f"name '{name}'")


def no_pool_with_uuid(uuid: str, name: str = "") -> VirtlxcError:
    return _no_pool(f"uuid '{uuid}'" + (f" ({name})" if name else ""))


def no_pool_at(path: str) -> VirtlxcError:
    return _no_pool(f"target path '{path}'")


def _no_pool(what: str) -> VirtlxcError:
    return VirtlxcError(
        f"Storage pool not found: no storage pool with matching {what}",
        Code.NO_STORAGE_POOL,
        From.STORAGE,
    )


def no_volume(what: str) -> VirtlxcError:
    return VirtlxcError(
        f"Storage volume not found: no storage vol with matching {what}",
        Code.NO_STORAGE_VOL,
        From.STORAGE,
    )


def volume_exists(name: str) -> VirtlxcError:
    return VirtlxcError(
        f"storage volume '{name}' exists already", Code.STORAGE_VOL_EXIST, From.STORAGE
    )


def inactive(name: str) -> VirtlxcError:
    return invalid(f"storage pool '{name}' is not active")


def invalid(cause: str) -> VirtlxcError:
    return VirtlxcError(
        f"Requested operation is not valid: {cause}", Code.OPERATION_INVALID, From.STORAGE
    )


def failed(cause: str) -> VirtlxcError:
    return VirtlxcError(f"operation failed: {cause}", Code.OPERATION_FAILED, From.STORAGE)


def bad_argument(cause: str) -> VirtlxcError:
    return VirtlxcError(f"invalid argument: {cause}", Code.INVALID_ARG, From.STORAGE)


def not_supported(cause: str) -> VirtlxcError:
    return VirtlxcError(
        f"unsupported configuration: {cause}", Code.CONFIG_UNSUPPORTED, From.STORAGE
    )


def refused(doing: str, error: OSError) -> VirtlxcError:
    """What the kernel would not do with a file or folder of a pool."""
    import os

    return VirtlxcError(
        f"{doing}: {os.strerror(error.errno or 0)}", Code.SYSTEM_ERROR, From.STORAGE
    )
