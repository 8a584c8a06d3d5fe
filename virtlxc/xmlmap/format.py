"""From an object to XML in libvirt's layout: two blanks a level, single quotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from virtlxc.errors import Code, VirtlxcError
from virtlxc.markup import escape, quote
from virtlxc.xmlmap import raw
from virtlxc.xmlmap.kept import Kept
from virtlxc.xmlmap.rows import Const, Node, Table, Value

_XML_SPACE = "http://www.w3.org/XML/1998/namespace"


def format(
    table: Table,
    value: Any,
    *,
    indent: str = "",
    attributes: Iterable[tuple[str, str]] = (),
    verbatim: Mapping[str, str] | None = None,
) -> str:
    """The object as text that ends in a newline.

    ``attributes`` are added to the element's own. ``verbatim`` maps the path of a ``Keep`` row that
    is ``verbatim`` to the text of that element, without indentation and newline.
    """
    writer = _Writer(verbatim or {})
    lines: list[str] = []
    writer.object(table, value, indent, lines, tuple(attributes))
    text = "".join(lines)
    if bad := _forbidden(text):
        raise VirtlxcError(
            f"<{table.tag}>: the character {bad!r} cannot stand in XML", Code.XML_ERROR
        )
    return text


def _forbidden(text: str) -> str | None:
    """The first character that XML 1.0 does not allow."""
    if text.replace("\n", "").isprintable():
        return None
    for char in text:
        if (char < " " and char not in "\t\n\r") or "\ud800" <= char <= "\udfff":
            return char
        if char in "\ufffe\uffff":
            return char
    return None


class _Writer:
    """Collects lines, and the prefixes that the outermost element must declare."""

    def __init__(self, verbatim: Mapping[str, str]) -> None:
        self.verbatim = verbatim
        self.prefixes: dict[str, str] = {}
        self.started = False

    def object(
        self,
        table: Table,
        value: Any,
        indent: str,
        out: list[str],
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """One object; the outermost element also declares the prefixes that were used inside."""
        outermost = not self.started
        self.started = True
        values = table.take(value) if table.take else _Fields(value)
        shown = table.node.shown
        if table.tag_field is not None:
            shown = table.tag.replace("*", str(values[table.tag_field]))
        self._use(table, shown)
        kept: tuple[Kept, ...] = values["kept"] if table.keeps else ()
        head, body = self._parts(table, table.node, values, kept, indent)
        head += "".join(f" {name}={quote(text)}" for name, text in attributes)
        if outermost:
            for prefix, uri in sorted(self.prefixes.items()):
                head += f" xmlns:{prefix}={quote(uri)}"
        if table.paired and not body:
            out.append(f"{indent}<{shown}{head}>\n{indent}</{shown}>\n")
        else:
            out.append(_element(shown, head, body, indent))

    def _use(self, table: Table, shown: str) -> None:
        prefix, colon, _ = shown.partition(":")
        if colon:
            self.prefixes[prefix] = table.namespaces[prefix]

    def _parts(
        self,
        table: Table,
        node: Node,
        values: Mapping[str, Any],
        kept: tuple[Kept, ...],
        indent: str,
    ) -> tuple[str, list[str] | str]:
        """The attributes and the content: a text, or the lines of the children."""
        head = ""
        for name, rows in node.attributes.items():
            given = _attribute_text(table, rows, values)
            if given is not None:
                head += f" {name}={quote(given)}"
        if node.text is not None:
            row = node.text
            if _written(table, row, values):
                if row.unit is not None and row.type.unit is not None:
                    head = f" {row.unit}={quote(row.type.unit)}" + head
                text = escape(row.type.format(values[row.field]))
                within = [item.xml for item in _strangers(node, kept)]
                return head + _kept_attributes(node, kept), text + "".join(within)
        for row in node.units:
            if _written(table, row, values):
                head += f" {row.unit}={quote(row.type.unit or '')}"
        lines: list[str] = []
        inner = indent + "  "
        if not kept:
            for below in node.writing:
                self._below(table, below, values, kept, inner, lines)
            return head, lines
        head += _kept_attributes(node, kept)
        for below in node.below:
            self._below(table, below, values, kept, inner, lines)
        for item in _strangers(node, kept):
            lines.extend(raw.laid_out(item.xml, inner))
        return head, lines

    def _below(
        self,
        table: Table,
        node: Node,
        values: Mapping[str, Any],
        kept: tuple[Kept, ...],
        indent: str,
        out: list[str],
    ) -> None:
        if node.repeat is not None:
            for item in values[node.repeat.field]:
                if node.repeat.table is not None:
                    self.object(node.repeat.table, item, indent, out)
                else:
                    text = escape(node.repeat.type.format(item))
                    out.append(_element(node.shown, "", text, indent))
        elif node.object is not None:
            value = values[node.object.field]
            default = table.defaults.get(node.object.field)
            if value is not None and (node.object.always or default is None or value != default):
                self.object(node.object.table, value, indent, out)
        elif node.keep is not None:
            if node.path in self.verbatim:
                out.append(f"{indent}{self.verbatim[node.path]}\n")
        else:
            head, body = self._parts(table, node, values, kept, indent)
            present = node.flag is not None and values[node.flag.field]
            has_text = node.text is not None and _written(table, node.text, values)
            if head or body or present or has_text:
                self._use(table, node.shown)
                out.append(_element(node.shown, head, body, indent))
        for item in kept:
            if item.path == node.path:
                out.extend(raw.laid_out(item.xml, indent))


class _Fields(Mapping[str, Any]):
    """The fields of a dataclass, by name."""

    __slots__ = ("_of",)

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getitem__(self, name: str) -> Any:
        return getattr(self._of, name)

    def __iter__(self) -> Iterator[str]:
        return iter(type(self._of).__slots__)

    def __len__(self) -> int:
        return len(type(self._of).__slots__)


def _element(name: str, head: str, body: list[str] | str, indent: str) -> str:
    if not body:
        return f"{indent}<{name}{head}/>\n"
    if isinstance(body, str):
        return f"{indent}<{name}{head}>{body}</{name}>\n"
    return f"{indent}<{name}{head}>\n{''.join(body)}{indent}</{name}>\n"


def _written(table: Table, row: Value, values: Any) -> bool:
    if row.when is not None and values[row.when[0]] not in row.when[1]:
        return False
    value = values[row.field]
    if value is None:
        return False
    if row.beside is not None and values[row.beside]:
        return True
    return row.always or row.field not in table.defaults or value != table.defaults[row.field]


def _attribute_text(table: Table, rows: list[Value | Const], values: Any) -> str | None:
    for row in rows:
        if isinstance(row, Const):
            return row.value
        if _written(table, row, values):
            return row.type.format(values[row.field])
    return None


def _strangers(node: Node, kept: tuple[Kept, ...]) -> Iterator[Kept]:
    """The kept elements directly in this one that no row gives a place to."""
    if not kept:
        return
    known = {below.path for below in node.below}
    for item in kept:
        parent = item.path.rpartition("/")[0]
        if "@" not in item.path and parent == node.path and item.path not in known:
            yield item


def _kept_attributes(node: Node, kept: tuple[Kept, ...]) -> str:
    prefix = f"{node.path}/@" if node.path else "@"
    out = ""
    for number, item in enumerate(kept):
        if not item.path.startswith(prefix):
            continue
        uri, _, name = item.path[len(prefix) :].rpartition("}")
        if uri == f"{{{_XML_SPACE}":
            name = f"xml:{name}"
        elif uri:
            out += f" xmlns:kept{number}={quote(uri[1:])}"
            name = f"kept{number}:{name}"
        out += f" {name}={quote(item.xml)}"
    return out
