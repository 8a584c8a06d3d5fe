"""What a folder may hold: project quotas. Sources: quotactl_fd(2), linux/fs.h, linux/quota.h."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from .. import syscalls
from .context import Context, StepError

_GET_ATTRIBUTES = 0x801C581F
_SET_ATTRIBUTES = 0x401C5820
#: struct fsxattr: flags, extent size, count of extents, project, copy-on-write extent size, padding
_ATTRIBUTES = struct.Struct("=5I8x")
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT: what is made inside belongs to the project as well

_SET_QUOTA = 0x800008 << 8 | 2  # of a project
#: struct if_dqblk: hard and soft limit in KiB, space, three of inodes, two times, what is valid
_LIMITS = struct.Struct("=8QI4x")
_LIMITS_OF_SPACE = 1


def limit(ctx: Context, *, path: str, project: int, hard: int = 0, soft: int = 0) -> None:
    """Limit all that is in the folder ``path``, as ``project``, to ``hard`` KiB; 0: no limit.

    ``soft`` KiB may be exceeded for the grace time of the file system. A folder that belongs to
    another project is refused; one that belongs to none is taken over with all that is in it.
    """
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags, owner = _attributes(top)
        if owner not in (0, project):
            raise StepError(0, path, f"'{path}' belongs to the project {owner} of somebody else")
        if owner != project or not flags & _INHERIT:
            _adopt(top, project)
        _set(top, project, hard, soft, path)
    finally:
        os.close(top)


def lift(ctx: Context, *, path: str, project: int) -> None:
    """Let the folder hold what it likes; missing is no error. (An undo.)"""
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if _attributes(top)[1] == project:
            _set(top, project, 0, 0, path)
    finally:
        os.close(top)


def _set(top: int, project: int, hard: int, soft: int, path: str) -> None:
    limits = bytearray(_LIMITS.pack(hard, soft, 0, 0, 0, 0, 0, 0, _LIMITS_OF_SPACE))
    try:
        syscalls.quotactl_fd(top, _SET_QUOTA, project, limits)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.ENOSYS, errno.EOPNOTSUPP):
            text = f"the file system of '{path}' keeps no project quotas (mount it with prjquota)"
            raise StepError(error.errno, path, text) from None
        error.filename = path
        raise


def _attributes(fd: int) -> tuple[int, int]:
    """Flags and project; a file system without such attributes has no projects."""
    buffer = bytearray(_ATTRIBUTES.size)
    try:
        fcntl.ioctl(fd, _GET_ATTRIBUTES, buffer)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EOPNOTSUPP):
            return 0, 0
        raise
    flags, _, _, project, _ = _ATTRIBUTES.unpack(buffer)
    return flags, project


def _adopt(top: int, project: int) -> None:
    """Give a tree to the project. A guest may have made it: no link is followed."""
    for _, folders, files, folder in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        _give(folder, project)
        for name in (*folders, *files):
            if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                fd = os.open(name, flags, dir_fd=folder)
                try:
                    _give(fd, project)
                finally:
                    os.close(fd)


def _give(fd: int, project: int) -> None:
    buffer = bytearray(_ATTRIBUTES.size)
    fcntl.ioctl(fd, _GET_ATTRIBUTES, buffer)
    flags, size, count, _, copied = _ATTRIBUTES.unpack(buffer)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        flags |= _INHERIT
    fcntl.ioctl(fd, _SET_ATTRIBUTES, _ATTRIBUTES.pack(flags, size, count, project, copied))
