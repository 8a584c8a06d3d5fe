"""Containers that libvirt's own LXC driver runs beside us.

Its controllers keep ``/run/libvirt/lxc/NAME.xml``: a ``<domstatus pid='...'>`` around the domain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc import xmlmap
from virtlxc.errors import VirtlxcError

FOLDER = "/run/libvirt/lxc"
_PROGRAM = "libvirt_lxc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One of them; ``root`` is its root folder, '' when it has none of its own."""

    name: str
    uuid: str
    root: str


def running(folder: str = FOLDER, proc: str = "/proc") -> Iterator[Neighbour]:
    """Those that run now: files that a crash left behind do not count."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names):
        if name.endswith(".xml"):
            found = _read(f"{folder}/{name}", proc)
            if found is not None:
                yield found


def _read(path: str, proc: str) -> Neighbour | None:
    try:
        with open(path, "rb") as file:
            status = xmlmap.read(file.read(), "domstatus")
        # Our own controllers bear the name too, but not as their program.
        program = os.readlink(f"{proc}/{int(status.get('pid', '0'))}/exe")
    except (OSError, ValueError, VirtlxcError):
        return None
    if os.path.basename(program.removesuffix(" (deleted)")) != _PROGRAM:
        return None
    roots = (
        source.get("dir", "")
        for filesystem in status.iterfind("domain/devices/filesystem")
        if (target := filesystem.find("target")) is not None and target.get("dir") == "/"
        for source in filesystem.iterfind("source")
    )
    return Neighbour(
        name=status.findtext("domain/name") or "",
        uuid=(status.findtext("domain/uuid") or "").lower(),
        root=next(roots, ""),
    )


def conflict(uuid: str, root: str, others: Iterator[Neighbour]) -> str:
    """Why a domain with this UUID and root folder ('' for none) must not start; '' if it may."""
    for other in others:
        what = "this domain" if other.uuid == uuid else ""
        if root and other.root and os.path.realpath(root) == os.path.realpath(other.root):
            what = what or f"the root folder '{root}'"
        if what:
            return (
                f"libvirt's LXC driver runs {what} as '{other.name}' "
                f"(first: virsh -c lxc:/// shutdown {other.name})"
            )
    return ""
