"""Detached mounts, made by the controller in the host's namespaces and attached by init."""

from __future__ import annotations

import fcntl
import os
import stat
import struct

from .. import syscalls
from .context import Context, StepError
from .loops import path_of
from .trees import bits, lookup, parent_of

_TIOCSPTLCK = 0x40045431
_TIOCSWINSZ = 0x5414

_KINDS = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "fifo": stat.S_IFIFO}


def open_tree(
    ctx: Context,
    *,
    key: str,
    path: str,
    recursive: bool = False,
    within: str | None = None,
    nosymlinks: bool = False,
) -> None:
    """Clone the mount at the host's ``path`` (or at a path within the tree ``within``), detached.

    The clone is private. The kernel frees it with its last descriptor.
    """
    flags = syscalls.OPEN_TREE_CLONE | (syscalls.AT_RECURSIVE if recursive else 0)
    if within is None and not nosymlinks:
        tree = syscalls.open_tree(syscalls.AT_FDCWD, path, flags)
    else:
        start = ctx.key(within) if within else os.open("/", os.O_PATH | os.O_CLOEXEC)
        try:
            found = lookup(start, path, nosymlinks)
        finally:
            if not within:
                os.close(start)
        try:
            tree = syscalls.open_tree(found, "", flags | syscalls.AT_EMPTY_PATH)
        finally:
            os.close(found)
    ctx.put(key, tree)
    syscalls.mount_setattr(tree, propagation=syscalls.MS_PRIVATE, recursive=recursive)


def mount_attr(
    ctx: Context,
    *,
    key: str,
    set: list[str] | None = None,
    clear: list[str] | None = None,
    recursive: bool = False,
    propagation: str | None = None,
    idmap: str | None = None,
) -> None:
    """Change attributes of the detached mount ``key`` (mount_setattr).

    ``propagation``: private, slave, shared, unbindable. ``idmap``: key of a user namespace; ids of
    the file system that are inside ids of that namespace appear as its outside ids.
    """
    set_bits, clear_bits = bits(set)
    more = bits(clear)
    syscalls.mount_setattr(
        ctx.key(key),
        set_bits,
        clear_bits | more[0] | more[1],
        syscalls.PROPAGATION[propagation] if propagation else 0,
        ctx.key(idmap) if idmap else None,
        recursive,
    )


def new_mount(
    ctx: Context,
    *,
    key: str,
    fstype: str,
    source: str | None = None,
    options: list[list[str]] | None = None,
    attrs: list[str] | None = None,
    device: str | None = None,
) -> None:
    """Make a new file system, detached (fsopen, fsconfig, fsmount).

    ``options``: [name, value] rows, or [name] for a flag such as "newinstance". ``device``: key of
    an open block device that is the source.
    """
    if device is not None:
        source = path_of(ctx.key(device))
    rows = [["source", source]] if source else []
    ctx.put(key, syscalls.new_mount(fstype, rows + (options or []), bits(attrs)[0]))


def node(
    ctx: Context,
    *,
    key: str,
    path: str,
    kind: str,
    mode: int = 0o755,
    major: int = 0,
    minor: int = 0,
    uid: int = 0,
    gid: int = 0,
    target: str = "",
    data: str = "",
    device: str | None = None,
) -> None:
    """Make one thing in the tree ``key``: kind c, b, dir, file (content ``data``), link, fifo.

    A directory that exists is taken as it is; anything else must not be there. The parent must
    exist. uid and gid are the host's. ``device``: key of an open device that has the numbers.
    """
    parent, name = parent_of(ctx.key(key), path)
    try:
        if device is not None:
            number = os.fstat(ctx.key(device)).st_rdev
            major, minor = os.major(number), os.minor(number)
        if kind == "dir":
            try:
                os.mkdir(name, mode, dir_fd=parent)
            except FileExistsError:
                return
        elif kind == "link":
            os.symlink(target, name, dir_fd=parent)
        elif kind == "file":
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            fd = os.open(name, flags, mode, dir_fd=parent)
            try:
                os.write(fd, data.encode())
            finally:
                os.close(fd)
        elif kind in _KINDS:
            os.mknod(name, _KINDS[kind] | mode, os.makedev(major, minor), dir_fd=parent)
        else:
            raise StepError(0, path, f"unknown kind of node '{kind}'")
        if uid or gid:
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(parent)


def ptys(
    ctx: Context,
    *,
    key: str,
    count: int,
    uid: int | None = None,
    gid: int | None = None,
    rows: int = 24,
    cols: int = 80,
) -> None:
    """Open ``count`` ptys of the devpts mount ``key``: slaves 0..count-1, masters kept as consoles.

    The slaves are given to uid and gid (the host's; null: as the mount's options say).
    At a reboot from inside the console of the same number goes on with its ring and viewers.
    """
    for index in range(count):
        master = os.open(
            "ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=ctx.key(key)
        )
        ctx.put(f"console{index}", master)
        ctx.masters.append(master)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        fcntl.ioctl(master, _TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        if uid is not None or gid is not None:
            owner = (-1 if uid is None else uid, -1 if gid is None else gid)
            os.chown(str(index), *owner, dir_fd=ctx.key(key))
