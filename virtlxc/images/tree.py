"""A guest's files, read and written from outside: no link in them leads out of the tree."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from virtlxc.runtime import syscalls

# A file of a guest that somebody edits by a program is smaller.
_MOST = 16 << 20


class Tree:
    """The files below one folder; paths are those that the guest sees, such as ``/etc/hosts``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    @contextlib.contextmanager
    def at(cls, root: str) -> Iterator[Tree]:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(fd)
        finally:
            os.close(fd)

    @property
    def fd(self) -> int:
        return self._fd

    def kind(self, path: str) -> int:
        """The type of file (stat.S_IFMT) that the guest finds there; 0 for nothing."""
        try:
            fd = self._open(path, os.O_PATH)
        except OSError:
            return 0
        try:
            return stat.S_IFMT(os.fstat(fd).st_mode)
        finally:
            os.close(fd)

    def has(self, path: str) -> bool:
        return self.kind(path) != 0

    def read(self, path: str) -> str | None:
        """The text of a regular file, None when there is none such, or one beyond all measure."""
        try:
            fd = self._open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return None
        with open(fd, encoding="utf-8", errors="surrogateescape") as file:
            found = os.fstat(fd)
            return file.read() if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST else None

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replaces a file; a link in its place goes, folders on the way are made.

        One that was there keeps its owner and mode.
        """
        with self._parent(path) as (folder, name):
            old = None
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                old = found if stat.S_ISREG(found.st_mode) else None
                os.unlink(name, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name, flags, 0o600, dir_fd=folder)
            with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
                if old is not None:
                    os.fchown(fd, old.st_uid, old.st_gid)
                os.fchmod(fd, mode if old is None else stat.S_IMODE(old.st_mode))

    def link(self, path: str, target: str) -> None:
        """Makes a symbolic link, in place of what is there."""
        with self._parent(path) as (folder, name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(target, name, dir_fd=folder)

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(OSError), self._parent(path, make=False) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def names(self, path: str) -> list[str]:
        """What is in a folder; nothing where there is none."""
        try:
            fd = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        if not self.has(path):
            with self._parent(path) as (folder, name):
                os.mkdir(name, mode, dir_fd=folder)

    def _open(self, path: str, flags: int) -> int:
        return syscalls.openat2(self._fd, path, flags, syscalls.RESOLVE_IN_ROOT)

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = True) -> Iterator[tuple[int, str]]:
        above, _, name = path.rpartition("/")
        if make and above:
            self.make_folder(above)
        fd = self._open(above or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd, name
        finally:
            os.close(fd)
