"""``<memtune>``: limits of memory and swap."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import KEPT, Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class MemTune:
    """All in KiB, ``None`` where the document sets no limit.

    ``swap_hard_limit`` is memory and swap together, as on cgroup v1.
    """

    hard_limit: int | None = None
    soft_limit: int | None = None
    min_guarantee: int | None = None
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
        Value(
            path="min_guarantee",
            field="min_guarantee",
            type=types.size("KiB"),
            unit="unit",
            treatment=KEPT,
            note="ignored by libvirt too; <virtlxc:memory> has low and min",
        ),
        _limit("swap_hard_limit"),
    ),
)
