"""``<memtune>``: limits of memory and swap."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MemTune:
    """All in KiB, ``None`` where the document sets no limit.

    ``swap_hard_limit`` is memory and swap together, as on cgroup v1.
    """

    hard_limit: int | None = None
    soft_limit: int | None = None
    swap_hard_limit: int | None = None
    kept: tuple[Kept, ...] = ()
