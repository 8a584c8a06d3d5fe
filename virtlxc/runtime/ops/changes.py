"""What only a running container needs: a way into its tree, and taking back what it was given.

A process is named by pid and start time: when it is gone, or somebody else by now, there is nothing
to take back, because all of this goes with the container's namespaces.
"""

from __future__ import annotations

import errno
import os
import stat

from .. import netlink, syscalls
from ..protocol import start_time
from .context import Context, StepError
from .trees import lookup, parent_of

_NODES = {"c": stat.S_ISCHR, "b": stat.S_ISBLK}
_UMOUNT_NOFOLLOW = 8
#: More mounts than this on one place are no accident.
_DEEPEST = 16


def open_guest(ctx: Context, *, key: str, pid: str, path: str) -> None:
    """Any: open the folder ``path`` of the running container of ``pid``, its links refused."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        ctx.put(key, lookup(root, path, True, os.O_PATH | os.O_DIRECTORY))
    finally:
        os.close(root)


def remove_node(
    ctx: Context, *, pid: int, starttime: int, path: str, kind: str, major: int = 0, minor: int = 0
) -> None:
    """Remove a node from the tree of a running container, only if it is that device.

    ``major`` 0: a device of any numbers (those of a loop device are known only while it is one).
    A folder is removed if it is empty. Missing is no error. (An undo.)
    """
    try:
        if start_time(pid) != starttime:
            return
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return
    try:
        _remove_node(root, path, kind, major, minor)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(root)


def _remove_node(root: int, path: str, kind: str, major: int, minor: int) -> None:
    parent, name = parent_of(root, path)
    try:
        if kind == "dir":
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY):
                    raise
            return
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if kind == "link":
            if stat.S_ISLNK(found.st_mode):
                os.unlink(name, dir_fd=parent)
        elif _NODES[kind](found.st_mode) and (
            major == 0 or found.st_rdev == os.makedev(major, minor)
        ):
            os.unlink(name, dir_fd=parent)
    finally:
        os.close(parent)


def detach(ctx: Context, *, target: str) -> None:
    """Inside: unmount what is at the guest's ``target``; no mount there is no error.

    StepError EBUSY when somebody uses it.
    """
    for _ in range(_DEEPEST):
        try:
            parent, name = parent_of(ctx.key("root"), target)
        except FileNotFoundError:
            return
        try:
            # By a name in its folder: a descriptor of the mount itself would keep it busy.
            os.fchdir(parent)
        finally:
            os.close(parent)
        try:
            syscalls.umount2(name, _UMOUNT_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return
            if error.errno == errno.EBUSY:
                text = f"a process of the container uses {target} (fuser -m {target}, inside)"
                raise StepError(errno.EBUSY, target, text) from None
            error.filename = target
            raise
        finally:
            os.chdir("/")


def link_remove(ctx: Context, *, link: str, mac: str | None = None) -> None:
    """Inside: delete a link of the container's own; missing, or with another ``mac``, no error."""
    with netlink.Route() as route:
        found = route.link(link)
        if found is not None and (mac is None or found[1] == mac.lower()):
            route.request(netlink.delete_request(found[0]), link)


def link_set(ctx: Context, *, host: str, mac: str, bridge: str | None, up: bool) -> None:
    """Move the host's end of a pair to another bridge, and set whether it is up.

    Only if its address is ``mac``: StepError otherwise.
    """
    with netlink.Route() as route:
        found = route.link(host)
        if found is None or found[1] != mac.lower():
            raise StepError(errno.ENODEV, host, f"there is no link '{host}' with address {mac}")
        master = None
        if bridge is not None:
            there = route.link(bridge)
            if there is None:
                raise StepError(errno.ENODEV, bridge, f"there is no bridge '{bridge}'")
            master = there[0]
        route.request(netlink.port_request(found[0], master, up), host)
