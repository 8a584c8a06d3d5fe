"""``<filesystem>``: a folder, device or RAM disk of the container."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, REFUSED, Flag, Ignore, Keep, Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """``target`` is where it appears inside; '/' is the container's root.

    ``type``: 'mount' (``source`` is a folder or file of the host), 'bind' (a path inside the
    container), 'ram' (``usage_kib`` is its size, ``source`` is None), 'block' (a device of the
    host), 'file' (an image of the host; ``driver_type`` 'loop' or 'nbd', by ``driver_format`` when
    None), 'template', 'volume' (``source_pool`` and ``source_volume``).
    """

    type: str = "mount"
    source: str | None = None
    source_pool: str | None = None
    source_volume: str | None = None
    usage_kib: int | None = None
    target: str
    readonly: bool = False
    accessmode: str | None = None
    fmode: str | None = None
    dmode: str | None = None
    driver_type: str | None = None
    driver_format: str | None = None
    space_hard_limit_bytes: int | None = None
    space_soft_limit_bytes: int | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()


TYPES = types.choice("mount", "template", "file", "block", "ram", "bind", "volume")


def _mode(text: str) -> str:
    mode = int(text, 8)
    if not 0 <= mode <= 0o777:
        raise ValueError(text)
    return f"{mode:04o}"


MODE = types.Type(allowed="an octal mode up to 0777, such as 0640", parse=_mode)
_SHARED = "for folders that are shared with a virtual machine"

FILESYSTEM = Table(
    "filesystem",
    Filesystem,
    (
        Value(
            path="@type",
            field="type",
            type=TYPES,
            always=True,
            treatment=REFUSED,
            served=("mount", "bind", "ram", "block", "file"),
            note="templates and volumes of pools cannot be mounted",
        ),
        Value(
            path="@accessmode",
            field="accessmode",
            type=types.choice("passthrough", "mapped", "squash"),
            treatment=KEPT,
            served=("passthrough",),
            note="owners are passed through, though virt-install writes mapped for every folder: "
            "use <idmap>, with which mounts are translated",
        ),
        Keep(path="@model", note=_SHARED),
        Keep(path="@multidevs", note=_SHARED),
        Value(path="@fmode", field="fmode", type=MODE, treatment=KEPT, note=_SHARED),
        Value(path="@dmode", field="dmode", type=MODE, treatment=KEPT, note=_SHARED),
        Value(
            path="driver/@type",
            field="driver_type",
            type=types.choice("path", "handle", "loop", "nbd", "ploop", "virtiofs"),
            treatment=REFUSED,
            served=("loop", "path", "handle", "virtiofs"),
            note="images are mounted through loop devices only",
        ),
        Value(
            path="driver/@format",
            field="driver_format",
            type=types.IMAGE_FORMAT,
            treatment=REFUSED,
            served=("raw",),
            note="only raw images can be mounted",
        ),
        Keep(path="driver/@name", note=_SHARED),
        Keep(path="driver/@wrpolicy", note=_SHARED),
        Keep(path="driver/@queue", note=_SHARED),
        Keep(path="binary", note=_SHARED),
        Value(path="source/@dir", field="source", when=("type", ("mount", "bind"))),
        Value(path="source/@dev", field="source", when=("type", ("block",))),
        Value(path="source/@file", field="source", when=("type", ("file",))),
        Value(path="source/@name", field="source", when=("type", ("template",))),
        Value(
            path="source/@usage",
            field="usage_kib",
            type=types.size("KiB", up=False),
            unit="units",
            when=("type", ("ram",)),
        ),
        Value(path="source/@pool", field="source_pool", when=("type", ("volume",))),
        Value(path="source/@volume", field="source_volume", when=("type", ("volume",))),
        Value(path="target/@dir", field="target"),
        Flag(path="readonly", field="readonly"),
        Value(path="alias/@name", field="alias", live=True),
        Ignore(path="address"),
        Value(
            path="space_hard_limit",
            field="space_hard_limit_bytes",
            type=types.size("bytes", default="bytes"),
            unit="unit",
            note="of a folder, where its file system keeps project quotas; the size of a RAM disk",
        ),
        Value(
            path="space_soft_limit",
            field="space_soft_limit_bytes",
            type=types.size("bytes", default="bytes"),
            unit="unit",
            note="of a folder, where its file system keeps project quotas",
        ),
    ),
)
