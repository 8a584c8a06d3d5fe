"""Id maps: who owns what once a user namespace is between.

libvirt's ``<idmap>`` says which host ids stand behind the container's, and leaves it to the
administrator to have shifted the files. Here the owner of a source's top folder tells whether
that was done: then it is bound as it is, else through an idmapped mount.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

# Where ranges are taken from when nobody chose one: systemd's "container" block of ids, see
# systemd's UIDS-GIDS document. 64 Ki ids each, aligned, so that a range is one glance.
FIRST_FREE = 0x80000
LAST_FREE = 0x6FFFFFFF
RANGE = 0x10000

MAX_LINES = 340  # of /proc/PID/uid_map, user_namespaces(7)
MAX_ID = 0xFFFFFFFE


class Range(NamedTuple):
    """``size`` ids: ``start`` counted inside the container, ``target`` on the host."""

    start: int
    target: int
    size: int

    def holds_inside(self, number: int) -> bool:
        return self.start <= number < self.start + self.size

    def holds_outside(self, number: int) -> bool:
        return self.target <= number < self.target + self.size


def to_host(ranges: Iterable[Range], inside: int) -> int | None:
    """The host's id behind an id of the container, None when it has none."""
    for line in ranges:
        if line.holds_inside(inside):
            return line.target + inside - line.start
    return None


def to_inside(ranges: Iterable[Range], outside: int) -> int | None:
    """The container's id for an id of the host, None when it has none."""
    for line in ranges:
        if line.holds_outside(outside):
            return line.start + outside - line.target
    return None


def holds(blocks: Iterable[tuple[int, int]], first: int, count: int = 1) -> bool:
    """Whether one of the (first, count) blocks has all of these ids."""
    return any(start <= first and first + count <= start + size for start, size in blocks)


def beyond(ranges: Iterable[Range], blocks: Iterable[tuple[int, int]]) -> tuple[Range, ...]:
    """The lines that want ids of the host which it does not have itself."""
    own = tuple(blocks)
    return tuple(line for line in ranges if not holds(own, line.target, line.size))


def describe_blocks(blocks: Iterable[tuple[int, int]]) -> str:
    """``0-65535``: one part a block."""
    return ", ".join(f"{first}-{first + count - 1}" for first, count in blocks)


def reaches_root(ranges: Iterable[Range]) -> bool:
    """Whether an id of the container is the host's root."""
    return to_inside(ranges, 0) is not None


def shift_for(ranges: Iterable[Range], owner: int) -> str:
    """How a source owned by host id ``owner`` enters the container.

    ``bind`` when its ids are already those of the target range, ``mount`` when they are the
    guest's own and an idmapped mount has to translate them, ``foreign`` when they are neither.
    """
    lines = tuple(ranges)
    if any(line.holds_outside(owner) for line in lines):
        return "bind"
    if any(line.holds_inside(owner) for line in lines):
        return "mount"
    return "foreign"


def problems(kind: str, ranges: Iterable[Range]) -> tuple[str, ...]:
    """What the kernel would refuse in a map, or what no guest can live with, as sentences.

    ``kind`` is ``uid`` or ``gid``.
    """
    lines = sorted(ranges)
    found: list[str] = []
    if not any(line.holds_inside(0) for line in lines):
        found.append(f"the {kind} map has no entry for id 0 of the container")
    if len(lines) > MAX_LINES:
        found.append(f"the {kind} map has {len(lines)} entries, the kernel takes {MAX_LINES}")
    for line in lines:
        if line.size < 1 or max(line.start, line.target) + line.size - 1 > MAX_ID:
            found.append(f"the {kind} map entry {describe((line,))} leaves the range of ids")
    by_start = lines
    by_target = sorted(lines, key=lambda line: line.target)
    for before, after in pairwise(by_start):
        if before.start + before.size > after.start:
            found.append(f"the {kind} map's entries overlap inside: {describe((before, after))}")
    for before, after in pairwise(by_target):
        if before.target + before.size > after.target:
            both = describe((before, after))
            found.append(f"the {kind} map's entries overlap on the host: {both}")
    return tuple(found)


def describe(ranges: Iterable[Range]) -> str:
    """``0-65535 -> 524288-589823``: inside and host, one part an entry."""
    return ", ".join(
        f"{line.start}-{line.start + line.size - 1} -> {line.target}-{line.target + line.size - 1}"
        for line in ranges
    )


def free_range(
    taken: Iterable[tuple[int, int]],
    *,
    count: int = RANGE,
    within: tuple[int, int] = (FIRST_FREE, LAST_FREE - FIRST_FREE + 1),
) -> int | None:
    """The first host id of a free aligned range of ``count`` ids, None when there is none.

    ``taken`` are (first id, count) pairs: the targets of all definitions, and what
    :func:`read_sub_ids` finds. ``within``: the block of ids to take it from.
    """
    begin, length = within
    candidate = _aligned(begin)
    for first, size in sorted(taken):
        if first + size <= candidate or size < 1:
            continue
        if first >= candidate + count:
            break
        candidate = _aligned(first + size)
    return candidate if candidate + count <= begin + length else None


def _aligned(number: int) -> int:
    return (number + RANGE - 1) // RANGE * RANGE


def to_give(blocks: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The parts of a host's own ids that guests may be given.

    Of a host with all ids, what nobody else takes; a container that is a host of others has its own
    users in the first range, and the rest is free.
    """
    found = []
    for first, count in blocks:
        start, end = max(first, RANGE), first + count
        if end > LAST_FREE:
            start, end = max(start, FIRST_FREE), LAST_FREE + 1
        if start < end:
            found.append((start, end - start))
    return tuple(found)


def read_sub_ids(text: str) -> tuple[tuple[int, int], ...]:
    """The (first id, count) pairs in the text of ``/etc/subuid`` or ``/etc/subgid``."""
    found = []
    for line in text.splitlines():
        fields = line.split("#", 1)[0].strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            found.append((int(fields[1]), int(fields[2])))
    return tuple(found)
