"""The files of one pool's folder, safe from what others put there.

Everything is opened by a plain name relative to the folder's descriptor with openat2, in the folder
as root and through no symbolic link: what a volume's name says is a file of this folder or nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc.driver.refusals import VOLUME
from virtlxc.driver.storage.state import (
    refused,
    volume_exists,
)
from virtlxc.host import programs
from virtlxc.model.pool import Permissions
from virtlxc.model.volume import BackingStore, Timestamps, Volume, VolumeTarget
from virtlxc.runtime import syscalls

CHUNK = 1 << 20
_WITHIN = (
    syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
)
_QCOW2_MAGIC = b"QFI\xfb"
_VMDK_MAGIC = b"KDMV"
_VPC_MAGIC = b"conectix"
_ISO_AT, _ISO_MAGIC = 32769, b"CD001"
_BLOCK = 512
_FICLONE = 0x40049409  # linux/fs.h


@dataclass(frozen=True, slots=True)
class Head:
    """What the first bytes of a file tell: its format, and the size that a guest sees."""

    format: str
    capacity: int


def check_name(name: str) -> None:
    """Raises INVALID_ARG for what is not the plain name of a file."""
    if not name or name in (".", "..") or "/" in name or "\0" in name or "\n" in name:
        raise VOLUME.bad_argument(f"volume name '{name}' cannot contain '/' or be '.' or '..'")


class Folder:
    """A pool's folder, open; use it in a ``with``."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise refused(f"cannot open path '{path}'", error) from None

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.fd)

    def names(self) -> list[str]:
        """The names of files and folders that are volumes: no links, sockets, pipes, devices."""
        with os.scandir(self.fd) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name.isprintable()
                and (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False))
            )

    def open(self, name: str, flags: int, mode: int = 0) -> int:
        """A descriptor of one volume. Raises NO_STORAGE_VOL, STORAGE_VOL_EXIST, SYSTEM_ERROR."""
        check_name(name)
        try:
            # A pipe in the place of a volume must not hold us.
            fd = syscalls.openat2(self.fd, name, flags | os.O_NONBLOCK, _WITHIN, mode)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise VOLUME.missing(f"name '{name}'") from None
            if error.errno == errno.EEXIST:
                raise volume_exists(name) from None
            raise refused(f"cannot open volume '{self.path}/{name}'", error) from None
        kind = os.fstat(fd).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            os.close(fd)
            raise VOLUME.failed(f"volume '{self.path}/{name}' is neither a file nor a folder")
        return fd

    def exists(self, name: str) -> bool:
        check_name(name)
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
            return True
        return False

    @contextlib.contextmanager
    def opened(self, name: str, flags: int = os.O_RDONLY) -> Iterator[int]:
        fd = self.open(name, flags)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def made(self, name: str) -> Iterator[int]:
        """A new file; it is removed again when the block fails."""
        fd = self.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            yield fd
            os.fsync(fd)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self.fd)
            if isinstance(error, OSError):
                raise refused(f"cannot create volume '{self.path}/{name}'", error) from None
            raise
        finally:
            os.close(fd)
        os.fsync(self.fd)

    def make_dir(self, name: str, permissions: Permissions | None) -> None:
        check_name(name)
        try:
            os.mkdir(name, 0o755, dir_fd=self.fd)
        except FileExistsError:
            raise volume_exists(name) from None
        except OSError as error:
            raise refused(f"cannot create folder '{self.path}/{name}'", error) from None
        with self.opened(name, os.O_RDONLY | os.O_DIRECTORY) as fd:
            apply(fd, permissions, 0o755)

    def remove(self, name: str) -> None:
        """A file, or a folder that is empty."""
        with self.opened(name) as fd:
            is_dir = stat.S_ISDIR(os.fstat(fd).st_mode)
        try:
            if is_dir:
                os.rmdir(name, dir_fd=self.fd)
            else:
                os.unlink(name, dir_fd=self.fd)
        except OSError as error:
            what = "remove directory" if is_dir else "unlink file"
            raise refused(f"cannot {what} '{self.path}/{name}'", error) from None
        os.fsync(self.fd)

    def describe(self, name: str) -> Volume:
        """Everything about one volume, read now."""
        with self.opened(name) as fd:
            found = os.fstat(fd)
            is_dir = stat.S_ISDIR(found.st_mode)
            head = Head("dir", 0) if is_dir else probe(fd, found.st_size)
            backing = None if is_dir else _backing(fd, head)
        return Volume(
            type="dir" if is_dir else "file",
            name=name,
            key=f"{self.path.rstrip('/')}/{name}",
            capacity=head.capacity,
            allocation=found.st_blocks * _BLOCK,
            physical=found.st_size,
            target=VolumeTarget(
                path=f"{self.path.rstrip('/')}/{name}",
                format=head.format,
                permissions=permissions_of(found),
                timestamps=Timestamps(
                    atime=_time(found.st_atime_ns),
                    mtime=_time(found.st_mtime_ns),
                    ctime=_time(found.st_ctime_ns),
                ),
            ),
            backing=backing,
        )


