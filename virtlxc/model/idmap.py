"""``<idmap>``: which ids of the host the container's ids are."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


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
