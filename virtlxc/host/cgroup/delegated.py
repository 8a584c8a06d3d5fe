"""cgroup2 as a container has it: its part's top is no hierarchy's, and obeys the kernel's rule.

A group holds processes or hands controllers down, never both; only the hierarchy's own top is
exempt (cgroup-v2.rst, "No Internal Process Constraint"). systemd empties the top when it boots;
where another init runs, its processes are where the container's first one was born.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from virtlxc.errors import KernelRefused
from virtlxc.runtime.disk import put, read_text

GROUP = "virtlxc-host"
# New ones are born in the top while we move the others.
_ROUNDS = 20


def vacate(mount: str, controllers: Sequence[str]) -> None:
    """Moves all processes out of the top of ``mount`` to a group of their own, if that is needed.

    Raises KernelRefused when the kernel does not let us, or somebody stays.
    """
    try:
        handed_down = read_text(f"{mount}/cgroup.subtree_control").split()
        if set(controllers) <= set(handed_down) or not _members(mount) or _emptied(mount):
            return
    except OSError as error:
        raise KernelRefused(
            "empty the top of cgroup2", error.errno or 0, str(error.filename or mount)
        ) from None
    raise KernelRefused("empty the top of cgroup2", errno.EBUSY, mount)


def _emptied(mount: str) -> bool:
    group = f"{mount}/{GROUP}"
    os.makedirs(group, exist_ok=True)
    for _ in range(_ROUNDS):
        for pid in set(_members(mount)) - {"0"}:
            _move(pid, f"{group}/cgroup.procs")
        if not _members(mount):
            return True
    return False


def _members(group: str) -> list[str]:
    """Those of other pid namespaces, who entered from outside, are called 0."""
    return read_text(f"{group}/cgroup.procs").split()


def _move(pid: str, procs: str) -> None:
    try:
        put(procs, pid)
    except ProcessLookupError:
        return
