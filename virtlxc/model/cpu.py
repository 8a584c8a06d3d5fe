"""``<cputune>`` and ``<numatune>``: processor time, and the memory nodes to use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, Keep, Kept, Table, Value, types

MOST_PROCESSORS = 100_000


def cpuset(text: str) -> str:
    """A list of processors or nodes in its shortest form; raises ValueError for what is none."""
    return _numbers(text)


def _numbers(text: str) -> str:
    """A set of numbers in its shortest form: '0,1-2,^2' is '0-1'."""
    chosen: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\^?)([0-9]+)(?:-([0-9]+))?", part, re.ASCII)
        if not match:
            raise ValueError(text)
        first, last = int(match[2]), int(match[3] or match[2])
        if last < first or last >= MOST_PROCESSORS:
            raise ValueError(text)
        numbers = range(first, last + 1)
        chosen = chosen.difference(numbers) if match[1] else chosen.union(numbers)
    if not chosen:
        raise ValueError(text)
    return ",".join(_runs(sorted(chosen)))


def _runs(numbers: list[int]) -> Iterator[str]:
    start = numbers[0]
    for here, after in zip(numbers, [*numbers[1:], None], strict=True):
        if after != here + 1:
            yield str(start) if start == here else f"{start}-{here}"
            start = after if after is not None else here


CPUSET = types.Type(allowed="numbers and ranges, such as 0-3,^2,7", parse=_numbers)


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
            treatment=KEPT,
            served=("strict", "restrictive"),
            note="the nodes are a limit in every mode",
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
