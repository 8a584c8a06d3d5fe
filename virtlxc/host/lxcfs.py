"""lxcfs, where it runs: files that say of a container what /proc says of the host.

It answers by the control groups of whoever reads: lxcfs(1).
"""

from __future__ import annotations

import os

from virtlxc import mountinfo

_TYPE = "fuse.lxcfs"
# Whose process answers.
_OF_ROOT = "user_id=0"
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
    for mount in mountinfo.read():
        # Anybody may mount something under this type: fusermount3 -o subtype=lxcfs.
        if mount.fstype == _TYPE and _OF_ROOT in mount.options:
            return mount.point
    return None
