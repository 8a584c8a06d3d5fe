"""Control groups of any hierarchy: ``mount`` is where it is mounted, ``path`` starts with "/"."""

from __future__ import annotations

from .context import Context


def mkdir(ctx: Context, *, mount: str, path: str, shared: bool = False) -> None:
    """Make one cgroup. ``shared``: may exist already (a partition such as /machine).

    Undo: cgroup-rmdir {mount, path} (for a shared one: with ``shared``, removed only if empty).
    """


def rmdir(ctx: Context, *, mount: str, path: str, shared: bool = False) -> None:
    """Remove a cgroup with all below it, once no process is in it; waits up to a second.

    ``shared``: a single attempt, without what is below. Missing is no error. (An undo.)
    """


def clear(ctx: Context, *, mount: str, path: str) -> None:
    """Remove what the guest of an earlier boot left below this cgroup. For the boot half."""


def kill(ctx: Context, *, mount: str, path: str) -> None:
    """Kill every process below a cgroup2 by cgroup.kill; missing is no error. (An undo.)"""


def write(
    ctx: Context, *, mount: str, path: str, file: str, value: str, optional: bool = False
) -> None:
    """Write ``value`` to a file of the cgroup. ``optional``: a refusal is no error."""


def inherit(ctx: Context, *, mount: str, path: str, files: list[str]) -> None:
    """Copy files that are empty (v1: cpuset.cpus, cpuset.mems) from the parent cgroup."""


def enable(ctx: Context, *, mount: str, path: str, controllers: list[str]) -> None:
    """Add controllers to cgroup.subtree_control of a cgroup2, those it has not yet."""


def chown(
    ctx: Context, *, mount: str, path: str, uid: int, gid: int, files: list[str]
) -> None:
    """Delegate: give the folder and the named files (missing ones skipped) to uid and gid."""


def attach(ctx: Context, *, mount: str, path: str, pid: str) -> None:
    """Move the process ``pid`` ("\\0stage\\0", "\\0controller\\0" or a number) into the cgroup."""


def bpf_device(ctx: Context, *, mount: str, path: str, insns: str) -> None:
    """Load a BPF_PROG_TYPE_CGROUP_DEVICE program (hex of struct bpf_insn[]) and attach it.

    The program lives as long as the cgroup.
    """
