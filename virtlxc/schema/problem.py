"""One thing that is wrong in a document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """``line`` counts from 1, 0 when it is not known; ``path`` is an XPath.

    ``kind``: 'unknown', 'missing', 'value', 'twice', 'text' (what the schema forbids), 'syntax' or
    'rule' (what contradicts itself); ``name``: the element or attribute that it is about.
    ``allowed``: what could stand there; ``suggestion``: the nearest of it in spelling.
    """

    line: int
    path: str
    message: str
    kind: str
    name: str = ""
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        place = [self.file] if self.file else []
        if self.line:
            place.append(str(self.line) if self.file else f"line {self.line}")
        if self.path:
            place.append(f" {self.path}" if place else self.path)
        text = f"{':'.join(place)}: {self.message}" if place else self.message
        if self.allowed:
            text += f" (allowed: {', '.join(self.allowed)})"
        if self.suggestion:
            text += f"; did you mean '{self.suggestion}'?"
        return text
