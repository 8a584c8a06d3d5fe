"""``<cputune>`` and ``<numatune>``: processor time, and the memory nodes to use."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


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
