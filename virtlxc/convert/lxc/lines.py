"""Lines of a configuration: comments, quotes, and includes in their place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc.convert.files import Source
from virtlxc.convert.report import Note, wrong
from virtlxc.errors import VirtlxcError

INCLUDE = "lxc.include"
DEEPEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``name`` is what stands for the ``*`` of the row's name: a card's number, a limit's name."""

    file: str
    number: int
    key: str
    value: str
    name: str = ""

    def path(self) -> str:
        """The file or folder that the value names; beside this line's file when it has no '/'
        at its begin, because nobody knows the folder that LXC would have been started in."""
        return os.path.join(os.path.dirname(self.file), self.value)

    def wrong(self, text: str) -> VirtlxcError:
        return wrong(self.file, self.number, self.key, text)

    def note(self, text: str, *, protects: bool = False) -> Note:
        return Note(file=self.file, line=self.number, key=self.key, text=text, protects=protects)


def lines(text: str, file: str, files: Source, notes: list[Note]) -> Iterator[Line]:
    """Every ``lxc.`` line, those of included files where LXC would read them.

    What cannot be included goes to ``notes``. Raises VirtlxcError for a line without '='.
    """
    yield from _lines(text, file, files, notes, (file,))


def _lines(
    text: str, file: str, files: Source, notes: list[Note], above: tuple[str, ...]
) -> Iterator[Line]:
    for number, raw in enumerate(text.split("\n"), 1):
        stripped = raw.strip()
        # As LXC: anything that does not begin with lxc. is somebody else's.
        if not stripped.startswith("lxc."):
            continue
        key, equals, value = stripped.partition("=")
        line = Line(file=file, number=number, key=key.rstrip(), value=_unquoted(value.strip()))
        if not equals:
            raise line.wrong("this line has no '='")
        if line.key == INCLUDE:
            yield from _included(line, files, notes, above)
        else:
            yield line


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1] if value[1:-1].strip() else ""
    return value


def _included(
    line: Line, files: Source, notes: list[Note], above: tuple[str, ...]
) -> Iterator[Line]:
    if not line.value:
        return
    where = line.path()
    if where in above or len(above) > DEEPEST:
        raise line.wrong(f"'{line.value}' includes itself")
    try:
        names = files.folder(where)
        if names is None and where.endswith("/"):
            return  # LXC takes a missing folder for an empty one
        paths = [where]
        if names is not None:
            paths = [os.path.join(where, name) for name in names if name.endswith(".conf")]
        for path in paths:
            yield from _lines(files.text(path), path, files, notes, (*above, path))
    except OSError as error:
        notes.append(line.note(f"'{line.value}' is not included: {error.strerror}", protects=True))
