"""Which control group hierarchies there are, from the kernel's own tables. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Controllers whose limits or counters we use, under the names of v1 and of v2.
RESOURCES = ("blkio", "cpu", "cpuacct", "cpuset", "hugetlb", "io", "memory", "pids")


class Hierarchies(NamedTuple):
    """Where cgroup2 is mounted ('' for nowhere), and the mount point of each v1 controller.

    ``hidden``: where cgroup2 would be, were nothing mounted over it.
    """

    cgroup2: str
    v1: dict[str, str]
    hidden: str = ""


def read_mountinfo(text: str, device_at: Callable[[str], str] | None = None) -> Hierarchies:
    """From the text of ``/proc/self/mountinfo``; only whole hierarchies count, no bind mounts.

    ``device_at`` gives the number (major:minor) of the file system that a path leads to: what is
    hidden by another mount is in the text as well, and does not count.
    """
    cgroup2 = hidden = ""
    v1: dict[str, str] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 6 or len(kind) < 3 or fields[3] != "/":
            continue
        point = unescape(fields[4])
        if not kind[0].startswith("cgroup"):
            continue
        if device_at is not None and device_at(point) != fields[2]:
            hidden = hidden or (point if kind[0] == "cgroup2" else "")
            continue
        if kind[0] == "cgroup2" and not cgroup2:
            cgroup2 = point
        elif kind[0] == "cgroup":
            for option in kind[-1].split(","):
                if option in RESOURCES or option == "name=systemd":
                    v1.setdefault(option, point)
    return Hierarchies(cgroup2, v1, "" if cgroup2 else hidden)


def layout(hierarchies: Hierarchies) -> str:
    """``v2``, ``hybrid`` (cgroup2 beside controllers on v1) or ``v1`` (no cgroup2)."""
    if not hierarchies.cgroup2:
        return "v1"
    return "hybrid" if set(hierarchies.v1) & set(RESOURCES) else "v2"


def unescape(path: str) -> str:
    r"""A path of ``/proc/*/mountinfo``, where blanks are octal (``\040``)."""
    parts = path.split("\\")
    return parts[0] + "".join(
        chr(int(part[:3], 8)) + part[3:] if part[:3].isdigit() else "\\" + part
        for part in parts[1:]
    )
