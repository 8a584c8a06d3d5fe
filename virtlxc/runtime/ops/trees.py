"""Paths inside a tree that a guest may have prepared: everything goes through openat2."""

from __future__ import annotations

import os
import stat

from .. import syscalls
from .context import StepError

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


def bits(names: list[str] | None) -> tuple[int, int]:
    """Mount attributes by name, as the (set, clear) of mount_setattr."""
    set_bits = clear_bits = 0
    for name in names or ():
        if name not in syscalls.MOUNT_ATTRS:
            raise StepError(0, name, f"unknown mount attribute '{name}'")
        to_set, to_clear = syscalls.MOUNT_ATTRS[name]
        set_bits |= to_set
        clear_bits |= to_clear
    return set_bits, clear_bits


def lookup(root: int, path: str, nosymlinks: bool = False, flags: int = os.O_PATH) -> int:
    """Open a path within the tree ``root``; a symbolic link never leads out of it.

    With ``nosymlinks`` one anywhere on the way is an error that names it: a guest that plants
    /dev -> /etc must not decide where system mounts go.
    """
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    if nosymlinks:
        resolve |= syscalls.RESOLVE_NO_SYMLINKS
    try:
        return syscalls.openat2(root, path, flags, resolve)
    except OSError as error:
        if error.errno == 40 and nosymlinks:  # ELOOP
            raise StepError(
                40, path, f"the guest's {path} leads through a symbolic link, which is refused here"
            ) from None
        raise


def place(root: int, path: str, create: str | None, nosymlinks: bool = False) -> int:
    """Like lookup, but makes what is missing: folders on the way, "dir" or "file" at the end."""
    try:
        return lookup(root, path, nosymlinks)
    except FileNotFoundError:
        if create is None:
            raise
    parent_path, _, name = path.rstrip("/").rpartition("/")
    parent = place(root, parent_path or "/", "dir", nosymlinks)
    try:
        try:
            if create == "dir":
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                os.close(os.open(
                    name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent
                ))  # fmt: skip
        except FileExistsError:
            # A dangling link of the guest's, or something made at the same moment: look again.
            return lookup(root, path, True)
        except OSError as error:
            error.filename = path
            raise
        return syscalls.openat2(
            parent, name, os.O_PATH, syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_SYMLINKS
        )
    finally:
        os.close(parent)


def parent_of(root: int, path: str) -> tuple[int, str]:
    """The folder of ``path`` within ``root``, opened, and the last name."""
    folder, _, name = path.rstrip("/").rpartition("/")
    return lookup(root, folder or "/", False, _DIRECTORY & ~os.O_NOFOLLOW), name


def is_dir(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def read(root: int, path: str, limit: int = 1 << 20) -> str | None:
    """The text of a regular file of the guest, None when there is none; at most ``limit`` bytes."""
    try:
        fd = lookup(root, path, False, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        return os.read(fd, limit).decode(errors="replace")
    finally:
        os.close(fd)
