"""XML that came from the daemon, for commands that look into it. Loaded only when needed."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from virtlxc.cli.failures import Failed


def parse(text: str) -> Element:
    """The root element; Failed when the text is no XML."""
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Failed(f"the daemon's XML cannot be read: {error}") from None


def attribute(element: Element, path: str) -> str | None:
    """The value of ``child/@name`` (or of ``@name``), None when there is none."""
    child, _, name = path.rpartition("@")
    found = element.find(child.rstrip("/")) if child else element
    return None if found is None else found.get(name)


def first(element: Element, *paths: str) -> str | None:
    """The first of several attributes that is there."""
    for path in paths:
        value = attribute(element, path)
        if value is not None:
            return value
    return None


def node_text(element: Element) -> str:
    """The element as libxml2 writes one: its own blanks, double quotes, ``<a/>`` when empty."""
    from xml.sax.saxutils import escape

    quoted = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
    head = element.tag + "".join(
        f' {name}="{escape(value, quoted)}"' for name, value in element.items()
    )
    inner = escape(element.text or "") + "".join(
        node_text(child) + escape(child.tail or "") for child in element
    )
    return f"<{head}>{inner}</{element.tag}>" if inner else f"<{head}/>"


def select(text: str, path: str, *, wrap: bool = False) -> str:
    """What an XPath expression selects, one node a line, or all in one element ``nodes``."""
    try:
        from lxml import etree
    except ImportError:
        raise Failed("--xpath needs the library lxml (pip install lxml)") from None
    root = etree.fromstring(text.encode(), etree.XMLParser(remove_blank_text=True))
    try:
        found = root.xpath(path)
    except etree.XPathError as error:
        raise Failed(f"the XPath expression '{path}' cannot be used: {error}") from None
    if not isinstance(found, list):
        raise Failed(f"the XPath expression '{path}' selects no nodes")
    nodes = [node for node in found if isinstance(node, etree._Element)]
    if wrap:
        parent = etree.Element("nodes")
        parent.extend(nodes)
        nodes = [parent]
    for node in nodes:
        node.tail = None
    return "".join(_pretty(node) for node in nodes) if nodes else _values(found)


def _pretty(node: object) -> str:
    from lxml import etree

    text: str = etree.tostring(node, pretty_print=True, encoding="unicode")  # type: ignore[call-overload]
    return text


def _values(found: Iterable[object]) -> str:
    return "".join(f"{value}\n" for value in found)
