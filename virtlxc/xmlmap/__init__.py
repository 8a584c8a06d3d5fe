"""Field tables: one row a field, from which both reading and writing XML follow.

A document is described by a dataclass and a table::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Ip:
        address: str
        family: str = "ipv4"
        prefix: int | None = None
        kept: tuple[Kept, ...] = ()          # what the table does not know comes back from here

    IP = Table("ip", Ip, (
        Value(path="@address", field="address", type=types.IP),
        Value(path="@family", field="family", type=types.choice("ipv4", "ipv6"), always=True),
        Value(path="@prefix", field="prefix", type=types.integer(0, 128)),
    ))
    NETWORK = Table("network", Network, (
        Value(path="name", field="name"),
        Value(path="forward/@mode", field="mode"),        # elements between are made as needed
        Flag(path="forward/nat", field="nat"),             # True when the element is there
        Value(path="memory", field="memory", type=types.size("KiB"), unit="unit"),
        Repeat(path="ip", field="ips", table=IP),
        Object(path="dns", field="dns", table=DNS),
        Keep(path="portgroup", note="not acted on"),
    ))

    network = parse(NETWORK, read(text, "network"))  # VirtlxcError: line, path, allowed
    text = format(NETWORK, network)                   # in the order of the rows

A field without a default is compulsory. ``check_table`` finds mistakes in a table; a test runs it
on every one. The machinery knows nothing of domains.
"""

from __future__ import annotations

from virtlxc.xmlmap import types
from virtlxc.xmlmap.check import check_table, tables_of
from virtlxc.xmlmap.format import format
from virtlxc.xmlmap.kept import Kept
from virtlxc.xmlmap.parse import parse, where
from virtlxc.xmlmap.reader import MOST_BYTES, DocumentError, error, line_of, read
from virtlxc.xmlmap.rows import (
    ACTED,
    KEPT,
    REFUSED,
    Const,
    Flag,
    Ignore,
    Keep,
    Object,
    Repeat,
    Row,
    Table,
    Value,
)
from virtlxc.xmlmap.suggest import suggestion

__all__ = [
    "ACTED",
    "KEPT",
    "MOST_BYTES",
    "REFUSED",
    "Const",
    "DocumentError",
    "Flag",
    "Ignore",
    "Keep",
    "Kept",
    "Object",
    "Repeat",
    "Row",
    "Table",
    "Value",
    "check_table",
    "error",
    "format",
    "line_of",
    "parse",
    "read",
    "suggestion",
    "tables_of",
    "types",
    "where",
]
