"""Limits that a running domain has come up against, in sentences."""

from __future__ import annotations

from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures.stats import group_of, memory_limit
from virtlxc.driver.life import groups
from virtlxc.plan.steps import Group


def hits(view: View) -> list[str]:
    """What the kernel has counted since the start; empty while every limit was wide enough."""
    if view.run is None or view.live is None:
        return []
    return [*_memory(view), *_processes(view)]


def _memory(view: View) -> list[str]:
    group, v1 = group_of(view, "memory")
    killed = groups.read_table(group, "memory.oom_control" if v1 else "memory.events").get(
        "oom_kill", 0
    )
    if not killed:
        return []
    assert view.live is not None
    limit = memory_limit(view) or view.live.memory
    what = "a process was" if killed == 1 else f"{killed} processes were"
    return [
        f"its memory limit of {limit // 1024} MiB was reached: {what} killed (virtlxc setmaxmem, "
        "or look for what eats it)"
    ]


def _processes(view: View) -> list[str]:
    group, _ = group_of(view, "pids")
    assert view.live is not None
    limit = view.live.container.pids_limit
    refused = _refused_forks(group, limit) if limit else 0
    if not refused:
        return []
    return [
        f"its limit of {limit} processes was reached {refused} times (<virtlxc:pids limit=...>, or "
        "look for what forks)"
    ]


def _refused_forks(group: Group, limit: int) -> int:
    """How often the group's own limit has refused a fork.

    Before Linux 6.11 the kernel counts in the group that wanted to fork, whoseever limit it was:
    then all below are added up, unless there never were that many processes.
    """
    own = groups.read_table(group, "pids.events.local")
    if own:
        return own.get("max", 0)
    peak = groups.read_number(group, "pids.peak")
    if peak is not None and peak < limit:
        return 0
    below = (Group(mount=group.mount, path=path) for path in groups.tree(group))
    return sum(groups.read_table(one, "pids.events").get("max", 0) for one in below)
