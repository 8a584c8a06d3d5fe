"""``<cputune>`` and ``<numatune>``: processor time, and the memory nodes to use."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, Keep, Kept, Table, Value, types

CPUSET = types.matching(
    r"\s*\^?[0-9]+(-[0-9]+)?(\s*,\s*\^?[0-9]+(-[0-9]+)?)*\s*",
    "numbers and ranges, such as 0-3,^2,7",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTune:
    """``shares`` as on cgroup v1 (2..262144, 1024 is normal); ``period`` and ``quota`` in
    microseconds, a negative ``quota`` is no limit."""

    shares: int | None = None
    period: int | None = None
    quota: int | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaTune:
    """``nodeset`` like '0-1,3'; ``mode`` 'strict', 'preferred', 'interleave' or 'restrictive'."""

    mode: str | None = None
    nodeset: str | None = None
    placement: str | None = None
    kept: tuple[Kept, ...] = ()


_CFS = types.integer(0, 1_000_000)
_VIRTUAL = "a container has no virtual processors or I/O threads of its own"
_NO_CACHE = "resource control of caches is not set up"

CPUTUNE = Table(
    "cputune",
    CpuTune,
    (
        Value(path="shares", field="shares", type=types.ULONG),
        Value(path="period", field="period", type=_CFS),
        Value(path="quota", field="quota", type=types.LONG),
        Keep(path="global_period", note=_VIRTUAL),
        Keep(path="global_quota", note=_VIRTUAL),
        Keep(path="emulator_period", note=_VIRTUAL),
        Keep(path="emulator_quota", note=_VIRTUAL),
        Keep(path="iothread_period", note=_VIRTUAL),
        Keep(path="iothread_quota", note=_VIRTUAL),
        Keep(path="vcpupin", note="ignored by libvirt too: use <vcpu cpuset=...>"),
        Keep(path="emulatorpin", note=_VIRTUAL),
        Keep(path="iothreadpin", note=_VIRTUAL),
        Keep(path="vcpusched", note=_VIRTUAL),
        Keep(path="iothreadsched", note=_VIRTUAL),
        Keep(path="emulatorsched", note=_VIRTUAL),
        Keep(path="cachetune", note=_NO_CACHE),
        Keep(path="memorytune", note=_NO_CACHE),
    ),
)

NUMATUNE = Table(
    "numatune",
    NumaTune,
    (
        Value(
            path="memory/@mode",
            field="mode",
            type=types.choice("strict", "preferred", "interleave", "restrictive"),
        ),
        Value(path="memory/@nodeset", field="nodeset", type=CPUSET),
        Value(
            path="memory/@placement",
            field="placement",
            type=types.choice("static", "auto"),
            treatment=KEPT,
            note="nodes are not chosen automatically",
        ),
        Keep(path="memnode", note="a container has no memory cells of its own"),
    ),
)
