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
from .trees import is_dir


def lock_tree(
    ctx: Context, *, key: str, recursive: bool = False, covers: list[str] | None = None
) -> None:
    """Lock the attributes of the detached mount ``key``; needs user namespaces.

    ``covers``: paths in the tree to hide for good first, as ``mask`` does.
    """
    tree = ctx.key(key)
    ctx.put(key, made_aside(lambda: _locked_clone(tree, recursive, covers or []), "locks"))


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


def _null() -> int:
    return syscalls.open_tree(syscalls.AT_FDCWD, "/dev/null", syscalls.OPEN_TREE_CLONE)
