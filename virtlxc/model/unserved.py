"""What a domain asks for and does not get: named before the start, never dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtlxc.model.container import CONTAINER
from virtlxc.model.document import DOMAIN
from virtlxc.model.domain import Domain
from virtlxc.xmlmap import ACTED, REFUSED, Flag, Keep, Object, Repeat, Table, Value

_TWICE = "there is one before it, which counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """An element or attribute without effect.

    ``path`` from the document's root, ``name`` the element (what ``--ignore`` takes), ``protects``:
    a start is refused unless it is ignored; ``reason`` is a sentence, or '' for what nobody knows.
    """

    path: str
    name: str
    protects: bool
    reason: str

    def __str__(self) -> str:
        why = self.reason or "virtlxc does not know it"
        return f"{self.path} has no effect: {why}"


def unserved(domain: Domain) -> tuple[Unserved, ...]:
    """Everything in the domain that is not acted on, in the order of the document."""
    own = _object(CONTAINER, domain.container, "/domain/metadata/virtlxc:container")
    return (*own, *_object(DOMAIN, domain, "/domain"))


def _object(table: Table, value: Any, path: str) -> Iterator[Unserved]:
    if table.take is not None:
        return
    for field in _telling(table):
        found = getattr(value, field.field)
        if isinstance(field, Repeat):
            if found and field.table is not None:
                yield from _repeat(field, field.table, found, path)
        elif found is not None:
            yield from _field(table, field, found, path)
    if not (table.keeps and value.kept):
        return
    single = {row.path for row in table.rows if isinstance(row, Value | Object)}
    known = {row.path: row for row in table.rows if isinstance(row, Keep)}
    for kept in value.kept:
        row = known.get(kept.path)
        # What protects only with some values asks for nothing with the others.
        if kept.protects or row is None or row.treatment != REFUSED:
            reason = row.note if row else _TWICE if kept.path in single else ""
            yield _about(f"{path}/{kept.path}", kept.protects, reason)


_tellings: dict[int, tuple[Object | Repeat | Value | Flag, ...]] = {}


def _telling(table: Table) -> tuple[Object | Repeat | Value | Flag, ...]:
    """The rows that may have no effect, or something in them; most are acted on, whatever they say.
    """
    found = _tellings.get(id(table))
    if found is None:
        found = _tellings[id(table)] = tuple(
            row
            for row in table.rows
            if isinstance(row, Object | Repeat)
            or (isinstance(row, Value | Flag) and row.treatment != ACTED)
        )
    return found


def _repeat(row: Repeat, table: Table, items: tuple[Any, ...], path: str) -> Iterator[Unserved]:
    place, _, last = row.path.rpartition("/")
    counts: Counter[str] = Counter()
    for item in items:
        counts[last] += 1
        at = "/".join(filter(None, (path, place, last)))
        number = f"[{counts[last]}]" if len(items) > 1 else ""
        if row.treatment != ACTED:
            yield _about(f"{at}{number}", row.treatment == REFUSED, row.note)
        else:
            yield from _object(table, item, f"{at}{number}")


def _field(table: Table, row: Object | Value | Flag, value: Any, path: str) -> Iterator[Unserved]:
    default = table.defaults.get(row.field)
    if value is None or (value == default and row.field in table.defaults):
        return
    if row.treatment != ACTED and not (isinstance(row, Value) and value in row.served):
        yield _about(f"{path}/{row.path}", row.treatment == REFUSED, row.note)
    elif isinstance(row, Object):
        yield from _object(row.table, value, f"{path}/{row.path}")


def _about(path: str, protects: bool, reason: str) -> Unserved:
    element = path.partition("/@")[0].rpartition("/")[2]
    name = element.partition("[")[0].rpartition(":")[2]
    return Unserved(path=path, name=name, protects=protects, reason=reason)
