"""``<idmap>``: which ids of the host the container's ids are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtlxc.xmlmap import Kept, Repeat, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """``count`` ids: ``start`` is the first inside the container, ``target`` the first outside."""

    start: int
    target: int
    count: int
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdMap:
    """The ranges of users and of groups, each sorted by ``start``."""

    uids: tuple[IdRange, ...] = ()
    gids: tuple[IdRange, ...] = ()
    kept: tuple[Kept, ...] = ()


def _range(tag: str) -> Table:
    return Table(
        tag,
        IdRange,
        (
            Value(path="@start", field="start", type=types.UINT),
            Value(path="@target", field="target", type=types.UINT),
            Value(path="@count", field="count", type=types.UINT),
        ),
    )


def _make(values: dict[str, Any]) -> IdMap:
    for name in ("uids", "gids"):
        values[name] = tuple(sorted(values.get(name, ()), key=lambda item: item.start))
    return IdMap(**values)


IDMAP = Table(
    "idmap",
    IdMap,
    (
        Repeat(path="uid", field="uids", table=_range("uid")),
        Repeat(path="gid", field="gids", table=_range("gid")),
    ),
    make=_make,
)
