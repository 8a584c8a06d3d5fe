"""Who serves the images of a domain, found by the group of each: see ``images.serve``."""

from __future__ import annotations

import os

from ..disk import read_text
from .context import StepError

#: The group of a domain's daemon is called so, and after the disk.
_GROUP = "image-"


def open_served(path: str, cgroup: dict[str, str], mode: int) -> int:
    """Open the raw file that the daemon in ``cgroup`` shows in the place of ``path``."""
    image = os.path.realpath(path)
    own = os.stat(image).st_dev
    for pid in members_of(cgroup["mount"] + cgroup["path"]):
        try:
            fd = os.open(f"/proc/{pid}/root{image}", mode | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fstat(fd).st_dev != own:
            return fd
        os.close(fd)
    raise StepError(0, path, f"{path}: nobody shows it as a raw file")


def members_of(folder: str) -> list[int]:
    try:
        return [int(pid) for pid in read_text(f"{folder}/cgroup.procs").split()]
    except OSError:
        return []


def serves(pid: int) -> bool:
    """Whether a process is such a daemon, or on the way to become one."""
    try:
        groups = read_text(f"/proc/{pid}/cgroup").splitlines()
    except OSError:
        return False
    own = next((line for line in groups if line.startswith("0::")), "")
    return own.rpartition("/")[2].startswith(_GROUP)
