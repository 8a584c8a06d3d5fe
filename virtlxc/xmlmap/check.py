"""Mistakes in tables, found by a test and not by a user."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from virtlxc.xmlmap.rows import TREATMENTS, Flag, Node, Object, Repeat, Table, Value


def tables_of(table: Table) -> Iterator[Table]:
    """The table and those that it reaches, each once."""
    seen: set[int] = set()
    todo = [table]
    while todo:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        for row in current.rows:
            if isinstance(row, Object | Repeat) and row.table is not None:
                todo.append(row.table)


def check_table(table: Table) -> list[str]:
    """What is wrong with one table, in sentences; empty when nothing is."""
    problems = [
        f"<{table.tag}> {row.path}: unknown treatment {row.treatment!r}"
        for row in table.rows
        if row.treatment not in TREATMENTS
    ]
    paths = [row.path for row in table.rows if not isinstance(row, Value) or row.when is None]
    problems += [
        f"<{table.tag}> {path}: two rows" for path in sorted(set(paths)) if paths.count(path) > 1
    ]
    if dataclasses.is_dataclass(table.cls):
        problems += _fields(table)
    problems += [f"<{table.tag}> {node.path}: {text}" for node, text in _nodes(table.node)]
    return problems


def _fields(table: Table) -> Iterator[str]:
    names = {item.name for item in dataclasses.fields(table.cls)}
    used = {row.field for row in table.rows if isinstance(row, Value | Flag | Object | Repeat)}
    if table.make is None and table.tag_field:
        used.add(table.tag_field)
    yield from (f"<{table.tag}>: no field {name!r}" for name in sorted(used - names))
    for row in table.rows:
        if isinstance(row, Value) and row.when is not None:
            other, values = row.when
            if other not in names or not values:
                yield f"<{table.tag}> {row.path}: depends on an unknown field {other!r}"
        if isinstance(row, Value) and (row.unit is None) != (row.type.unit is None):
            yield f"<{table.tag}> {row.path}: a size needs the name of its unit's attribute"


def _nodes(node: Node) -> Iterator[tuple[Node, str]]:
    kinds = [node.repeat, node.object, node.keep, node.ignored or None]
    if sum(kind is not None for kind in kinds) > 1:
        yield node, "is a table of its own more than once"
    if any(kinds) and (node.children or node.attributes or node.text or node.flag):
        yield node, "is a table of its own and has fields beside it"
    if node.text is not None and node.children:
        yield node, "has a text and child elements"
    for below in node.below:
        yield from _nodes(below)
