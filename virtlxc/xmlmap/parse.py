"""From an element to the object that its table describes."""

from __future__ import annotations

from typing import Any

from lxml import etree

from virtlxc.xmlmap import raw
from virtlxc.xmlmap.kept import Kept
from virtlxc.xmlmap.reader import error, line_of
from virtlxc.xmlmap.rows import REFUSED, Const, Keep, Node, Repeat, Table, Value
from virtlxc.xmlmap.suggest import suggestion


def parse(table: Table, element: etree._Element) -> Any:
    """The object in ``element``.

    Raises VirtlxcError (XML_ERROR) with line, path, value and what is allowed, for a value that
    does not convert and for a required one that is missing.
    """
    values: dict[str, Any] = {}
    kept: list[Kept] = []
    if table.tag_field is not None:
        values[table.tag_field] = etree.QName(element).localname
    _walk(table, table.node, element, values, kept)
    if kept:
        if not table.keeps:
            raise _unknown(table, element, kept[0])
        # By path, so that what is read again after it was written is the same value.
        values["kept"] = tuple(sorted(kept, key=lambda item: item.path))
    if table.make is not None:
        _require(table, element, values)
        return table.make(values)
    try:
        return table.cls(**values)
    except TypeError:
        _require(table, element, values)
        raise


def where(element: etree._Element, attribute: str | None = None) -> str:
    """Line and path of an element or attribute, for messages: ``line 3, /domain/os/init``."""
    path = element.getroottree().getpath(element)
    at = f"/@{attribute}" if attribute else ""
    return f"line {line_of(element)}, {path}{at}"


def _walk(
    table: Table,
    node: Node,
    element: etree._Element,
    values: dict[str, Any],
    kept: list[Kept],
) -> None:
    for name, text in element.attrib.items():
        _attribute(table, node, element, str(name), str(text), values, kept)
    if node.text is not None:
        row = node.text
        if row.field not in values:
            values[row.field] = _convert(row, element, None, element.text or "")
    met: set[str] = set()
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            raise error(f"line {line_of(child)}: entities are not read", line_of(child))
        below = node.children.get(tag) or node.any
        if below is None:
            kept.append(_keep(node, child, False))
        elif below.ignored:
            continue
        elif tag in met and _single(below, child):
            if not _only_live(below):
                kept.append(_keep(node, child, False))
        else:
            met.add(tag)
            _child(table, node, below, child, values, kept)


def _only_live(node: Node) -> bool:
    """Whether all that the element says is read over."""
    rows = [row for rows in node.attributes.values() for row in rows]
    return bool(rows) and all(isinstance(row, Value) and row.live for row in rows)


def _single(node: Node, element: etree._Element) -> bool:
    """Whether a second element like this would say the same things again.

    Those that only hold others, such as ``<devices>``, may be there twice, as in libvirt.
    """
    if node.repeat is not None or node.keep is not None:
        return False
    return bool(node.attributes or node.text or element.attrib)


def _child(
    table: Table,
    node: Node,
    below: Node,
    child: etree._Element,
    values: dict[str, Any],
    kept: list[Kept],
) -> None:
    """One child element, by the kind of row that its node has."""
    if below.repeat is not None:
        row = below.repeat
        if row.tags and etree.QName(child).localname not in row.tags:
            raise _bad_tag(row, child)
        item = parse(row.table, child) if row.table else _convert(row, child, None, child.text)
        values[row.field] = (*values.get(row.field, ()), item)
    elif below.object is not None:
        if below.object.field in values:
            kept.append(_keep(node, child, below.object.treatment == REFUSED))
        else:
            values[below.object.field] = parse(below.object.table, child)
    elif below.keep is not None:
        if not below.keep.verbatim:
            kept.append(_keep(node, child, protects(below.keep, child)))
    elif below.text is not None and not _free(table, below.text, values):
        kept.append(_keep(node, child, False))
    else:
        if below.flag is not None:
            values[below.flag.field] = True
        _walk(table, below, child, values, kept)


