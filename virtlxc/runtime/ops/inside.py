"""Mounts of the guest, made by init in its own mount namespace; the guest's tree is key "root"."""

from __future__ import annotations

from .context import Context


def private_mounts(ctx: Context) -> None:
    """Stop mounts from reaching the host and back: everything below / becomes private."""


def attach_root(ctx: Context, *, key: str = "root", at: str = "/") -> None:
    """Attach the detached tree ``key`` at the host's path ``at``, as seen by init alone."""


def attach(
    ctx: Context,
    *,
    key: str,
    target: str,
    create: str | None = None,
    nosymlinks: bool = False,
) -> None:
    """Attach the detached mount ``key`` at the guest's ``target``."""


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


def mask(ctx: Context, *, targets: list[str]) -> None:
    """Hide files (by /dev/null) and folders (by an empty read-only tmpfs); missing ones skipped."""


def pivot(ctx: Context, *, key: str = "root") -> None:
    """Make ``key`` the root and drop the host's tree; works in "/" afterwards."""


def sysctl(ctx: Context, *, key: str, value: str, optional: bool = False) -> None:
    """Write the guest's /proc/sys/KEY (with slashes)."""
