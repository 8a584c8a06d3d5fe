"""XML that we write: how texts are escaped, and documents that nobody reads back.

What must come back as it was written has a field table (:mod:`virtlxc.xmlmap`); these documents
only go out, in libvirt's layout: two blanks a level, single quotes. No library: ``saxutils``
loads half of ``urllib``.
"""

from __future__ import annotations

Lines = list[str]

_TEXT = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;", "\r": "&#13;"}
)
_ATTRIBUTE = _TEXT | {10: "&#10;", 9: "&#9;"}


def escape(text: str) -> str:
    """A text as libvirt writes it between tags."""
    return text.translate(_TEXT)


def quote(text: str) -> str:
    """A text between single quotes."""
    return f"'{text.translate(_ATTRIBUTE)}'"


def tag(name: str, content: str | int | Lines | None = None, /, **attributes: object) -> Lines:
    """One element: empty, with text, or around the lines of others. Underlines stand for ``-``."""
    start = name + "".join(
        f" {key.replace('_', '-')}={quote(str(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    if content is None:
        return [f"<{start}/>"]
    if isinstance(content, list):
        return [f"<{start}>", *(f"  {line}" for line in content), f"</{name}>"]
    return [f"<{start}>{escape(str(content))}</{name}>"]


def maybe(name: str, content: str | int | None) -> Lines:
    """The element, or nothing where there is no content."""
    return [] if content is None else tag(name, content)


def document(lines: Lines) -> str:
    return "\n".join([*lines, ""])
