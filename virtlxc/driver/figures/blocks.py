"""The disks of a domain: their sizes, and what went through each of them.

Sources: the kernel's cgroup-v2.rst (io.stat) and cgroup-v1/blkio-controller.rst.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from virtlxc.driver import refusals
from virtlxc.driver.core import Core
from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures import stats
from virtlxc.driver.life import groups
from virtlxc.driver.ref import BlockInfo, BlockStats
from virtlxc.driver.storage.files import probe
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.blockdevices import size_of, whole_disk
from virtlxc.model import Disk, Domain
from virtlxc.plan.images import tag_of


def find(domain: Domain, path: str, aliases: tuple[str, ...] = ()) -> Disk | None:
    """The disk with this target, source or alias."""
    for at, disk in enumerate(domain.disks):
        if path in (disk.target, disk.source) or (at < len(aliases) and path == aliases[at]):
            return disk
    return None


def info(core: Core, view: View, path: str, flags: int) -> BlockInfo:
    refusals.check_flags("lxcDomainGetBlockInfo", flags)
    if not path:
        raise refusals.bad_argument("NULL or empty path")
    disk = find(view.current, path, _aliases(view))
    if disk is None:
        raise refusals.bad_argument(f"invalid path {path} not assigned to domain")
    with _opened(view, disk, os.O_RDONLY) as fd:
        found = os.fstat(fd)
        size = os.lseek(fd, 0, os.SEEK_END)
        shown = _shown(core, view, disk, fd, size) if disk.by_qemu else size
    if stat.S_ISBLK(found.st_mode):
        return BlockInfo(size, size, size)
    return BlockInfo(found.st_blocks * 512, shown, size)


def _shown(core: Core, view: View, disk: Disk, fd: int, size: int) -> int:
    """How much the guest sees of an image that is not raw: its device's size, or its header's."""
    numbers = core.host.loops().get(tag_of(view.uuid, disk.target)) if view.run else None
    if numbers is not None:
        return size_of(numbers)
    head = probe(fd, size)
    if head.format != disk.driver_format:
        raise VirtlxcError(
            f"disk '{disk.target}' of domain '{view.name}': {disk.source} is no"
            f" {disk.driver_format} image",
            Code.OPERATION_FAILED,
        )
    return head.capacity


def peek(view: View, path: str, offset: int, size: int, flags: int) -> bytes:
    """Bytes of a disk as they are in its raw image or device."""
    refusals.check_flags("lxcDomainBlockPeek", flags)
    disk = _raw(view, path)
    with _opened(view, disk, os.O_RDONLY) as fd:
        found = os.pread(fd, size, offset)
    if len(found) < size:
        raise refusals.bad_argument(
            f"disk '{disk.target}' ends before {offset + size}: {size} bytes from {offset} on"
            " cannot be read"
        )
    return found


# virDomainBlockResizeFlags: the size is in bytes, not KiB.
_RESIZE_BYTES = 1


def resize(core: Core, view: View, path: str, size: int, flags: int) -> None:
    """Makes the raw image of a running domain's disk larger or smaller, and its device with it."""
    refusals.check_flags("lxcDomainBlockResize", flags, _RESIZE_BYTES)
    disk = _raw(view, path)
    if disk.type != "file":
        raise VirtlxcError(
            f"Operation not supported: disk '{disk.target}' is a device of the host: resize it"
            " there",
            Code.OPERATION_UNSUPPORTED,
        )
    if disk.readonly:
        raise refusals.invalid(f"disk '{disk.target}' is read-only")
    with _opened(view, disk, os.O_WRONLY) as fd:
        try:
            os.ftruncate(fd, size if flags & _RESIZE_BYTES else size * 1024)
            core.host.loop_resized(tag_of(view.uuid, disk.target))
        except OSError as error:
            raise _refused(view, disk, "resize", error) from None


def _raw(view: View, path: str) -> Disk:
    disk = find(view.current, path, _aliases(view))
    if disk is None:
        raise refusals.bad_argument(f"invalid disk path '{path}'")
    if disk.driver_format not in (None, "raw"):
        raise VirtlxcError(
            f"Operation not supported: disk '{disk.target}' is of the format"
            f" '{disk.driver_format}', not raw",
            Code.OPERATION_UNSUPPORTED,
        )
    return disk


@contextlib.contextmanager
def _opened(view: View, disk: Disk, mode: int) -> Iterator[int]:
    try:
        fd = os.open(disk.source or "", mode | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(view, disk, "open", error) from None
    try:
        yield fd
    finally:
        os.close(fd)


def _refused(view: View, disk: Disk, what: str, error: OSError) -> VirtlxcError:
    return VirtlxcError(
        f"cannot {what} disk '{disk.target}' of domain '{view.name}': {disk.source}:"
        f" {error.strerror}",
        Code.SYSTEM_ERROR,
    )


def _aliases(view: View) -> tuple[str, ...]:
    return view.run.aliases.disks if view.run else ()


def stats_of(core: Core, view: View, path: str) -> BlockStats:
    """What the container read and wrote; ``path`` "" is all of it, or else one disk."""
    if not path:
        return total(view)
    assert view.live is not None
    disk = find(view.live, path, _aliases(view))
    if disk is None:
        raise refusals.bad_argument(f"invalid path: {path}")
    return _traffic(view, _numbers(core, view, disk))


def total(view: View) -> BlockStats:
    """All traffic of the domain with block devices."""
    return _traffic(view, None)


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
        numbers = _device(disk.source or "")
        if numbers is not None and (whole := whole_disk(numbers)):
            numbers = _device(whole)
    if numbers is None:
        raise VirtlxcError(
            f"disk '{disk.target}' of domain '{view.name}': its device is not there any more",
            Code.OPERATION_FAILED,
        )
    return f"{numbers[0]}:{numbers[1]}"


def _device(path: str) -> tuple[int, int] | None:
    try:
        device = os.stat(path).st_rdev
    except OSError:
        return None
    return os.major(device), os.minor(device)


def _traffic(view: View, numbers: str | None) -> BlockStats:
    """What went through the device of these numbers, or through all of them."""
    group, v1 = stats.group_of(view, "blkio")
    if v1:
        size = _sums_v1(groups.read(group, "blkio.throttle.io_service_bytes_recursive"), numbers)
        count = _sums_v1(groups.read(group, "blkio.throttle.io_serviced_recursive"), numbers)
        return BlockStats(count["Read"], size["Read"], count["Write"], size["Write"])
    sums = dict.fromkeys(("rios", "rbytes", "wios", "wbytes"), 0)
    for line in (groups.read(group, "io.stat") or "").splitlines():
        device, *words = line.split()
        for name, _, value in (word.partition("=") for word in words):
            if name in sums and numbers in (None, device):
                sums[name] += int(value)
    return BlockStats(sums["rios"], sums["rbytes"], sums["wios"], sums["wbytes"])


def _sums_v1(text: str | None, numbers: str | None) -> dict[str, int]:
    """ "8:0 Read 4096" lines, summed."""
    sums = {"Read": 0, "Write": 0}
    for line in (text or "").splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in sums and numbers in (None, words[0]):
            sums[words[1]] += int(words[2])
    return sums
