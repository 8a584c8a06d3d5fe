"""``<disk>``: a block device that appears below the container's /dev."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """``type`` 'block' (``source`` is a device of the host) or 'file' (an image, by ``driver_name``
    'loop' or 'nbd' and ``driver_format``); ``target`` is the name below /dev."""

    type: str
    device: str = "disk"
    source: str | None = None
    target: str
    bus: str | None = None
    readonly: bool = False
    driver_name: str | None = None
    driver_format: str | None = None
    driver_cache: str | None = None
    kept: tuple[Kept, ...] = ()
