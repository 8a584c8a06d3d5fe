"""XML that we write and nobody reads back: documents about the host.

What must come back as it was written has a field table (:mod:`virtlxc.xmlmap`); these documents
only go out, in libvirt's layout: two blanks a level, single quotes.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

Lines = list[str]


def tag(name: str, content: str | int | Lines | None = None, /, **attributes: object) -> Lines:
    """One element: empty, with text, or around the lines of others. Underlines stand for ``-``."""
    start = name + "".join(
        f" {key.replace('_', '-')}='{quoted(str(value))}'"
        for key, value in attributes.items()
        if value is not None
    )
    if content is None:
        return [f"<{start}/>"]
    if isinstance(content, list):
        return [f"<{start}>", *(f"  {line}" for line in content), f"</{name}>"]
    return [f"<{start}>{quoted(str(content))}</{name}>"]


def maybe(name: str, content: str | int | None) -> Lines:
    """The element, or nothing where there is no content."""
    return [] if content is None else tag(name, content)


def quoted(text: str) -> str:
    return escape(text, {"'": "&apos;", '"': "&quot;"})


def document(lines: Lines) -> str:
    return "\n".join([*lines, ""])
