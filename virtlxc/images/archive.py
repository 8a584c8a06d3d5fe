"""A root file system out of a tar archive, without believing what the archive says.

Every name is resolved by openat2 inside the new root, so that a link in the archive leads nowhere
else. What a root file system has no use for, but an attacker has, is refused before anything of it
is written: absolute names, ``..``, links that climb out of the root, nodes of devices.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import posixpath
import stat
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import programs
from virtlxc.images.progress import Progress
from virtlxc.runtime import syscalls

IDS = 65536
_PIECE = 1 << 18
# What one file's names, attributes and map of holes may need.
_HEAD_MOST = 4 << 20
_LARGEST = 1 << 62
# utime(2) takes more, but no file system does.
_LAST_SECOND = 1 << 34
_MODULES: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ", lzma.LZMAFile),
    (b"\x5d\0\0", lzma.LZMAFile),
)
# By their first bytes, what Python cannot read itself: the program that unpacks it.
_PROGRAMS = ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\x04\x22\x4d\x18", "lz4"), (b"LZIP", "lzip"))
_BROKEN = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error)
_XATTR = "SCHILY.xattr."
# Others belong to a security module or an overlay of the host that packed it.
_XATTRS_KEPT = ("user.", "security.capability", "system.posix_acl_")


class Refused(VirtlxcError):
    """The archive has something that is not for a root file system."""


def unpack(path: str, root: str, progress: Progress, *, doing: str) -> None:
    """Puts the archive's files into the empty folder ``root``, with their owners and attributes.

    Raises VirtlxcError for what is broken or refused, OSError for what the disk refuses; something
    may have been written then. ``doing`` begins every message.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise VirtlxcError(
            f"{doing}: open the archive {path}: {error.strerror}", Code.OPERATION_FAILED
        ) from None
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with file, _unpacked(file, doing) as stream:
            total = os.fstat(file.fileno()).st_size
            bounded = _Bounded(stream)
            with _header():
                # Reads the first one.
                opened = tarfile.open(fileobj=bounded, mode="r|", errorlevel=2)  # type: ignore[call-overload]  # noqa: SIM115
            with opened as tar:
                _extract(tar, bounded, Writer(fd, doing), lambda: progress.tell(
                    "unpack", min(file.tell(), total), total
                ))  # fmt: skip
    except _BROKEN as error:
        raise VirtlxcError(
            f"{doing}: read the archive {path}: {str(error) or 'it ends too early'} (it is broken "
            "or no tar archive; fetch it again)",
            Code.OPERATION_FAILED,
        ) from None
    finally:
        os.close(fd)


