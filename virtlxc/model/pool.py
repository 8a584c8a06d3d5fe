"""The model of a storage pool: libvirt's ``<pool>`` document.

Sizes are in bytes. One row a field; the order of the rows is libvirt's own.
"""

from __future__ import annotations

import uuid as _uuid
from dataclasses import dataclass, replace

from virtlxc import xmlmap
from virtlxc.xmlmap import KEPT, REFUSED, Keep, Object, Table, Value, types
from virtlxc.xmlmap.kept import Kept

TYPES = (
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "scsi", "mpath", "rbd", "sheepdog",
    "gluster", "zfs", "vstorage", "iscsi-direct",
)  # fmt: skip
SERVED = ("dir",)

OCTAL = types.Type(
    allowed="permissions in octal digits, such as 0711",
    parse=lambda text: _octal(text),
    format=lambda value: f"0{value:o}",
)
BYTES = types.size("bytes", "bytes")
ID = types.integer(-1, 2**32 - 2)


def _octal(text: str) -> int:
    value = int(text, 8)
    if not 0 <= value <= 0o7777:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """``<permissions>``: ``mode`` None is what the kernel gives, owner and group -1 are ours."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None
    label: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSource:
    """``<source>``: a folder has none; what stands there is kept."""

    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTarget:
    """``<target>``: the folder, and how it is made."""

    path: str | None = None
    permissions: Permissions | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One storage pool. ``uuid`` is "" until it is defined; the sizes are live only."""

    type: str
    name: str
    uuid: str = ""
    capacity: int | None = None
    allocation: int | None = None
    available: int | None = None
    source: PoolSource = PoolSource()
    target: PoolTarget = PoolTarget()
    kept: tuple[Kept, ...] = ()

    @property
    def path(self) -> str:
        return self.target.path or ""


PERMISSIONS = Table(
    "permissions",
    Permissions,
    (
        Value(path="mode", field="mode", type=OCTAL),
        Value(path="owner", field="owner", type=ID),
        Value(path="group", field="group", type=ID),
        Value(
            path="label",
            field="label",
            treatment=KEPT,
            note="files have the label that the kernel gives them",
        ),
    ),
)
SOURCE = Table(
    "source",
    PoolSource,
    tuple(
        Keep(path=tag, note="for pools that are no folder")
        for tag in (
            "host", "device", "dir", "adapter", "name", "auth", "initiator", "format", "protocol",
            "vendor", "product",
        )
    ),
    paired=True,
)  # fmt: skip
TARGET = Table(
    "target",
    PoolTarget,
    (
        Value(path="path", field="path", type=types.PATH),
        Object(path="permissions", field="permissions", table=PERMISSIONS),
    ),
)
POOL = Table(
    "pool",
    Pool,
    (
        Value(
            path="@type",
            field="type",
            type=types.choice(*TYPES),
            always=True,
            treatment=REFUSED,
            served=SERVED,
            note="folders are the only kind of pool so far",
        ),
        Value(path="name", field="name", type=types.NAME),
        Value(path="uuid", field="uuid"),
        Value(path="capacity", field="capacity", type=BYTES, unit="unit", live=True),
        Value(path="allocation", field="allocation", type=BYTES, unit="unit", live=True),
        Value(path="available", field="available", type=BYTES, unit="unit", live=True),
        Keep(path="features", note="for qcow2 and raw images of virtual machines"),
        Object(path="source", field="source", table=SOURCE, always=True),
        Object(path="target", field="target", table=TARGET),
        Keep(path="refresh", note="allocations are always read from the files"),
    ),
)


def parse_pool(text: str | bytes) -> Pool:
    """The pool in a ``<pool>`` document, checked.

    Raises VirtlxcError: XML_ERROR, with line, path and what is allowed; a kind of pool that is not
    served can be read, and is refused where it is defined.
    """
    pool: Pool = xmlmap.parse(POOL, xmlmap.read(text, "pool"))
    if pool.name.startswith("."):
        raise xmlmap.error(f"<name>: '{pool.name}' begins with '.'")
    if not pool.target.path:
        raise xmlmap.error("missing storage pool target path")
    uuid = _normal_uuid(pool.uuid)
    path = pool.path.rstrip("/") or "/"
    return replace(pool, uuid=uuid, target=replace(pool.target, path=path))


def _normal_uuid(text: str) -> str:
    if not text:
        return ""
    try:
        return str(_uuid.UUID(text))
    except ValueError:
        raise xmlmap.error(f"<uuid>: '{text}' is not a UUID (32 hexadecimal digits)") from None


def format_pool(pool: Pool, *, sizes: tuple[int, int, int] | None = None) -> str:
    """The document in libvirt's layout; ``sizes`` are capacity, allocation, available in bytes."""
    if sizes is not None:
        capacity, allocation, available = sizes
        pool = replace(pool, capacity=capacity, allocation=allocation, available=available)
    return xmlmap.format(POOL, pool)
