"""Files of the host: any side may perform these."""

from __future__ import annotations

import os
import stat

from ..disk import put, replace
from .context import Context

_FLAGS = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY,
    "rw": os.O_RDWR,
    "a": os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    "path": os.O_PATH,
    "dir": os.O_RDONLY | os.O_DIRECTORY,
}


def mkdir(ctx: Context, *, path: str, mode: int = 0o755, exist_ok: bool = True) -> None:
    """Make one folder; one that is there will do, a link to one will not. Undo: rmdir {path}."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not exist_ok or not stat.S_ISDIR(os.lstat(path).st_mode):
            raise


def rmdir(ctx: Context, *, path: str) -> None:
    """Remove a folder if it is empty; a missing or filled one is left as it is. (An undo.)"""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        if not os.listdir(path):
            raise


def write(
    ctx: Context,
    *,
    path: str,
    data: str,
    mode: int | None = None,
    append: bool = False,
    optional: bool = False,
) -> None:
    """Write ``data`` in one write(2) to a file of the host.

    With ``mode`` the file is created or replaced (temporary name and rename); without, it must
    exist (/proc, /sys). ``optional``: a refusal is no error.
    """
    try:
        if mode is not None and not append:
            replace(path, data.encode(), mode)
        else:
            put(path, data, os.O_APPEND if append else 0)
    except OSError:
        if not optional:
            raise


def unlink(ctx: Context, *, path: str) -> None:
    """Remove a file; a missing one is no error. (An undo.)"""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def symlink(ctx: Context, *, path: str, target: str) -> None:
    """Make a symbolic link at the host's ``path``. Undo: unlink {path}."""
    os.symlink(target, path)


def open_file(ctx: Context, *, key: str, path: str, flags: str = "r", mode: int = 0o600) -> None:
    """Open ``path`` under ``key``; flags: r, w, rw, a (append, created with ``mode``), path, dir.

    The kernel closes it with the process.
    """
    ctx.put(key, os.open(path, _FLAGS[flags] | os.O_CLOEXEC | os.O_NOCTTY, mode))


def close(ctx: Context, *, key: str) -> None:
    """Close the descriptor ``key``; one that is not there is no error."""
    fd = ctx.keys.pop(key, None)
    if fd is not None:
        os.close(fd)


def chown(ctx: Context, *, path: str, uid: int, gid: int) -> None:
    """Give a file of the host (never followed when a link) to uid and gid."""
    os.chown(path, uid, gid, follow_symlinks=False)
