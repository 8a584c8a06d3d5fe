"""Files of the host: any side may perform these."""

from __future__ import annotations

from .context import Context


def mkdir(ctx: Context, *, path: str, mode: int = 0o755, exist_ok: bool = True) -> None:
    """Make one folder. Undo: rmdir {path}."""


def rmdir(ctx: Context, *, path: str) -> None:
    """Remove a folder if it is empty; a missing or filled one is left as it is. (An undo.)"""


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


def unlink(ctx: Context, *, path: str) -> None:
    """Remove a file; a missing one is no error. (An undo.)"""


def symlink(ctx: Context, *, path: str, target: str) -> None:
    """Make a symbolic link at the host's ``path``. Undo: unlink {path}."""


def open_file(ctx: Context, *, key: str, path: str, flags: str = "r", mode: int = 0o600) -> None:
    """Open ``path`` under ``key``; flags: r, w, rw, a (append, created with ``mode``), path, dir.

    Kernel closes it with the process.
    """


def close(ctx: Context, *, key: str) -> None:
    """Close the descriptor ``key``; one that is not there is no error."""


def chown(ctx: Context, *, path: str, uid: int, gid: int) -> None:
    """Give a file of the host (never followed when a link) to uid and gid."""
