"""What a running domain has used: processor time, memory, disk and network traffic.

Read from the control groups and from the host's ends of the links, never from the guest's files.
Sources: the kernel's cgroup-v2.rst and cgroup-v1/; proc_pid_net(5).
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from dataclasses import dataclass

from virtlxc.driver import refusals
from virtlxc.driver.constants import MemoryStat, ParamType
from virtlxc.driver.domain.domain import View
from virtlxc.driver.life import groups
from virtlxc.driver.ref import InterfaceStats, Param
from virtlxc.errors import Code, VirtlxcError
from virtlxc.plan.steps import Group

# What cgroup v1 says where there is no limit: the most that fits, in whole pages.
_UNLIMITED_V1_KIB = (2**63 - 1) // mmap.PAGESIZE * mmap.PAGESIZE // 1024


def group_of(view: View, *controllers: str) -> tuple[Group, bool]:
    """(the group that counts for the first controller bound to v1, True), or the payload."""
    assert view.run is not None
    for controller in controllers:
        if controller in view.run.v1:
            return view.run.v1[controller], True
    return view.run.payload, False


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Nanoseconds."""

    total: int
    user: int
    system: int


def cpu_time(view: View) -> CpuTime:
    """All processor time of the run; cgroup2 counts it with and without its cpu controller."""
    if view.run is None:
        return CpuTime(0, 0, 0)
    found = groups.read_table(view.run.payload, "cpu.stat")
    return CpuTime(
        found.get("usage_usec", 0) * 1000,
        found.get("user_usec", 0) * 1000,
        found.get("system_usec", 0) * 1000,
    )


def cpu_stats(view: View, start_cpu: int, ncpus: int) -> list[list[Param]]:
    """As ``virDomainGetCPUStats``: the total (``start_cpu`` -1), or a list a processor."""
    if start_cpu == -1:
        used = cpu_time(view)
        values = (("cpu_time", used.total), ("user_time", used.user), ("system_time", used.system))
        return [[Param(name, ParamType.ULLONG, value) for name, value in values]]
    group, v1 = group_of(view, "cpuacct")
    text = groups.read(group, "cpuacct.usage_percpu") if v1 else None
    if text is None:
        raise VirtlxcError(
            "this function is not supported: cgroup v2 does not count the time of single"
            f" processors (ask for the total: virtlxc cpu-stats {view.name} --total)",
            Code.NO_SUPPORT,
        )
    times = [int(word) for word in text.split()]
    if start_cpu >= len(times):
        raise refusals.bad_argument(f"start_cpu {start_cpu} larger than maximum of {len(times)}")
    if ncpus == 0:
        return [[] for _ in times]
    chosen = times[start_cpu : start_cpu + ncpus]
    return [[Param("cpu_time", ParamType.ULLONG, used)] for used in chosen]


def memory_used(view: View) -> int:
    """KiB; 0 when it is not counted."""
    group, v1 = group_of(view, "memory")
    used = groups.read_number(group, "memory.usage_in_bytes" if v1 else "memory.current")
    return (used or 0) // 1024


def memory_limit(view: View) -> int | None:
    """KiB, as the kernel holds it; None when it holds none, or is not asked to count memory."""
    group, v1 = group_of(view, "memory")
    size = groups.read_number(group, "memory.limit_in_bytes" if v1 else "memory.max")
    return None if size is None or size // 1024 >= _UNLIMITED_V1_KIB else size // 1024


def memory_stats(view: View) -> list[tuple[int, int]]:
    """What libvirt's driver has (actual, rss, swap in) and what else the kernel counts."""
    assert view.live is not None
    group, v1 = group_of(view, "memory")
    stat = groups.read_table(group, "memory.stat")
    prefix = "total_" if v1 else ""
    limit = memory_limit(view) or view.live.memory
    used = memory_used(view)
    file = stat.get("total_cache" if v1 else "file", 0) // 1024
    page = mmap.PAGESIZE // 1024
    always = {
        MemoryStat.ACTUAL_BALLOON: view.live.current_memory or view.live.memory,
        MemoryStat.LAST_UPDATE: int(time.time()),
    }
    counted = {
        MemoryStat.SWAP_IN: stat.get(f"{prefix}pswpin", 0) * page,
        MemoryStat.SWAP_OUT: stat.get(f"{prefix}pswpout", 0) * page,
        MemoryStat.MAJOR_FAULT: stat.get(f"{prefix}pgmajfault", 0),
        MemoryStat.MINOR_FAULT: stat.get(f"{prefix}pgfault", 0),
        MemoryStat.UNUSED: max(limit - used, 0),
        MemoryStat.AVAILABLE: limit,
        MemoryStat.RSS: stat.get("total_rss" if v1 else "anon", 0) // 1024,
        MemoryStat.USABLE: max(limit - used + file, 0),
        MemoryStat.DISK_CACHES: file,
    }
    return sorted((always | counted if stat else always).items())


def interface_stats(view: View, device: str) -> InterfaceStats:
    """``device``: the name of the host's end, or the MAC; a macvlan has its name inside."""
    assert view.run is not None and view.live is not None
    for (host, guest), card in zip(view.run.links, view.live.interfaces, strict=False):
        if device in (host or guest, card.mac) or device.lower() == card.mac:
            found = _counters().get(host) if host else _inside(view).get(guest)
            if found is not None:
                return found
    raise refusals.bad_argument(f"invalid path, '{device}' is not a known interface")


def _counters() -> dict[str, InterfaceStats]:
    """Every link of our network namespace by name; the guest's view, so sides are swapped."""
    return {
        name: InterfaceStats(*words[8:12], *words[0:4])
        for name, words in _table("/proc/thread-self/net/dev")
    }


def _inside(view: View) -> dict[str, InterfaceStats]:
    """Every link of the container's own namespace by name."""
    assert view.run is not None
    return {
        name: InterfaceStats(*words[0:4], *words[8:12])
        for name, words in _table(f"/proc/{view.run.init.pid}/net/dev")
    }


def _table(path: str) -> list[tuple[str, list[int]]]:
    try:
        # A guest names its links.
        with open(path, errors="replace", newline="\n") as file:
            rows = [line.partition(":") for line in file.readlines()[2:]]
    except OSError:
        return []  # the container has just ended
    return [(name.strip(), [int(word) for word in rest.split()]) for name, _, rest in rows]


def all_interface_stats(view: View) -> Sequence[tuple[str, InterfaceStats]]:
    """(host's end, counters) in the order of the definition; those that are there.

    A macvlan has no end on the host: its name inside stands for it.
    """
    if view.run is None:
        return []
    outside = _counters()
    inside = _inside(view) if any(not host for host, _ in view.run.links) else {}
    found = [
        (host or guest, outside.get(host) if host else inside.get(guest))
        for host, guest in view.run.links
    ]
    return [(name, counters) for name, counters in found if counters is not None]
