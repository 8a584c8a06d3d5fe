"""Mounts of the guest, made by init in its own mount namespace; the guest's tree is key "root"."""

from __future__ import annotations

import errno
import os

from .. import syscalls
from .context import Context, StepError
from .trees import bits, is_dir, lookup, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def private_mounts(ctx: Context) -> None:
    """Stop mounts from reaching the host and back: everything below / becomes private."""
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)


def attach_root(ctx: Context, *, key: str = "root", at: str = "/") -> None:
    """Attach the detached tree ``key`` at the host's path ``at``, as seen by init alone."""
    syscalls.move_mount(ctx.key(key), syscalls.AT_FDCWD, at)


def attach(
    ctx: Context,
    *,
    key: str,
    target: str,
    create: str | None = None,
    nosymlinks: bool = False,
) -> None:
    """Attach the detached mount ``key`` at the guest's ``target``."""
    _put(ctx, ctx.key(key), target, create, nosymlinks)


def _put(ctx: Context, tree: int, target: str, create: str | None, nosymlinks: bool) -> None:
    """Attach the detached mount ``tree`` at a place in the guest's tree."""
    found = place(ctx.key("root"), target, create, nosymlinks)
    try:
        syscalls.move_mount(tree, found)
    except OSError as error:
        error.filename = target
        raise
    finally:
        os.close(found)


def mount(
    ctx: Context,
    *,
    fstype: str,
    target: str,
    source: str | None = None,
    options: list[list[str]] | None = None,
    attrs: list[str] | None = None,
    create: str | None = None,
    nosymlinks: bool = True,
    optional: bool = False,
) -> None:
    """Mount a new file system (proc, sysfs, mqueue, cgroup2, tmpfs) at the guest's ``target``.

    Options as for new-mount. proc and sysfs must come before ``pivot``: in a user namespace the
    kernel wants to see the host's full ones. ``optional``: a refusal is no error.
    """
    rows = [["source", source]] if source else []
    try:
        tree = syscalls.new_mount(fstype, rows + (options or []), bits(attrs)[0])
        try:
            _put(ctx, tree, target, create, nosymlinks)
        finally:
            os.close(tree)
    except OSError:
        if not optional:
            raise


def bind_inside(
    ctx: Context,
    *,
    source: str,
    target: str,
    set: list[str] | None = None,
    recursive: bool = False,
    create: str | None = None,
    nosymlinks: bool = False,
    optional: bool = False,
) -> None:
    """Bind the guest's ``source`` on its ``target``, with the attributes ``set`` on the new mount.

    ``optional``: nothing happens when the source or the target is not there.
    """
    try:
        tree = _clone(ctx, source, recursive)
        try:
            if set:
                syscalls.mount_setattr(tree, *bits(set), recursive=recursive)
            _put(ctx, tree, target, create, nosymlinks)
        finally:
            os.close(tree)
    except FileNotFoundError:
        if not optional:
            raise


def _clone(ctx: Context, source: str, recursive: bool = False) -> int:
    """A detached clone of the mount at the guest's ``source``."""
    found = lookup(ctx.key("root"), source)
    try:
        flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH
        return syscalls.open_tree(found, "", flags | (syscalls.AT_RECURSIVE if recursive else 0))
    except OSError as error:
        error.filename = source
        raise
    finally:
        os.close(found)


def remount(
    ctx: Context,
    *,
    target: str,
    set: list[str] | None = None,
    clear: list[str] | None = None,
    recursive: bool = False,
    optional: bool = False,
) -> None:
    """Change the attributes of the mount at the guest's ``target``."""
    set_bits, clear_bits = bits(set)
    more = bits(clear)
    try:
        found = lookup(ctx.key("root"), target)
        try:
            syscalls.mount_setattr(
                found, set_bits, clear_bits | more[0] | more[1], recursive=recursive
            )
        finally:
            os.close(found)
    except OSError as error:
        error.filename = target
        if not optional:
            raise


def mask(ctx: Context, *, targets: list[str]) -> None:
    """Hide files (by /dev/null) and folders (by an empty read-only tmpfs); missing ones skipped."""
    hide(ctx.key("root"), targets, lambda: _clone(ctx, "/dev/null"))


def hide(root: int, targets: list[str], null: Callable[[], int]) -> None:
    """Hide ``targets`` in the attached tree ``root``; ``null`` clones /dev/null."""
    empty = -1
    try:
        for target in targets:
            try:
                found = lookup(root, target)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                if not is_dir(found):
                    _cover(null(), found)
                elif empty < 0:
                    # The first is mounted itself: before 6.15 a kernel clones attached mounts only.
                    empty = syscalls.new_mount("tmpfs", [["size", "0"]], bits(["ro"])[0])
                    syscalls.move_mount(empty, found)
                else:
                    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH
                    _cover(syscalls.open_tree(empty, "", flags), found)
            except OSError as error:
                error.filename = target
                raise
            finally:
                os.close(found)
    finally:
        if empty >= 0:
            os.close(empty)


def _cover(tree: int, found: int) -> None:
    try:
        syscalls.move_mount(tree, found)
    finally:
        os.close(tree)


def pivot(ctx: Context, *, key: str = "root") -> None:
    """Make ``key`` the root and drop the host's tree; works in "/" afterwards."""
    root = ctx.key(key)
    os.fchdir(root)
    syscalls.pivot_root(".", ".")
    # Both are mounted at "/" now, the old one on top: this drops that one.
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")


def sysctl(ctx: Context, *, key: str, value: str, optional: bool = False) -> None:
    """Write the guest's /proc/sys/KEY (with slashes)."""
    try:
        fd = lookup(ctx.key("root"), f"/proc/sys/{key}", True, os.O_WRONLY)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        if optional:
            return
        if error.errno == errno.ENOENT:
            text = (
                f"this kernel has no '{key.replace('/', '.')}' in this container (some hide it from"
                " user namespaces, which is what <idmap> makes; see <virtlxc:sysctl>)"
            )
            raise StepError(errno.ENOENT, f"/proc/sys/{key}", text) from None
        error.filename = f"/proc/sys/{key}"
        raise