def _free(table: Table, row: Value, values: dict[str, Any]) -> bool:
    """Whether the row's field is still to be read, and the row is for this kind of object."""
    if row.field in values:
        return False
    return row.when is None or _chosen(table, row.when[0], values) in row.when[1]


def _chosen(table: Table, field: str, values: dict[str, Any]) -> Any:
    return values[field] if field in values else table.defaults.get(field)


def protects(row: Keep, element: etree._Element) -> bool:
    return row.treatment == REFUSED and (row.protects is None or row.protects(element))


def _attribute(
    table: Table,
    node: Node,
    element: etree._Element,
    name: str,
    text: str,
    values: dict[str, Any],
    kept: list[Kept],
) -> None:
    if name in node.read_elsewhere:
        return
    for row in node.attributes.get(name, ()):
        if isinstance(row, Const):
            if text != row.value:
                raise _bad(element, name, text, row.value, ())
            return
        if row.live:
            return
        if _free(table, row, values):
            values[row.field] = _convert(row, element, name, text)
            return
    at = f"{node.path}/@{name}".lstrip("/")
    known = node.kept_attributes.get(name)
    guarded = known is not None and protects(known, element)
    kept.append(Kept(path=at, xml=text, protects=guarded))


def _convert(
    row: Value | Repeat, element: etree._Element, attribute: str | None, text: str | None
) -> Any:
    text = text or ""
    value = text
    if isinstance(row, Value) and row.unit is not None:
        unit = element.get(row.unit)
        # A unit inside the number itself ("5MB") would otherwise pass when none is beside it.
        value = f"{text} {unit}" if unit is not None else text
        if unit is None and text.strip() and not text.strip().replace(".", "").isdigit():
            raise _bad(element, attribute, text, row.type.allowed, ())
    try:
        return row.type.parse(value)
    except ValueError:
        raise _bad(element, attribute, value, row.type.allowed, row.type.choices) from None


def _bad(
    element: etree._Element,
    attribute: str | None,
    text: str,
    allowed: str,
    choices: tuple[str, ...],
) -> Exception:
    shown = text if len(text) <= 80 else text[:77] + "..."
    near = suggestion(text, choices)
    meant = f"; did you mean '{near}'?" if near else ""
    return error(
        f"{where(element, attribute)}: '{shown}' is not allowed (allowed: {allowed}){meant}",
        line_of(element),
    )


def _bad_tag(row: Repeat, child: etree._Element) -> Exception:
    name = etree.QName(child).localname
    near = suggestion(name, row.tags)
    meant = f"; did you mean <{near}>?" if near else ""
    return error(
        f"{where(child)}: there is no <{name}> here (allowed: {', '.join(row.tags)}){meant}",
        line_of(child),
    )


def _unknown(table: Table, element: etree._Element, kept: Kept) -> Exception:
    known = sorted(
        row.path
        for row in table.rows
        if row.path.rpartition("/")[0] == kept.path.rpartition("/")[0]
    )
    return error(
        f"{where(element)}: {kept.path} is not known here (allowed: {', '.join(known)})",
        line_of(element),
    )


def _require(table: Table, element: etree._Element, values: dict[str, Any]) -> None:
    """Names the first row without a default that the element does not have."""
    for row in table.rows:
        if not isinstance(row, Value) or row.field in values or row.field in table.defaults:
            continue
        if row.live or (row.when and _chosen(table, row.when[0], values) not in row.when[1]):
            continue
        raise error(f"{where(element)}: {_shown(row.path)} is missing", line_of(element))


def _shown(path: str) -> str:
    steps, _, attribute = path.rpartition("@")
    steps = steps.strip("/")
    element = f"<{steps.replace('/', '><')}>" if steps else ""
    if attribute and path != attribute:
        return f"attribute '{attribute}'" + (f" of {element}" if element else "")
    return "its text" if path == "." else f"<{path.replace('/', '><')}>"


def _keep(node: Node, child: etree._Element, guarded: bool) -> Kept:
    name = raw.shown(child)
    return Kept(path=f"{node.path}/{name}".lstrip("/"), xml=raw.canonical(child), protects=guarded)
