"""lxcfs, where it runs: files that say of a container what /proc says of the host.

It answers by the control groups of whoever reads: lxcfs(1).
"""

from __future__ import annotations

import os

from virtlxc.host.hierarchies import unescape

_TYPE = "fuse.lxcfs"
# In the order in which they are worth having; older versions lack some.
FILES = ("meminfo", "cpuinfo", "stat", "uptime", "loadavg", "swaps", "diskstats")


def files() -> tuple[str, ...]:
    """The paths of its files below ``proc``; nothing where it is not mounted, or has died."""
    folder = _mount_point()
    if folder is None:
        return ()
    try:
        there = set(os.listdir(f"{folder}/proc"))
    except OSError:
        return ()
    return tuple(f"{folder}/proc/{name}" for name in FILES if name in there)


def _mount_point() -> str | None:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            if after.startswith(_TYPE + " "):
                return unescape(before.split()[4])
    return None
