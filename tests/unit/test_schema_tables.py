"""Field tables and schemas accept the same names and the same values."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from virtlxc.model.container import CONTAINER
from virtlxc.model.document import DOMAIN
from virtlxc.schema.grammar import ANY, Grammar, Pattern, grammar, matches, words
from virtlxc.xmlmap.rows import Node, Table, Value
from virtlxc.xmlmap.types import Type

Names = tuple[set[str], set[str]]

# Names that stand in the schema only, and why.
SCHEMA_ONLY = {
    "hostdev/source/address/@port": "libvirt accepts it; nothing is to be done about it",
    "interface/source/@dev": "of <interface type='ethernet'>, where libvirt's driver ignores it",
}


def inside(schema: Grammar, patterns: list[Pattern]) -> tuple[dict[str, list[Pattern]], ...]:
    """Attributes, child elements and texts that element patterns allow, choices united."""
    attributes: dict[str, list[Pattern]] = {}
    children: dict[str, list[Pattern]] = {}
    texts: dict[str, list[Pattern]] = {}
    todo = [kid for pattern in patterns for kid in pattern.kids]
    seen: set[str] = set()
    while todo:
        each = todo.pop()
        if each.kind == "ref":
            if each.name not in seen or each.name in ("ip", "route"):
                seen.add(each.name)
                todo.append(schema.target(each))
        elif each.kind == "attribute":
            attributes.setdefault(each.name, []).extend(each.kids)
        elif each.kind == "element":
            children.setdefault(each.name, []).append(each)
        elif each.kind in ("value", "data", "text"):
            texts.setdefault("", []).append(each)
        else:
            todo.extend(each.kids)
    return attributes, children, texts


def elements(schema: Grammar) -> dict[str, list[Pattern]]:
    found: dict[str, list[Pattern]] = {}
    for pattern in schema.elements():
        found.setdefault(pattern.name, []).append(pattern)
    return found


def compare(
    schema: Grammar, table: Table, node: Node, patterns: list[Pattern], path: str
) -> Iterator[str]:
    """What a table knows at one element and the schema does not, and the reverse."""
    attributes, children, _ = inside(schema, patterns)
    if ANY in children or ANY in attributes:
        return
    known = {*node.attributes, *node.kept_attributes, *node.read_elsewhere}
    for name in known ^ set(attributes):
        place = f"{path}/@{name}"
        if place.removeprefix("/") not in SCHEMA_ONLY:
            yield f"{place} is only in the {'table' if name in known else 'schema'}"
    tags: dict[str, Node | None] = {below.tag: below for below in node.children.values()}
    if node.any is not None and node.any.repeat is not None:
        space = next((f"{{{uri}}}" for uri in table.namespaces.values()), "")
        prefix = space if table.tag == "domain" and "namespace" in node.tag else ""
        tags.update({f"{prefix}{tag}": None for tag in node.any.repeat.tags})
    for name in set(tags) ^ set(children):
        yield f"{path}/<{name}> is only in the {'table' if name in tags else 'schema'}"
    for name in set(tags) & set(children):
        below = tags[name]
        if below is None or below.keep is not None or below.ignored:
            continue
        inner = f"{path}/{below.shown}"
        row = below.repeat or below.object
        if row is not None and row.table is not None:
            yield from compare(schema, row.table, row.table.node, children[name], row.table.tag)
        else:
            yield from compare(schema, table, below, children[name], inner)


def test_the_same_names() -> None:
    schema = grammar("domain")
    (root,) = elements(schema)["domain"]
    assert sorted(set(compare(schema, DOMAIN, DOMAIN.node, [root], "domain"))) == []


def test_the_same_names_in_our_own_element() -> None:
    schema = grammar("domain")
    (root,) = elements(schema)["{urn:virtlxc:domain:1}container"]
    assert sorted(set(compare(schema, CONTAINER, CONTAINER.node, [root], "container"))) == []


# Texts that a value of some type could have, right and wrong.
TRIED = (
    *(
        "",
        " ",
        "0",
        "1",
        "2",
        "-1",
        "10",
        "68",
        "100",
        "1000",
        "1024",
        "65535",
        "65536",
        "999999999",
    ),
    *("4294967295", "4294967296", "18446744073709551615", "18446744073709551616", "1.5", "0x1d6b"),
    *(
        "yes",
        "no",
        "on",
        "off",
        "maybe",
        "up",
        "down",
        "mount",
        "bind",
        "pty",
        "lxc",
        "file",
        "uid",
    ),
    *("/", "/data", "data", "a b", "10.0.0.1", "10.0.0.256", "fd00::1", "52:54:00:00:00:01"),
    *("52:54:00:00:00", "0-3", "0-3,^2", "x-y", "utc", "strict", "static", "ipv4", "ipv6", "exe"),
    *("0640", "640", "0999", "noexec,nosuid", "noexec,,x", "vcpu", "unlimited", "nofile", "name"),
    *("restart", "destroy", "preserve", "block", "usb", "net", "vepa", "bridge", "rtc", "default"),
)
# Where the two differ, and why.
DIFFER = {
    "cputune/shares": "out of range is an error of check(), as in libvirt's driver",
    "interface/mac/@address": "a multicast MAC is an error of check(), which names the interface",
    "vlan/@trunk": "trunk='no' says nothing, and is read and left out as in libvirt's driver",
    "os/init": "an empty one is an error of check()",
    "hostdev/source/vendor/@id": "the schema does not count to 65535",
    "hostdev/source/product/@id": "the schema does not count to 65535",
}


def parses(kind: Type, text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True


def values(
    schema: Grammar, table: Table, node: Node, patterns: list[Pattern], path: str
) -> Iterator[tuple[str, Value, list[Pattern]]]:
    """Every row with a value, with the patterns that the schema has for it."""
    attributes, children, texts = inside(schema, patterns)
    for name, rows in node.attributes.items():
        for row in rows:
            if isinstance(row, Value) and not row.live and name in attributes:
                yield f"{path}/@{name}", row, attributes[name]
    if node.text is not None and texts:
        yield path, node.text, texts[""]
    for name, below in node.children.items():
        whole = below.repeat or below.object
        inner = children.get(name, [])
        if whole is not None and whole.table is not None:
            yield from values(schema, whole.table, whole.table.node, inner, whole.table.tag)
        elif below.keep is None and inner:
            yield from values(schema, table, below, inner, f"{path}/{below.shown}")


@pytest.mark.parametrize(("table", "name"), [(DOMAIN, "domain"), (CONTAINER, "container")])
def test_the_same_values(table: Table, name: str) -> None:
    schema = grammar("domain")
    space = "" if name == "domain" else "{urn:virtlxc:domain:1}"
    patterns = elements(schema)[space + name]
    found = []
    rows = list(values(schema, table, table.node, patterns, name))
    assert len(rows) > (10 if name == "container" else 80)
    for path, row, allowed in rows:
        if row.unit is not None or path in DIFFER:
            continue
        spelt = [word for pattern in allowed for word in words(schema, pattern)]
        for text in (*TRIED, *spelt, *row.type.choices):
            by_schema = any(matches(schema, pattern, text) for pattern in allowed)
            if by_schema and not parses(row.type, text):
                found.append(f"{path}: {text!r} is only allowed by the schema")
            elif parses(row.type, text) and not by_schema and row.type.choices:
                found.append(f"{path}: {text!r} is only allowed by the table")
    assert sorted(set(found)) == []


def test_units() -> None:
    """The schema's pattern of units takes what the tables take."""
    from virtlxc.xmlmap.types import UNITS

    pattern = grammar("domain").defines["unit"]
    assert all(matches(grammar("domain"), pattern, unit) for unit in (*UNITS, "byte", "kb", "gib"))
    assert not any(matches(grammar("domain"), pattern, unit) for unit in ("", "kbit", "x", "KK"))


def test_the_grammar_reads_what_lxml_reads() -> None:
    """matches() is our own reading of data types: compare it with libxml2's."""
    schema = grammar("domain")
    for name in ("count", "smallCount", "positive", "mac", "ipv4", "ipv6", "cpuset", "fileMode"):
        source = next(
            define
            for path in ("basictypes", "filesystem")
            for define in etree.parse(f"virtlxc/schemas/{path}.rng").getroot()
            if define.get("name") == name
        )
        body = "".join(etree.tostring(child, encoding="unicode") for child in source)
        relaxng = etree.RelaxNG(
            etree.fromstring(
                "<element name='a' xmlns='http://relaxng.org/ns/structure/1.0' "
                "datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>"
                + body
                + "</element>"
            )
        )
        for text in TRIED:
            element = etree.Element("a")
            element.text = text
            expected = relaxng.validate(element)
            assert matches(schema, schema.defines[name], text) == expected, (name, text)
