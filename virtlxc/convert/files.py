"""The one place of this room that reads: what a configuration includes."""

from __future__ import annotations

import os
from typing import Protocol

SIZE_MAX = 10 * 1024 * 1024


class Source(Protocol):
    """Where included files come from. Both raise OSError."""

    def text(self, path: str) -> str:
        """The text of a file."""

    def folder(self, path: str) -> list[str] | None:
        """The names in a folder, sorted; None when it is none."""


class Disk:
    """This host's files, as the caller may read them."""

    def text(self, path: str) -> str:
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX + 1)
        if len(data) > SIZE_MAX:
            raise OSError(27, "more than 10 MiB", path)
        return data.decode(errors="replace")

    def folder(self, path: str) -> list[str] | None:
        return sorted(os.listdir(path)) if os.path.isdir(path) else None


class Nothing:
    """For a configuration that came from elsewhere: its paths are not this host's."""

    def text(self, path: str) -> str:
        raise OSError(1, "files are not read here", path)

    def folder(self, path: str) -> list[str] | None:
        return None