@contextlib.contextmanager
def _unpacked(file: IO[bytes], doing: str) -> Iterator[IO[bytes]]:
    """The archive without its compression."""
    head = os.pread(file.fileno(), 6, 0)
    for magic, module in _MODULES:
        if head.startswith(magic):
            with module(file) as stream:
                yield stream
            return
    name = next((name for magic, name in _PROGRAMS if head.startswith(magic)), None)
    if name is None:
        yield file
        return
    program = programs.require(name, f"{doing}: unpack the archive")
    with subprocess.Popen([program, "-dc"], stdin=file, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
            # tar pads its end: what is left must be read, or the program cannot end well.
            while process.stdout.read(_PIECE):
                pass
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise tarfile.ReadError(f"{name} could not unpack it")


class _Bounded:
    """The unpacked archive; ``left``: how much of it may be read now.

    tarfile keeps a member's names, attributes and map of holes in memory, however long they are,
    and what is compressed well may be long.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.left = _HEAD_MOST

    def read(self, size: int) -> bytes:
        if self.left < 0:
            raise tarfile.ReadError("what it says of one file is too long")
        try:
            piece = self._stream.read(size if size < _PIECE else _PIECE)
        except OSError as error:
            if error.errno:
                raise
            raise tarfile.ReadError(str(error)) from None
        self.left -= len(piece)
        return piece


@contextlib.contextmanager
def _header() -> Iterator[None]:
    """While a header is read: what tarfile says of numbers that are none."""
    try:
        yield
    except ValueError as error:
        raise tarfile.ReadError(str(error)) from None


def _extract(
    tar: tarfile.TarFile, stream: _Bounded, writer: Writer, tick: Callable[[], None]
) -> None:
    count = 0
    while True:
        stream.left = _HEAD_MOST
        with _header():
            member = tar.next()
        if member is None:
            break
        stream.left = sys.maxsize
        tick()
        writer.put(member, tar)
        tar.members = []  # type: ignore[attr-defined]  # a stream's need not be kept
        count += 1
    if not count:
        raise tarfile.ReadError("it is empty")
    writer.finish()


class Writer:
    """Makes files below ``root``, a descriptor of a folder."""

    def __init__(self, root: int, doing: str) -> None:
        self._root = root
        self._doing = doing
        # Folders get their times at the end: what is put into them changes those.
        self._times: list[tuple[str, float]] = []

    def put(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        name = self._name(member)
        if member.ischr() or member.isblk():
            if not name.startswith("dev/"):
                raise self._refuse(member, "is a device")
            return  # the guest gets a /dev of its own
        if not (0 <= member.uid < IDS and 0 <= member.gid < IDS):
            raise self._refuse(
                member, f"belongs to {member.uid}:{member.gid}, and a guest has {IDS} ids"
            )
        if not name:
            if not member.isdir():
                raise self._refuse(member, "is no folder")
            self._finish(os.dup(self._root), member)
            return
        parent, _, last = name.rpartition("/")
        folder = self._folder(parent)
        try:
            if member.isdir():
                self._make_folder(folder, last, name, member)
                return
            self._clear(folder, last)
            if member.issym():
                self._link(folder, last, name, member)
            elif member.islnk():
                self._hard_link(folder, last, member)
            elif member.isfifo():
                os.mkfifo(last, 0o600, dir_fd=folder)
                self._finish(_open(folder, last, os.O_RDONLY | os.O_NONBLOCK), member)
            elif member.isreg():
                self._file(folder, last, member, tar)
            else:
                raise self._refuse(member, "is of a kind that no file is")
        finally:
            os.close(folder)

    def finish(self) -> None:
        for name, mtime in reversed(self._times):
            with contextlib.suppress(OSError):
                fd = self._folder(name)
                os.utime(fd, (mtime, mtime))
                os.close(fd)

    def _name(self, member: tarfile.TarInfo) -> str:
        """The name below the root, '' for the root itself."""
        if "\0" in member.name + member.linkname:
            raise self._refuse(member, "has a NUL in its name")
        if member.name.startswith("/"):
            raise self._refuse(member, "has an absolute name")
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self._refuse(member, "has '..' in its name")
        return "/".join(parts)

    def _folder(self, path: str) -> int:
        """A folder of the new root, made if it is not there; links are the root's own."""
        try:
            return self._there(path or ".")
        except FileNotFoundError:
            pass
        fd, done = os.dup(self._root), ""
        for part in path.split("/"):
            above, done = fd, f"{done}/{part}"
            try:
                try:
                    fd = self._there(done)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=above)
                    fd = _open(above, part, os.O_RDONLY | os.O_DIRECTORY)
            finally:
                os.close(above)
        return fd

    def _there(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY
        return syscalls.openat2(self._root, path, flags, syscalls.RESOLVE_IN_ROOT)

    def _clear(self, folder: int, name: str) -> None:
        """A later entry of the same name wins, as with every tar."""
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(name, dir_fd=folder)

    def _make_folder(self, folder: int, last: str, name: str, member: tarfile.TarInfo) -> None:
        try:
            os.mkdir(last, 0o700, dir_fd=folder)
        except FileExistsError:
            if stat.S_ISLNK(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                return  # a merged /usr: the link stands for the folder
        self._finish(_open(folder, last, os.O_RDONLY | os.O_DIRECTORY), member)
        self._times.append((name, _mtime(member)))

    def _link(self, folder: int, last: str, name: str, member: tarfile.TarInfo) -> None:
        target = member.linkname
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if not target.startswith("/") and inside.split("/")[0] == "..":
            raise self._refuse(member, f"is a link out of the root, to '{target}'")
        os.symlink(target, last, dir_fd=folder)
        os.chown(last, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)

    def _hard_link(self, folder: int, last: str, member: tarfile.TarInfo) -> None:
        """To a file of this archive: a name that is refused as any other would be."""
        target = self._name(member.replace(name=member.linkname, deep=False))
        parent, _, name = target.rpartition("/")
        source = self._folder(parent)
        try:
            os.link(name, last, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise self._refuse(member, f"is a link to '{target}', which is not in it") from None
        finally:
            os.close(source)

    def _file(self, folder: int, last: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        parts: Any = ((0, member.size),) if member.sparse is None else member.sparse
        most = min(member.size, _LARGEST)
        if most < 0 or any(at < 0 or at + size > most for at, size in parts):
            raise tarfile.ReadError(f"'{member.name}' has no size that a file can have")
        fd = os.open(
            last,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=folder,
        )
        try:
            reader: Any = tar.extractfile(member)
            # What buffers it asks whether the archive itself can be read backwards.
            source = reader.raw
            with open(fd, "wb", closefd=False) as target:
                target.truncate(most)
                # The holes of a file may have more bytes than can ever be read.
                for offset, size in parts:
                    _copy(source, target, offset, size)
        except BaseException:
            os.close(fd)
            raise
        self._finish(fd, member)

    def _finish(self, fd: int, member: tarfile.TarInfo) -> None:
        """Owner, then mode (chown takes the set-user-id bit), then attributes; closes ``fd``."""
        try:
            os.fchown(fd, member.uid, member.gid)
            os.fchmod(fd, stat.S_IMODE(member.mode))
            for key, value in member.pax_headers.items():
                name = key.removeprefix(_XATTR)
                kept = key.startswith(_XATTR) and name.startswith(_XATTRS_KEPT)
                if kept and "\0" not in name:
                    os.setxattr(fd, name, value.encode("utf-8", "surrogateescape"))
            os.utime(fd, (_mtime(member), _mtime(member)))
        finally:
            os.close(fd)

    def _refuse(self, member: tarfile.TarInfo, why: str) -> Refused:
        return Refused(
            f"{self._doing}: unpack: '{member.name}' in the archive {why} (nothing was made; "
            "do not trust this archive)",
            Code.INVALID_ARG,
        )


def _copy(source: IO[bytes], target: IO[bytes], offset: int, size: int) -> None:
    """A part of a file."""
    source.seek(offset)
    target.seek(offset)
    while size > 0:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise tarfile.ReadError("a file ends too early")
        size -= len(piece)
        # What looks like a hole becomes one.
        if len(piece) == _PIECE and not any(piece):
            target.seek(len(piece), io.SEEK_CUR)
        else:
            target.write(piece)


def _mtime(member: tarfile.TarInfo) -> float:
    """When a file was changed last; the epoch for what no file system can note."""
    return member.mtime if abs(member.mtime) < _LAST_SECOND else 0


def _open(folder: int, name: str, flags: int) -> int:
    """Opens what was just made; never through a link."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
