"""The disks of a domain: their sizes, and what went through each of them.

Sources: the kernel's cgroup-v2.rst (io.stat) and cgroup-v1/blkio-controller.rst.
"""

from __future__ import annotations

import os
import stat

from virtlxc.driver import groups, refusals, stats
from virtlxc.driver.core import Core
from virtlxc.driver.domain import View
from virtlxc.driver.ref import BlockInfo, BlockStats
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.blockdevices import whole_disk
from virtlxc.model import Disk, Domain
from virtlxc.plan.images import tag_of


def find(domain: Domain, path: str, aliases: tuple[str, ...] = ()) -> Disk | None:
    """The disk with this target, source or alias."""
    for at, disk in enumerate(domain.disks):
        if path in (disk.target, disk.source) or (at < len(aliases) and path == aliases[at]):
            return disk
    return None


def info(view: View, path: str, flags: int) -> BlockInfo:
    refusals.check_flags("lxcDomainGetBlockInfo", flags)
    if not path:
        raise refusals.bad_argument("NULL or empty path")
    disk = find(view.current, path, _aliases(view))
    if disk is None:
        raise refusals.bad_argument(f"invalid path {path} not assigned to domain")
    source = disk.source or ""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            size = os.lseek(fd, 0, os.SEEK_END)
        finally:
            os.close(fd)
    except OSError as error:
        raise VirtlxcError(
            f"cannot look at disk '{disk.target}' of domain '{view.name}': {source}:"
            f" {error.strerror}",
            Code.SYSTEM_ERROR,
        ) from None
    if stat.S_ISBLK(found.st_mode):
        return BlockInfo(size, size, size)
    return BlockInfo(found.st_blocks * 512, size, size)


def _aliases(view: View) -> tuple[str, ...]:
    return view.run.aliases.disks if view.run else ()


def stats_of(core: Core, view: View, path: str) -> BlockStats:
    """What the container read and wrote; ``path`` "" is all of it, or else one disk."""
    if not path:
        return stats.block_stats(view)
    assert view.live is not None
    disk = find(view.live, path, _aliases(view))
    if disk is None:
        raise refusals.bad_argument(f"invalid path: {path}")
    return _traffic(view, _numbers(core, view, disk))


def each(core: Core, view: View) -> list[tuple[Disk, BlockStats]]:
    """Every disk of a running domain that is there, with its traffic."""
    found = []
    for disk in view.live.disks if view.live else ():
        try:
            found.append((disk, _traffic(view, _numbers(core, view, disk))))
        except VirtlxcError:
            continue
    return found


def _numbers(core: Core, view: View, disk: Disk) -> str:
    """The numbers by which the kernel counts: of the whole disk, if it is a partition."""
    if disk.type == "file":
        numbers = core.host.loops().get(tag_of(view.uuid, disk.target))
    else:
        try:
            device = os.stat(disk.source or "").st_rdev
            numbers = (os.major(device), os.minor(device))
        except OSError:
            numbers = None
        if numbers is not None and (whole := whole_disk(numbers)):
            device = os.stat(whole).st_rdev
            numbers = (os.major(device), os.minor(device))
    if numbers is None:
        raise VirtlxcError(
            f"disk '{disk.target}' of domain '{view.name}': its device is not there any more",
            Code.OPERATION_FAILED,
        )
    return f"{numbers[0]}:{numbers[1]}"


def _traffic(view: View, numbers: str) -> BlockStats:
    group, v1 = stats.group_of(view, "blkio")
    if v1:
        size = _one_v1(groups.read(group, "blkio.throttle.io_service_bytes_recursive"), numbers)
        count = _one_v1(groups.read(group, "blkio.throttle.io_serviced_recursive"), numbers)
        return BlockStats(count["Read"], size["Read"], count["Write"], size["Write"])
    for line in (groups.read(group, "io.stat") or "").splitlines():
        device, *words = line.split()
        if device == numbers:
            row = dict(word.split("=", 1) for word in words if "=" in word)
            keys = ("rios", "rbytes", "wios", "wbytes")
            return BlockStats(*(int(row.get(key, 0)) for key in keys))
    return BlockStats(0, 0, 0, 0)


def _one_v1(text: str | None, numbers: str) -> dict[str, int]:
    """"8:0 Read 4096" lines of one device."""
    found = {"Read": 0, "Write": 0}
    for line in (text or "").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == numbers and words[1] in found:
            found[words[1]] = int(words[2])
    return found
