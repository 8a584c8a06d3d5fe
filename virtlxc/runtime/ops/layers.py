"""File systems whose owner or contents depend on what lies below: idmapped trees, overlays."""

from __future__ import annotations

import errno
import os
import stat

from .. import syscalls
from .aside import made_aside
from .context import Context, StepError
from .trees import bits

#: The two folders of an overlay's changes: what was written, and the kernel's workshop.
_UPPER = "upper"
_WORK = "work"


def shift_tree(
    ctx: Context, *, key: str, idmap: str, ids: list[list[int]], decide: bool = True
) -> None:
    """Make the detached mount ``key`` an idmapped one, if its top folder is the guest's own.

    ``ids`` are [inside, outside, count] rows. A top folder that belongs to an outside id is shifted
    already, and left alone. ``decide`` False: no look at the owner.
    """
    tree = ctx.key(key)
    if decide:
        owner = os.fstat(tree).st_uid
        if any(outside <= owner < outside + count for _, outside, count in ids):
            return
        if not any(inside <= owner < inside + count for inside, _, count in ids):
            raise StepError(
                0,
                "",
                f"its top folder belongs to id {owner}, which is in neither range of the id map",
            )
    try:
        syscalls.mount_setattr(tree, userns_fd=ctx.key(idmap))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        text = "it takes no idmapped mounts on this kernel (chown what is in it to the id map)"
        raise StepError(errno.EINVAL, "", text) from None


def screen_tree(ctx: Context, *, key: str, optional: bool = False) -> None:
    """Put an overlay that nobody can write to in the place of the detached mount ``key``.

    What is opened there is the same file; but FIFOs and sockets are the overlay's own, and lead to
    nobody who has opened or bound those below, whenever they were made. ``optional``: nothing
    happens when the file system can be no layer of an overlay.
    """
    lower = ctx.key(key)
    try:
        (screened,) = made_aside(lambda: [_screened(lower)], "lays the overlay")
        ctx.put(key, screened)
    except OSError as error:
        if not optional or error.errno != errno.EINVAL:
            raise


def _screened(lower: int) -> int:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    # An overlay without changes wants a second layer, which is empty.
    empty = syscalls.new_mount("tmpfs", [["size", "4k"]], 0)
    syscalls.move_mount(empty, syscalls.AT_FDCWD, "/dev")
    syscalls.move_mount(lower, syscalls.AT_FDCWD, "/proc/sys")
    options = [["source", "overlay"], ["lowerdir", "/proc/sys:/dev"]]
    return syscalls.new_mount("overlay", options, _protecting(lower))


#: Flags of statvfs(3) and the attributes of a mount that say the same; not "ro", which is ours.
_PROTECTING = ((os.ST_NOSUID, "nosuid"), (os.ST_NODEV, "nodev"), (os.ST_NOEXEC, "noexec"))


def _protecting(lower: int) -> int:
    """What the mount below forbids has to be forbidden by the one above as well."""
    flags = os.fstatvfs(lower).f_flag
    return bits([name for flag, name in _PROTECTING if flags & flag])[0]


def overlay(
    ctx: Context, *, key: str, changes: str | None = None, unprivileged: bool = False
) -> None:
    """Lay an overlay over the detached mount ``key``, which only gets read; it takes its place.

    ``changes`` is the host's folder that gets what is written, in "upper" beside "work", which are
    made like the top folder below if need be; null: into memory, gone with the mount.
    ``unprivileged``: we are in a user namespace, where the overlay's own notes on files (which of
    them are gone) are attributes of users, overlayfs.rst.
    """
    lower = ctx.key(key)
    options = [["userxattr"]] if unprivileged else []
    (laid,) = made_aside(lambda: [_laid(lower, changes, options)], "lays the overlay")
    ctx.put(key, laid)


def _laid(lower: int, changes: str | None, more: list[list[str]]) -> int:
    # Before 6.15 layers must be attached somewhere: in a mount namespace that ends with us. Both
    # places are there on every host, and nothing of them is needed by then.
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    folder = _upper(changes, os.fstat(lower))
    syscalls.move_mount(lower, syscalls.AT_FDCWD, "/proc/sys")
    options = [
        ["source", "overlay"],
        ["lowerdir", "/proc/sys"],
        ["upperdir", f"{folder}/{_UPPER}"],
        ["workdir", f"{folder}/{_WORK}"],
    ]
    return syscalls.new_mount("overlay", options + more, _protecting(lower))


def _upper(changes: str | None, like: os.stat_result) -> str:
    """The folder with the two folders that an overlay writes to; owned ``like`` what is below."""
    folder = changes or "/dev"
    if changes is None:
        memory = syscalls.new_mount("tmpfs", [["mode", "700"]], bits(["nosuid"])[0])
        syscalls.move_mount(memory, syscalls.AT_FDCWD, folder)
    for name in (_UPPER, _WORK):
        path = f"{folder}/{name}"
        try:
            os.mkdir(path)
        except FileExistsError:
            continue
        os.chown(path, like.st_uid, like.st_gid)
        os.chmod(path, stat.S_IMODE(like.st_mode))
    return folder
