"""``<metadata>``: others' words, byte for byte, and our own element among them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from xml.parsers import expat

from lxml import etree

from virtlxc import xmlmap
from virtlxc.model.container import CONTAINER, URI, Container

_OWN = f"{{{URI}}}container"
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class _Span:
    """Byte offsets of the content of ``<metadata>`` and of the elements directly in it."""

    start: int
    end: int
    children: tuple[tuple[int, int], ...]


def split(source: str | bytes, element: etree._Element | None) -> tuple[str | None, Container]:
    """What stands in ``<metadata>`` without our own element, and that element.

    ``source`` is the whole document that ``element`` was parsed from; the foreign text is cut out
    of it, because a parsed tree no longer knows quotes, blanks and comments.
    """
    if element is None:
        return None, Container()
    own = [at for at, child in enumerate(element) if child.tag == _OWN]
    container = Container()
    if own:
        container = xmlmap.parse(CONTAINER, element[own[0]])
    if len(own) > 1:
        second = xmlmap.where(element[own[1]])
        raise xmlmap.error(f"{second}: a second <virtlxc:container>; there can be one")
    foreign = _foreign(source, element, own)
    if own:
        foreign = foreign.rstrip(_BLANKS)
    return (foreign if foreign.strip() else None), container


def join(foreign: str | None, container: Container, indent: str = "  ") -> str | None:
    """The ``<metadata>`` element, without its own indentation; None when it would be empty."""
    if container == Container():
        return None if foreign is None else f"<metadata>{foreign}</metadata>"
    own = xmlmap.format(CONTAINER, container, indent=indent + "  ")
    return f"<metadata>{(foreign or '').rstrip(_BLANKS)}\n{own}{indent}</metadata>"


def _foreign(source: str | bytes, element: etree._Element, own: list[int]) -> str:
    try:
        data = _utf8(source, element)
    except (LookupError, UnicodeError):
        # An encoding that libxml2 knows and Python does not: blanks and quotes are lost.
        return _with_namespaces(element, own)
    span = _find(data)
    parts: list[bytes] = []
    at = span.start
    for number in own:
        start, end = span.children[number]
        parts.append(data[at:start].rstrip(_BLANKS.encode()))
        at = end
    parts.append(data[at : span.end])
    text = b"".join(parts).decode()
    return text if _stands_alone(text, element) else _with_namespaces(element, own)


def _utf8(source: str | bytes, element: etree._Element) -> bytes:
    if isinstance(source, str):
        return source.encode()
    if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return source.decode("utf-16").encode()
    encoding = element.getroottree().docinfo.encoding or "utf-8"
    return source.decode(encoding).lstrip("\ufeff").encode()


def _find(data: bytes) -> _Span:
    """The first ``<metadata>`` below the root element."""
    parser = expat.ParserCreate("utf-8")
    depth = 0
    opened = child = 0
    spans: list[_Span] = []
    children: list[tuple[int, int]] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, opened, child
        depth += 1
        here = parser.CurrentByteIndex
        if depth == 2 and name == "metadata" and not spans:
            opened = _after_tag(data, here)
        elif depth == 3 and opened and not spans:
            child = here

    def end(name: str) -> None:
        nonlocal depth
        here = parser.CurrentByteIndex
        # An empty element has no end tag: expat then stands behind it, or at its start.
        if depth == 3 and opened and not spans:
            first = _after_tag(data, child)
            empty = data[first - 2 : first] == b"/>"
            children.append((child, first if empty else _after_tag(data, here)))
        elif depth == 2 and opened and not spans:
            empty = data[opened - 2 : opened] == b"/>"
            spans.append(_Span(opened, opened if empty else here, tuple(children)))
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.Parse(data, True)
    return spans[0]


def _after_tag(data: bytes, at: int) -> int:
    """The offset behind the tag that starts at ``at``; a '>' inside quotes does not end it."""
    quote = 0
    for offset in range(at, len(data)):
        byte = data[offset]
        if quote:
            if byte == quote:
                quote = 0
        elif byte in b"'\"":
            quote = byte
        elif byte == ord(">"):
            return offset + 1
    return len(data)


def _stands_alone(text: str, element: etree._Element) -> bool:
    """Whether the text means the same without the namespaces declared around it."""
    if not element.nsmap:
        return True
    if None in element.nsmap:
        return False
    try:
        etree.fromstring(f"<metadata>{text}</metadata>")
    except etree.XMLSyntaxError:
        return False
    return True


def _with_namespaces(element: etree._Element, own: list[int]) -> str:
    """The foreign elements, each with the declarations that it took from around it."""
    parts = [element.text or ""]
    for number, child in enumerate(element):
        if number in own:
            parts[-1] = parts[-1].rstrip(_BLANKS)
            parts.append(child.tail or "")
        else:
            parts.append(etree.tostring(child, encoding="unicode", with_tail=True))
    return "".join(parts)
