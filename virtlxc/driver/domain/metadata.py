"""Title, description and the metadata of other programs, live and persistent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.parsers import expat

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.constants import MetadataType
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.domain.domain import View
from virtlxc.driver.events import Metadata
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError

_WRAP = b"<metadata>", b"</metadata>"


def get(view: View, type: int, uri: str | None, flags: int) -> str:
    """As ``virDomainGetMetadata``; raises NO_DOMAIN_METADATA when there is none."""
    domain = impact.of_get(view, flags)
    found: str | None
    if type == MetadataType.DESCRIPTION:
        found, what = domain.description, "description"
    elif type == MetadataType.TITLE:
        found, what = domain.title, "title"
    elif type == MetadataType.ELEMENT:
        found, what = _element(domain.metadata, _needed(uri)), "metadata"
    else:
        raise refusals.bad_argument(f"unknown metadata type {type}")
    if found is None:
        raise VirtlxcError(
            f"metadata not found: Requested {what} element is not present",
            Code.NO_DOMAIN_METADATA,
        )
    return found


def change(
    core: Core, ref: Ref, type: int, text: str | None, key: str | None, uri: str | None, flags: int
) -> None:
    """As ``virDomainSetMetadata``: no text removes."""
    changed = _change(type, text, key, uri)
    with core.changing(ref, "change the metadata of") as (entry, _):
        view = impact.apply(core, entry, flags, changed)
    core.events.emit(Metadata(view.ref, type, uri))


def _change(
    type: int, text: str | None, key: str | None, uri: str | None
) -> Callable[[model.Domain], model.Domain]:
    if type == MetadataType.DESCRIPTION:
        return lambda domain: replace(domain, description=text or None)
    if type == MetadataType.TITLE:
        if text and "\n" in text:
            raise refusals.bad_argument("Domain title can't contain newlines")
        return lambda domain: replace(domain, title=text or None)
    if type != MetadataType.ELEMENT:
        raise refusals.bad_argument(f"unknown metadata type {type}")
    address = _needed(uri)
    new = _with_namespace(text, key, address) if text else ""
    return lambda domain: replace(domain, metadata=_replaced(domain.metadata, address, new))


def _needed(uri: str | None) -> str:
    if not uri:
        raise refusals.bad_argument("the metadata element needs a namespace URI")
    return uri


# The inside of <metadata> is somebody else's text: elements are cut out of it and put into it,
# and every other byte stays as it is.


def _element(metadata: str | None, uri: str) -> str | None:
    raw = (metadata or "").encode()
    for start, end, found in _children(raw):
        if found == uri:
            return raw[start:end].decode()
    return None


def _replaced(metadata: str | None, uri: str, new: str) -> str | None:
    raw = (metadata or "").encode()
    for start, end, found in _children(raw):
        if found == uri:
            raw = raw[:start] + new.encode() + raw[end:]
            break
    else:
        raw += new.encode()
    return raw.decode() if raw.strip() else None


def _children(raw: bytes) -> list[tuple[int, int, str]]:
    """(first byte, past the last, namespace URI) of every element at the top."""
    found: list[tuple[int, int, str]] = []
    depth = 0
    start = 0
    parser = expat.ParserCreate(namespace_separator=" ")

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, start
        depth += 1
        if depth == 2:
            start = parser.CurrentByteIndex

    def finish(name: str) -> None:
        nonlocal depth
        if depth == 2:
            # The index is that of the end tag, or is behind the element when it is empty.
            closing = _TAG.match(document, parser.CurrentByteIndex)
            empty = _TAG.match(document, start)
            assert empty is not None
            end = empty.end()
            if end != parser.CurrentByteIndex:
                assert closing is not None
                end = closing.end()
            uri = name.rpartition(" ")[0]
            found.append((start - len(_WRAP[0]), end - len(_WRAP[0]), uri))
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    document = _WRAP[0] + raw + _WRAP[1]
    parser.Parse(document, True)
    return found


# A tag; a ">" inside quotes does not end it.
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_FIRST_TAG = re.compile(r"<([^\s/>!?:]+:)?([^\s/>]+)")


def _with_namespace(text: str, key: str | None, uri: str) -> str:
    """The element with its namespace declared as libvirt does: by ``key``, its prefix."""
    if not key:
        raise refusals.bad_argument("the metadata element needs a namespace prefix")
    try:
        expat.ParserCreate().Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise VirtlxcError(
            f"(metadata_xml):{error.lineno}: {expat.errors.messages[error.code]}", Code.XML_ERROR
        ) from None
    match = _FIRST_TAG.search(text)
    assert match is not None
    if f'"{uri}"' in text or f"'{uri}'" in text:
        return text
    name = match.group(2)
    head, tail = text[: match.start()], text[match.end() :]
    declared = f'<{key}:{name} xmlns:{key}="{uri}"'
    if match.group(1):
        return f"{head}{declared}{tail}"
    closing = f"</{name}>"
    if tail.rstrip().endswith(closing):
        tail = tail.rstrip().removesuffix(closing) + f"</{key}:{name}>"
    return f"{head}{declared}{tail}"
