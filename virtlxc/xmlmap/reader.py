"""Reading untrusted XML: no document types, no entities, no network, bounded size and depth."""

from __future__ import annotations

from lxml import etree

from virtlxc.errors import Code, From, VirtlxcError

MOST_BYTES = 4 * 1024 * 1024
"""What fits a string of libvirt's RPC; a domain has a few KiB."""


class DocumentError(VirtlxcError):
    """A document that cannot be read; ``line`` is 0 when it is about no line."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message, Code.XML_ERROR, From.XML)
        self.line = line


def error(message: str, line: int = 0) -> DocumentError:
    return DocumentError(message, line)


def line_of(element: etree._Element) -> int:
    """The line of an element's start tag, counted from 1; 0 when the parser lost it."""
    line = element.sourceline
    return line if isinstance(line, int) else 0


def read(text: str | bytes, root: str, *, any_root: bool = False) -> etree._Element:
    """The root element, which must be ``<root>``; comments and processing instructions are gone.

    With ``any_root`` it may be another one; ``root`` then only tells in messages what was read.

    Raises VirtlxcError (XML_ERROR) for what is too large, too deep, not well formed, has a document
    type, or has another root element.
    """
    if len(text) > MOST_BYTES:
        raise error(
            f"the {root} XML has {len(text)} bytes, more than the {MOST_BYTES} that are read"
        )
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if b"<!DOCTYPE" in data:
        raise _no_doctype(root)
    parser = etree.XMLParser(
        encoding="utf-8" if isinstance(text, str) else None,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as cause:
        raise error(_syntax(root, cause), cause.lineno or 0) from None
    # A document in UTF-16 passes the look at its bytes above.
    if element.getroottree().docinfo.internalDTD is not None:
        raise _no_doctype(root)
    if element.tag != root and not any_root:
        shown = etree.QName(element).localname if element.tag else ""
        line = line_of(element)
        raise error(f"line {line}: the root element is <{shown}>, not <{root}>", line)
    return element


def _no_doctype(root: str) -> DocumentError:
    return error(f"the {root} XML has a document type (<!DOCTYPE ...>); remove it: none is read")


def _syntax(root: str, cause: etree.XMLSyntaxError) -> str:
    message = cause.msg or "empty document"
    if "xcessive depth" in message:
        return f"line {cause.lineno}: the {root} XML is nested too deeply (256 levels are read)"
    if "Resource limit" in message or "xmlSAX2Characters: huge" in message:
        return f"line {cause.lineno}: the {root} XML has a text that is too long"
    return f"the {root} XML is not well formed: {message}"