def permissions_of(found: os.stat_result) -> Permissions:
    return Permissions(
        mode=stat.S_IMODE(found.st_mode), owner=found.st_uid, group=found.st_gid
    )


def _time(ns: int) -> str:
    return f"{ns // 10**9}.{ns % 10**9:09d}"


def probe(fd: int, size: int) -> Head:
    """What a file's first bytes say that it is.

    Sources: QEMU's docs/interop/qcow2.txt (magic at 0, size at 24), VMware's Virtual Disk Format
    5.0 (size in sectors at 12), Microsoft's Virtual Hard Disk Image Format (size at 48), ECMA-119.
    """
    start = os.pread(fd, 56, 0).ljust(56, b"\0")
    if start.startswith(_QCOW2_MAGIC):
        return Head("qcow2", int.from_bytes(start[24:32], "big"))
    if start.startswith(_VMDK_MAGIC):
        return Head("vmdk", int.from_bytes(start[12:20], "little") * 512)
    if start.startswith(_VPC_MAGIC):
        return Head("vpc", int.from_bytes(start[48:56], "big"))
    if os.pread(fd, len(_ISO_MAGIC), _ISO_AT) == _ISO_MAGIC:
        return Head("iso", size)
    return Head("raw", size)


def _backing(fd: int, head: Head) -> BackingStore | None:
    if head.format != "qcow2":
        return None
    start = os.pread(fd, 20, 0)
    at, length = int.from_bytes(start[8:16], "big"), int.from_bytes(start[16:20], "big")
    if not at or not 0 < length <= 1023:
        return None
    return BackingStore(path=os.fsdecode(os.pread(fd, length, at)))


def apply(fd: int, permissions: Permissions | None, mode: int) -> None:
    """Owner first: a change of it takes set-id bits away."""
    if permissions is not None:
        owner = -1 if permissions.owner is None else permissions.owner
        group = -1 if permissions.group is None else permissions.group
        os.fchown(fd, owner, group)
        mode = mode if permissions.mode is None else permissions.mode
    os.fchmod(fd, mode)


def make_raw(folder: Folder, volume: Volume) -> None:
    """A file of the capacity; the first ``allocation`` bytes have their place on the disk."""
    capacity = volume.capacity or 0
    wanted = capacity if volume.allocation is None else min(volume.allocation, capacity)
    with folder.made(volume.name) as fd:
        os.ftruncate(fd, capacity)
        allocate(fd, 0, wanted)
        apply(fd, volume.target.permissions, 0o600)


def allocate(fd: int, start: int, length: int) -> None:
    """As libvirt: what the filesystem cannot reserve is written."""
    if length <= 0:
        return
    try:
        os.posix_fallocate(fd, start, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        fill_zero(fd, start, length)


def fill_zero(fd: int, start: int, length: int) -> None:
    zeros = bytes(CHUNK)
    end = start + length
    while start < end:
        start += os.pwrite(fd, zeros[: min(CHUNK, end - start)], start)


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what a file holds; the holes between are left out."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end


def copy(source: int, target: int, capacity: int) -> None:
    """The content of a raw file; holes stay holes."""
    size = os.fstat(source).st_size
    for start, end in _extents(source, size):
        at = start
        while at < end and (data := os.pread(source, min(CHUNK, end - at), at)):
            at += _write(target, data, at)
    os.ftruncate(target, max(size, capacity))


def share(source: int, target: int, capacity: int) -> None:
    """The content of a raw file without a copy: both files have the same blocks until one changes.

    Raises OSError where the filesystem cannot (EOPNOTSUPP), or they are in two of them (EXDEV).
    """
    fcntl.ioctl(target, _FICLONE, source)
    os.ftruncate(target, max(os.fstat(source).st_size, capacity))


def wipe_data(fd: int) -> None:
    """Zeros over all that the file holds; holes hold nothing and stay."""
    for start, end in list(_extents(fd, os.fstat(fd).st_size)):
        fill_zero(fd, start, end - start)
    os.fsync(fd)


def _write(fd: int, data: bytes, at: int) -> int:
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done
    return len(data)


def qemu_img(*words: str, fds: tuple[int, ...] = ()) -> None:
    """Runs qemu-img; the files are given as /dev/fd/N, so that no path is walked again."""
    program = programs.find("qemu-img")
    if program is None:
        raise VOLUME.not_supported(
            "volumes of this format need the program qemu-img, which is not installed"
            f" ({programs.how_to_install('qemu-img')})"
        )
    done = subprocess.run(
        [program, *words], pass_fds=fds, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise VOLUME.failed(f"qemu-img {words[0]}: {done.stderr.decode(errors='replace').strip()}")
