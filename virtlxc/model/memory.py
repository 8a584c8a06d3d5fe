"""``<memtune>``: limits of memory and swap."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Keep, Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class MemTune:
    """All in KiB, ``None`` where the document sets no limit.

    ``swap_hard_limit`` is memory and swap together, as on cgroup v1.
    """

    hard_limit: int | None = None
    soft_limit: int | None = None
    swap_hard_limit: int | None = None
    kept: tuple[Kept, ...] = ()


def _limit(name: str) -> Value:
    return Value(path=name, field=name, type=types.size("KiB"), unit="unit")


MEMTUNE = Table(
    "memtune",
    MemTune,
    (
        _limit("hard_limit"),
        _limit("soft_limit"),
        Keep(path="min_guarantee", note="ignored by libvirt too: use <virtlxc:memory>"),
        _limit("swap_hard_limit"),
    ),
)
