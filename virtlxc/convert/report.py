"""What a conversion gives: the result, and what could not be said in it."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """``key`` at ``line`` of ``file`` (0: no line of it) is not, or not wholly, in the result.

    ``protects``: without it the container is less confined than the configuration asks for.
    """

    file: str
    line: int = 0
    key: str
    text: str
    protects: bool = False

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        weight = " (less protection)" if self.protects else ""
        return f"{place + ': ' if place else ''}{self.key}: {self.text}{weight}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A domain, without uuid unless the configuration has one."""

    domain: Domain
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A configuration's text, and what the domain says beyond it."""

    text: str
    notes: tuple[str, ...] = ()


def wrong(file: str, line: int, key: str, text: str) -> VirtlxcError:
    """What the format's own program would not accept either."""
    note = Note(file=file, line=line, key=key, text=text)
    return VirtlxcError(str(note), Code.INVALID_ARG, From.CONF)
