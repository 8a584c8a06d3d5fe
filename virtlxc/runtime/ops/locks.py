"""Detached mounts whose attributes and covers hold against a guest that may mount.

The kernel locks what a mount namespace inherits from a more privileged user namespace: read-only,
nosuid, nodev and noexec cannot be cleared, and nothing can be unmounted to see what is below
(mount_namespaces(7), "Restrictions on mount namespaces"). A clone keeps those locks wherever it is
attached. So a short-lived process makes such a namespace, and sends back its clone.
"""

from __future__ import annotations

import os

from .. import syscalls
from .aside import made_aside
from .context import Context
from .inside import hide
from .trees import is_dir, lookup


def lock_tree(
    ctx: Context, *, key: str, recursive: bool = False, covers: list[str] | None = None
) -> None:
    """Lock the attributes of the detached mount ``key``; needs user namespaces.

    ``covers``: paths in the tree to hide for good first, as ``mask`` does.
    """
    tree = ctx.key(key)
    (locked,) = made_aside(lambda: [_locked_clone(tree, recursive, covers or [])], "locks")
    ctx.put(key, locked)


def _locked_clone(tree: int, recursive: bool, covers: list[str]) -> int:
    # Any folder and any file will do: only this process sees what is attached there.
    place = "/proc" if is_dir(tree) else "/dev/null"
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.move_mount(tree, syscalls.AT_FDCWD, place)
    if covers:
        hide(os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), covers, _null)
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    flags = syscalls.AT_RECURSIVE if recursive or covers else 0
    return syscalls.open_tree(syscalls.AT_FDCWD, place, syscalls.OPEN_TREE_CLONE | flags)


def lock_inside(ctx: Context, *, targets: list[str]) -> None:
    """Init, after pivot: lock what is mounted at the guest's ``targets`` and below, for good.

    Nobody inside can unmount what covers a part of them, nor clear an attribute; and because the
    covers are locked, the kernel mounts no other file system of the kind (proc, sysfs), on which
    they would not be: mount_too_revealing in its fs/namespace.c.
    """
    root = ctx.key("root")
    trees = made_aside(lambda: _heirs(root, targets), "locks")
    for target, tree in zip(targets, trees, strict=True):
        found = lookup(root, target, True)
        os.fchdir(found)
        os.close(found)
        syscalls.umount2(".", syscalls.MNT_DETACH)
        found = lookup(root, target, True)
        syscalls.move_mount(tree, found)
        os.close(found)
        os.close(tree)
    os.chdir("/")


def _heirs(root: int, targets: list[str]) -> list[int]:
    """Clones of what is mounted there, as a mount namespace of a lesser user namespace has it."""
    # The working directory moves along with its mount to the new namespace; descriptors do not.
    os.fchdir(root)
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH | syscalls.AT_RECURSIVE
    return [syscalls.open_tree(lookup(here, target, True), "", flags) for target in targets]


def _null() -> int:
    return syscalls.open_tree(syscalls.AT_FDCWD, "/dev/null", syscalls.OPEN_TREE_CLONE)
