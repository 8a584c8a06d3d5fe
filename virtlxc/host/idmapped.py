"""Which file systems take idmapped mounts: tried on a detached clone of each that is mounted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator

from virtlxc import mountinfo
from virtlxc.runtime import syscalls

# A process whose user namespace is borrowed. Its maps are written from outside; it ends with its
# standard input, so that it cannot outlive us.
_SLEEPER = (
    "import ctypes, sys\n"
    "failed = ctypes.CDLL(None).unshare(0x10000000)\n"
    "print('failed' if failed else 'ready', flush=True)\n"
    "sys.stdin.read()\n"
)

_CAPABILITY = "security.capability"
_REVISION_3 = 0x03000000

# Never of interest as a source, and in part not to be touched.
_KERNEL_OWN = frozenset(
    [
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "devpts",
        "devtmpfs",
        "mqueue",
        "bpf",
        "tracefs",
        "debugfs",
        "securityfs",
        "pstore",
        "configfs",
        "fusectl",
        "hugetlbfs",
        "autofs",
        "binfmt_misc",
        "nsfs",
        "rpc_pipefs",
        "selinuxfs",
        "efivarfs",
    ]
)


def try_all() -> dict[str, bool]:
    """By type of file system, of those mounted now and tmpfs. Empty without user namespaces."""
    with user_namespace() as userns:
        if userns is None:
            return {}
        points = _points()
        found = {fstype: _try(point, userns) for fstype, point in sorted(points.items())}
        found["tmpfs"] = _try_tmpfs(userns)
    return found


def takes(folder: str) -> bool:
    """Whether the file system that ``folder`` is on takes idmapped mounts; tried on it."""
    with user_namespace() as userns:
        return userns is not None and _try(folder, userns)


def shift(root: str, first: int) -> None:
    """Adds ``first`` to the owners of all below and of ``root`` itself, on the disk.

    What idmapped mounts spare where they work. Raises OSError. chown(2) takes the set-user-id bits
    and file capabilities away, so they are set again, the latter bound to the namespace's root;
    hard links are one file and are shifted once.
    """
    seen: set[int] = set()
    for folder, folders, names, fd in walk(root):
        for name in [*folders, *names, *([] if folder != root else ["."])]:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if found.st_ino in seen:
                continue
            seen.add(found.st_ino)
            uid, gid = first + found.st_uid, first + found.st_gid
            is_file = stat.S_ISREG(found.st_mode)
            capability = _capability(fd, name) if is_file else None
            os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=fd)
            if capability is not None:
                path = f"/proc/self/fd/{fd}/{name}"
                os.setxattr(path, _CAPABILITY, bound_capability(capability, first))


def walk(root: str) -> Iterator[tuple[str, list[str], list[str], int]]:
    """os.fwalk, which calls itself for each level: a guest may have nested more. Raises OSError."""
    try:
        yield from os.fwalk(root, follow_symlinks=False, onerror=_raise)
    except RecursionError:
        text = "its folders are nested too deep"
        raise OSError(errno.ENAMETOOLONG, text, root) from None


def _raise(error: OSError) -> None:
    raise error


def _capability(fd: int, name: str) -> bytes | None:
    try:
        return os.getxattr(f"/proc/self/fd/{fd}/{name}", _CAPABILITY)
    except OSError:
        return None


def bound_capability(raw: bytes, root: int) -> bytes:
    """A file's capabilities for the user namespace whose root is ``root`` (linux/capability.h)."""
    magic = struct.unpack_from("<I", raw)[0]
    return struct.pack("<I", _REVISION_3 | magic & 1) + raw[4:20] + struct.pack("<I", root)


@contextlib.contextmanager
def user_namespace() -> Iterator[int | None]:
    """The descriptor of a user namespace with a shifted map, None when there can be none."""
    command = [sys.executable, "-I", "-S", "-c", _SLEEPER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
    ) as sleeper:
        assert sleeper.stdin is not None and sleeper.stdout is not None
        fd = None
        try:
            if sleeper.stdout.readline() == b"ready\n":
                fd = _open_mapped(sleeper.pid)
            yield fd
        finally:
            if fd is not None:
                os.close(fd)
            sleeper.stdin.close()


def _open_mapped(pid: int) -> int | None:
    try:
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write("0 524288 65536\n")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _points() -> dict[str, str]:
    """One mount point of each type."""
    found: dict[str, str] = {}
    for mount in mountinfo.read():
        if mount.fstype not in _KERNEL_OWN and mount.fstype != "tmpfs":
            found.setdefault(mount.fstype, mount.point)
    return found


def _try(point: str, userns: int) -> bool:
    try:
        clone = syscalls.open_tree(-100, point, syscalls.OPEN_TREE_CLONE)
    except OSError:
        return False
    return _translate(clone, userns)


def _try_tmpfs(userns: int) -> bool:
    try:
        return _translate(syscalls.new_mount("tmpfs", [["size", "4k"]], 0), userns)
    except OSError:
        return False


def _translate(mount: int, userns: int) -> bool:
    try:
        syscalls.mount_setattr(mount, userns_fd=userns)
    except OSError:
        return False
    finally:
        os.close(mount)
    return True
