"""``<filesystem>``: a folder, device or RAM disk of the container."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """``target`` is where it appears inside; '/' is the container's root.

    ``type``: 'mount' (``source`` is a folder or file of the host), 'bind' (a path inside the
    container), 'ram' (``usage_kib`` is its size, ``source`` is None), 'block' (a device of the
    host), 'file' (an image of the host; ``driver_type`` 'loop' or 'nbd', ``driver_format``),
    'template', 'volume' (``source_pool`` and ``source_volume``).
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
    kept: tuple[Kept, ...] = ()
