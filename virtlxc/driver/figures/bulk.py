"""The bulk statistics: one call for many domains, as exporters want it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from virtlxc.driver import refusals
from virtlxc.driver.constants import MemoryStat, ParamType, StatsGroup
from virtlxc.driver.core import Core
from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures import blocks, stats
from virtlxc.driver.ref import Param, Ref

_NOWAIT, _BACKING, _ENFORCE = 1 << 29, 1 << 30, 1 << 31
_FILTERS = 0xFF
_KNOWN = _FILTERS | _NOWAIT | _BACKING | _ENFORCE


def all_stats(
    core: Core, refs: Sequence[Ref], wanted: int, flags: int
) -> list[tuple[Ref, list[Param]]]:
    """``virConnectGetAllDomainStats``; ``wanted`` 0 is every group that containers have.

    A domain that ends while it is being asked has the parameters of a stopped one.
    """
    refusals.check_flags("lxcConnectGetAllDomainStats", flags, _KNOWN)
    known = sum(group for group, _ in _GROUPS)
    chosen = wanted & known if wanted else known
    views = [core.view(ref) for ref in refs] if refs else core.registry.matching(flags & _FILTERS)
    return [(view.ref, _of(core, view, chosen)) for view in views]


def _of(core: Core, view: View, wanted: int) -> list[Param]:
    params: list[Param] = []
    for group, collect in _GROUPS:
        if wanted & group:
            params += collect(core, view)
    return params


def _state(core: Core, view: View) -> list[Param]:
    return [
        Param("state.state", ParamType.INT, view.state),
        Param("state.reason", ParamType.INT, view.reason),
    ]


def _cpu(core: Core, view: View) -> list[Param]:
    if not view.active:
        return []
    used = stats.cpu_time(view)
    return [
        Param("cpu.time", ParamType.ULLONG, used.total),
        Param("cpu.user", ParamType.ULLONG, used.user),
        Param("cpu.system", ParamType.ULLONG, used.system),
    ]


def _balloon(core: Core, view: View) -> list[Param]:
    definition = view.current
    found = [
        Param("balloon.current", ParamType.ULLONG, definition.current_memory or definition.memory),
        Param("balloon.maximum", ParamType.ULLONG, definition.memory),
    ]
    if view.active:
        for tag, value in stats.memory_stats(view):
            if tag in _BALLOON_NAMES:
                found.append(Param(f"balloon.{_BALLOON_NAMES[tag]}", ParamType.ULLONG, value))
    return found


_BALLOON_NAMES = {
    MemoryStat.SWAP_IN: "swap_in",
    MemoryStat.SWAP_OUT: "swap_out",
    MemoryStat.MAJOR_FAULT: "major_fault",
    MemoryStat.MINOR_FAULT: "minor_fault",
    MemoryStat.UNUSED: "unused",
    MemoryStat.AVAILABLE: "available",
    MemoryStat.RSS: "rss",
    MemoryStat.USABLE: "usable",
    MemoryStat.LAST_UPDATE: "last-update",
    MemoryStat.DISK_CACHES: "disk_caches",
}


def _vcpu(core: Core, view: View) -> list[Param]:
    count = view.current.vcpus
    return [
        Param("vcpu.current", ParamType.UINT, view.current.vcpus_current or count),
        Param("vcpu.maximum", ParamType.UINT, count),
    ]


def _interfaces(core: Core, view: View) -> list[Param]:
    links = stats.all_interface_stats(view)
    if not links:
        return []
    found = [Param("net.count", ParamType.UINT, len(links))]
    for index, (name, counters) in enumerate(links):
        found.append(Param(f"net.{index}.name", ParamType.STRING, name))
        for field, value in zip(_NET_FIELDS, counters, strict=True):
            found.append(Param(f"net.{index}.{field}", ParamType.ULLONG, value))
    return found


_NET_FIELDS = (
    "rx.bytes",
    "rx.pkts",
    "rx.errs",
    "rx.drop",
    "tx.bytes",
    "tx.pkts",
    "tx.errs",
    "tx.drop",
)


def _block(core: Core, view: View) -> list[Param]:
    if not view.active:
        return []
    # The whole container first, under the name that asks for it, then each of its disks.
    rows = [("", blocks.total(view))]
    rows += [(disk.target, found) for disk, found in blocks.each(core, view)]
    params = [Param("block.count", ParamType.UINT, len(rows))]
    for index, (name, found) in enumerate(rows):
        params.append(Param(f"block.{index}.name", ParamType.STRING, name))
        for field, value in zip(_BLOCK_FIELDS, found, strict=False):
            params.append(Param(f"block.{index}.{field}", ParamType.ULLONG, value))
    return params


_BLOCK_FIELDS = ("rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes")


_GROUPS: tuple[tuple[int, Callable[[Core, View], list[Param]]], ...] = (
    (StatsGroup.STATE, _state),
    (StatsGroup.CPU_TOTAL, _cpu),
    (StatsGroup.BALLOON, _balloon),
    (StatsGroup.VCPU, _vcpu),
    (StatsGroup.INTERFACE, _interfaces),
    (StatsGroup.BLOCK, _block),
)
