"""Block devices and images of the host: what is in them, and who writes through them. Reads only.

Sources: the kernel's ABI documents of /sys/block, /sys/dev/block and loop devices.
"""

from __future__ import annotations

import os
from pathlib import Path

from virtlxc.host import superblocks

SYSFS = "/sys"


def holds(path: str) -> str:
    """What is in a device or an image, see :func:`superblocks.recognise`; '' when unreadable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return superblocks.recognise(os.pread(fd, superblocks.SIZE, 0))
    except OSError:
        return ""
    finally:
        os.close(fd)


def whole_disk(numbers: tuple[int, int], sysfs: str = SYSFS) -> str:
    """The disk, such as /dev/sda, that the partition with these numbers is on; '' if none."""
    folder = Path(sysfs, "dev/block", f"{numbers[0]}:{numbers[1]}")
    if not (folder / "partition").exists():
        return ""
    return f"/dev/{folder.resolve().parent.name}"


def size_of(numbers: tuple[int, int], sysfs: str = SYSFS) -> int:
    """The bytes of the device with these numbers; OSError when it is not there."""
    return int(Path(sysfs, "dev/block", f"{numbers[0]}:{numbers[1]}", "size").read_text()) * 512


def weigher(numbers: tuple[int, int], sysfs: str = SYSFS) -> str:
    """What shares a disk by the weight of groups: 'bfq', 'iocost', or '' when nothing does."""
    name = f"{numbers[0]}:{numbers[1]}"
    try:
        if "[bfq]" in Path(sysfs, "dev/block", name, "queue/scheduler").read_text():
            return "bfq"
    except OSError:
        return ""
    try:
        rows = Path(sysfs, "fs/cgroup/io.cost.qos").read_text().splitlines()
    except OSError:
        return ""
    return "iocost" if any(row.startswith(f"{name} enable=1") for row in rows) else ""


def loop_of(path: str, sysfs: str = SYSFS) -> str:
    """A loop device that the image at ``path`` can be written through; '' if there is none."""
    real = os.path.realpath(path)
    for folder in sorted(Path(sysfs, "block").glob("loop*")):
        try:
            backing = (folder / "loop/backing_file").read_text().rstrip("\n")
            readonly = (folder / "ro").read_text().strip() == "1"
        except OSError:
            continue
        if backing == real and not readonly:
            return f"/dev/{folder.name}"
    return ""
