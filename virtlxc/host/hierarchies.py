"""Which control group hierarchies there are, from the kernel's own tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from virtlxc.mountinfo import Mount

# Controllers whose limits or counters we use, under the names of v1 and of v2.
RESOURCES = ("blkio", "cpu", "cpuacct", "cpuset", "hugetlb", "io", "memory", "pids")


class Hierarchies(NamedTuple):
    """Where cgroup2 is mounted ('' for nowhere), and the mount point of each v1 controller.

    ``hidden``: where cgroup2 would be, were nothing mounted over it.
    """

    cgroup2: str
    v1: dict[str, str]
    hidden: str = ""


def hierarchies_of(
    mounts: Iterable[Mount], device_at: Callable[[str], str] | None = None
) -> Hierarchies:
    """Those that are mounted; only whole hierarchies count, no bind mounts.

    ``device_at`` gives the number (major:minor) of the file system that a path leads to: what is
    hidden by another mount is in the table as well, and does not count.
    """
    cgroup2 = hidden = ""
    v1: dict[str, str] = {}
    for mount in mounts:
        if mount.root != "/":
            continue
        if not mount.fstype.startswith("cgroup"):
            continue
        if device_at is not None and device_at(mount.point) != mount.device:
            hidden = hidden or (mount.point if mount.fstype == "cgroup2" else "")
            continue
        if mount.fstype == "cgroup2" and not cgroup2:
            cgroup2 = mount.point
        elif mount.fstype == "cgroup":
            for option in mount.options:
                if option in RESOURCES or option == "name=systemd":
                    v1.setdefault(option, mount.point)
    return Hierarchies(cgroup2, v1, "" if cgroup2 else hidden)


def layout(hierarchies: Hierarchies) -> str:
    """``v2``, ``hybrid`` (cgroup2 beside controllers on v1) or ``v1`` (no cgroup2)."""
    if not hierarchies.cgroup2:
        return "v1"
    return "hybrid" if set(hierarchies.v1) & set(RESOURCES) else "v2"
