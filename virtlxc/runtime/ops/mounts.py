"""Detached mounts, made by the controller in the host's namespaces and attached by init."""

from __future__ import annotations

from .context import Context


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


def new_mount(
    ctx: Context,
    *,
    key: str,
    fstype: str,
    source: str | None = None,
    options: list[list[str]] | None = None,
    attrs: list[str] | None = None,
) -> None:
    """Make a new file system, detached (fsopen, fsconfig, fsmount).

    ``options``: [name, value] rows, or [name] for a flag such as "newinstance".
    """


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
) -> None:
    """Make one thing in the tree ``key``: kind c, b, dir, file (content ``data``), link, fifo.

    A directory that exists is taken as it is; anything else must not be there. The parent must
    exist. uid and gid are the host's.
    """


def ptys(
    ctx: Context, *, key: str, count: int, rows: int = 24, cols: int = 80
) -> None:
    """Open ``count`` ptys of the devpts mount ``key``: slaves 0..count-1, masters kept as consoles.

    At a reboot from inside the console of the same number goes on with its ring and viewers.
    """
