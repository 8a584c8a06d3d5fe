"""Definitions on disk: one folder of ``NAME.xml``, and one of links to those that start alone.

Domains, networks and storage pools are kept in this one way; what each has beside it (live state,
leases) is its own store's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence

from virtlxc.driver import files

_log = logging.getLogger(__name__)

SUFFIX = ".xml"


class DefinitionFiles:
    """The definitions of one kind: ``links`` is the folder of the autostart links."""

    def __init__(self, folder: str, links: str) -> None:
        self.folder = folder
        self.links = links

    def definitions(self) -> Iterator[tuple[str, str]]:
        """(name, XML) of every definition, oldest first; unreadable ones are logged."""
        yield from documents(self.folder)

    def write_definition(self, name: str, xml: str) -> None:
        """Keeps a definition for good; raises VirtlxcError and changes nothing on a full disk."""
        files.replace_durably(self._path(name), xml.encode())

    def write_definitions(self, some: Sequence[tuple[str, str]]) -> None:
        """Keeps several for good, and waits for the disk once; on a full disk changes nothing."""
        files.replace_together(
            self.folder, [(f"{name}{SUFFIX}", xml.encode()) for name, xml in some]
        )

    def remove_definition(self, name: str) -> None:
        """Removes definition and autostart link for good."""
        self.set_autostart(name, False)
        files.remove_durably(self._path(name))

    def autostart(self, name: str) -> bool:
        return os.path.islink(self._link(name))

    def set_autostart(self, name: str, on: bool) -> None:
        link = self._link(name)
        if not on:
            files.remove_durably(link)
        elif not os.path.islink(link):
            try:
                os.symlink(self._path(name), link)
                files.sync_folder(self.links)
            except OSError as error:
                raise files.refused("link", link, error) from None

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}{SUFFIX}"

    def _link(self, name: str) -> str:
        return f"{self.links}/{name}{SUFFIX}"


def documents(folder: str) -> Iterator[tuple[str, str]]:
    """(file name without its end, text) of every XML file, oldest first; unreadable: logged."""
    found = []
    for entry in os.scandir(folder):
        if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file():
            found.append((entry.stat().st_mtime_ns, entry.name))
    for _, file_name in sorted(found):
        try:
            with open(f"{folder}/{file_name}", encoding="utf-8") as file:
                yield file_name.removesuffix(SUFFIX), file.read()
        except (OSError, UnicodeDecodeError) as error:
            _log.error("cannot read the definition %s/%s: %s", folder, file_name, error)
