"""Processes: socket, journal, title, forks and namespaces (controller and stage)."""

from __future__ import annotations

from .context import Context


def listen(ctx: Context, *, path: str, mode: int = 0o600) -> None:
    """Controller: listen on its protocol socket. Undo: unlink {path}."""


def journal(ctx: Context, *, path: str) -> None:
    """Controller: write the undo of every step of the plan, placeholders resolved, in one write.

    Must precede every step of the controller that has an undo. Undo: null (the journal removes
    itself when all is undone).
    """


def title(ctx: Context, *, text: str) -> None:
    """Controller: words of /proc/PID/cmdline (split at spaces) and comm."""


def fork_stage(ctx: Context) -> None:
    """Controller: fork the stage of this boot; last step of its segment."""


def fork_init(ctx: Context) -> None:
    """Stage: fork init into the new pid namespace and exit; last step of the stage."""


def id_map(
    ctx: Context, *, pid: str, uid: list[list[int]], gid: list[list[int]]
) -> None:
    """Controller: write the id maps of ``pid`` ("\\0stage\\0"); rows [inside, outside, count]."""


def open_ns(ctx: Context, *, key: str, path: str) -> None:
    """Any: open a namespace, e.g. "/proc/\\0stage\\0/ns/net" or "/run/netns/x", under ``key``."""


def join_ns(ctx: Context, *, key: str, type: str) -> None:
    """Stage: setns to the namespace ``key``, which must be of ``type`` (net, ipc, uts)."""


def unshare(ctx: Context, *, flags: list[str]) -> None:
    """Stage: unshare any of user, mnt, uts, ipc, net, cgroup, pid (in one call)."""


def become_root(ctx: Context) -> None:
    """Stage: uid, gid 0 and no groups in the user namespace just mapped."""


def personality(ctx: Context, *, domain: str) -> None:
    """Stage or init: "linux32" or "linux"."""
