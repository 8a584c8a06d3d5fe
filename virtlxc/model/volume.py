"""The model of a storage volume: libvirt's ``<volume>`` document.

Sizes are in bytes. One row a field; the order of the rows is libvirt's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from virtlxc import xmlmap
from virtlxc.model.pool import BYTES, PERMISSIONS, Permissions
from virtlxc.xmlmap import Flag, Keep, Object, Table, Value, types
from virtlxc.xmlmap.kept import Kept

# By virStorageVolType.
TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
FORMATS = (
    "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow",
    "qcow", "qcow2", "qed", "vmdk", "extended", "auto", "none", "linux-swap", "unknown",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps:
    """``<timestamps>``: seconds since the epoch with nine digits behind the point."""

    atime: str | None = None
    mtime: str | None = None
    ctime: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingStore:
    """``<backingStore>``: the file that a copy-on-write image begins with."""

    path: str | None = None
    format: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTarget:
    path: str | None = None
    format: str | None = None
    permissions: Permissions | None = None
    timestamps: Timestamps | None = None
    compat: str | None = None
    nocow: bool = False
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One volume. ``allocation`` None is all of it; key and path are the pool's to give."""

    type: str = "file"
    name: str
    key: str | None = None
    capacity: int | None = None
    allocation: int | None = None
    physical: int | None = None
    target: VolumeTarget = VolumeTarget()
    backing: BackingStore | None = None
    kept: tuple[Kept, ...] = ()


TIMESTAMPS = Table(
    "timestamps",
    Timestamps,
    (
        Value(path="atime", field="atime", live=True),
        Value(path="mtime", field="mtime", live=True),
        Value(path="ctime", field="ctime", live=True),
    ),
)
BACKING = Table(
    "backingStore",
    BackingStore,
    (
        Value(path="path", field="path", type=types.PATH),
        Value(path="format/@type", field="format", type=types.choice(*FORMATS)),
        Keep(path="permissions", note="the backing file stays as it is"),
        Keep(path="timestamps", note="only true of a file"),
    ),
)
TARGET = Table(
    "target",
    VolumeTarget,
    (
        Value(path="path", field="path", live=True),
        Value(path="format/@type", field="format", type=types.choice(*FORMATS)),
        Object(path="permissions", field="permissions", table=PERMISSIONS),
        Object(path="timestamps", field="timestamps", table=TIMESTAMPS),
        Value(path="compat", field="compat", type=types.matching("[01](\\.[0-9]+)?", "0.10, 1.1")),
        Flag(path="nocow", field="nocow"),
        Keep(path="encryption", note="no volume is made encrypted"),
        Keep(path="clusterSize", note="qemu-img's own is taken"),
        Keep(path="features", note="qemu-img's own are taken"),
    ),
)
# An empty <allocation/> says as much as none; clients do write it.
_BYTES_OR_NONE = replace(BYTES, parse=lambda text: BYTES.parse(text) if text.strip() else None)

VOLUME = Table(
    "volume",
    Volume,
    (
        Value(path="@type", field="type", type=types.choice(*TYPES), always=True),
        Value(path="name", field="name", type=types.NAME),
        Value(path="key", field="key", live=True),
        Keep(path="source", note="for volumes on disks"),
        Value(path="capacity", field="capacity", type=BYTES, unit="unit"),
        Value(path="allocation", field="allocation", type=_BYTES_OR_NONE, unit="unit"),
        Value(path="physical", field="physical", type=BYTES, unit="unit", live=True),
        Object(path="target", field="target", table=TARGET),
        Object(path="backingStore", field="backing", table=BACKING),
    ),
)


def parse_volume(text: str | bytes) -> Volume:
    """The volume in a ``<volume>`` document.

    Raises VirtlxcError (XML_ERROR), with line, path and what is allowed. Names that could lead out
    of the pool's folder are among what is not allowed.
    """
    volume: Volume = xmlmap.parse(VOLUME, xmlmap.read(text, "volume"))
    if volume.name in (".", "..") or "\0" in volume.name:
        raise xmlmap.error(f"<name>: '{volume.name}' cannot be the name of a file")
    return volume


def format_volume(volume: Volume) -> str:
    """The document in libvirt's layout."""
    return xmlmap.format(VOLUME, volume)
