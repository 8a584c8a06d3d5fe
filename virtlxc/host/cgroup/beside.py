"""cgroup2 on a host that mounted none: beside the hierarchies of v1, for tracking and devices.

Its options are global, those of the last mount. So it is mounted here only where nobody has it,
and without any.
"""

from __future__ import annotations

import errno
import os

from virtlxc import mountinfo
from virtlxc.errors import KernelRefused
from virtlxc.host.hierarchies import hierarchies_of
from virtlxc.runtime import syscalls

_FLAGS = 0x2 | 0x4 | 0x8  # MS_NOSUID, MS_NODEV, MS_NOEXEC: of the mount, not of the hierarchy


def device_at(path: str) -> str:
    """The number of the file system that a path leads to, as mountinfo has it; '' for none."""
    try:
        device = os.stat(path).st_dev
    except OSError:
        return ""
    return f"{os.major(device)}:{os.minor(device)}"


def ensure(folder: str) -> str:
    """Where cgroup2 is mounted; at ``folder`` from now on if it was nowhere.

    Raises KernelRefused when it cannot be mounted, or is mounted where something else hides it.
    """
    found = hierarchies_of(mountinfo.read(), device_at)
    if found.cgroup2:
        return found.cgroup2
    if found.hidden:
        raise KernelRefused("mount cgroup2", errno.EBUSY, found.hidden)
    try:
        os.makedirs(folder, exist_ok=True)
        syscalls.mount("cgroup2", folder, "cgroup2", _FLAGS)
    except OSError as error:
        raise KernelRefused("mount cgroup2", error.errno or 0, folder) from None
    return folder
