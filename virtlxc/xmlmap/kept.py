"""What a document says and virtlxc does not act on: kept, so that it comes back unchanged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One element or attribute that is stored and written back, but has no effect.

    ``path`` is relative to the element of the object that holds it (``devices/graphics``,
    ``mac/@check``); the owner of the object knows where it stands. ``xml`` is the whole element,
    for an attribute its value. ``protects`` says that the user would be less safe than the document
    promises: a start is refused, unless told to ignore it.
    """

    path: str
    xml: str
    protects: bool = False
