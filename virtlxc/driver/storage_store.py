"""What an instance keeps on disk about its storage pools.

Definitions are XML in /etc/virtlxc/storage/NAME.xml with autostart links beside them; which pools
are active stands in /run/virtlxc/storage/UUID.xml, so that a restart of the daemon changes nothing
and a reboot of the host ends them.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from virtlxc.driver import files
from virtlxc.paths import Paths

_log = logging.getLogger(__name__)
_SUFFIX = ".xml"


class StorageStore:
    """The files of one instance's pools."""

    def __init__(self, paths: Paths) -> None:
        self.etc = paths.storage
        self.links = f"{paths.storage}/autostart"
        self.run = f"{paths.run}/storage"

    def prepare(self) -> None:
        for folder in (self.etc, self.links, self.run):
            try:
                os.makedirs(folder, 0o700, exist_ok=True)
            except OSError as error:
                raise files.refused("make the folder", folder, error) from None
        for folder in (self.etc, self.run):
            files.sweep(folder)

    def definitions(self) -> Iterator[tuple[str, str]]:
        """(name, XML) of every definition, by name; unreadable ones are logged."""
        yield from _documents(self.etc)

    def write_definition(self, name: str, xml: str) -> None:
        files.replace_durably(f"{self.etc}/{name}{_SUFFIX}", xml.encode())

    def remove_definition(self, name: str) -> None:
        """Removes definition and autostart link for good."""
        self.set_autostart(name, False)
        files.remove_durably(f"{self.etc}/{name}{_SUFFIX}")

    def autostart(self, name: str) -> bool:
        return os.path.islink(f"{self.links}/{name}{_SUFFIX}")

    def set_autostart(self, name: str, on: bool) -> None:
        link = f"{self.links}/{name}{_SUFFIX}"
        if not on:
            files.remove_durably(link)
        elif not os.path.islink(link):
            try:
                os.symlink(f"{self.etc}/{name}{_SUFFIX}", link)
                files.sync_folder(self.links)
            except OSError as error:
                raise files.refused("link", link, error) from None

    def lives(self) -> Iterator[tuple[str, str]]:
        """(UUID, XML) of every pool that was active when the daemon ended."""
        yield from _documents(self.run)

    def write_live(self, uuid: str, xml: str) -> None:
        files.replace(f"{self.run}/{uuid}{_SUFFIX}", xml.encode())

    def remove_live(self, uuid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.run}/{uuid}{_SUFFIX}")

    def first_autostart(self, boot_id: str) -> bool:
        """Whether nobody asked yet in this running of the host; then nothing can be active."""
        path = f"{self.run}/autostart"
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            if file.read() == boot_id:
                return False
        files.replace(path, boot_id.encode())
        return True


def _documents(folder: str) -> Iterator[tuple[str, str]]:
    for file_name in sorted(os.listdir(folder)):
        if not file_name.endswith(_SUFFIX) or file_name.startswith("."):
            continue
        try:
            with open(f"{folder}/{file_name}", encoding="utf-8") as file:
                yield file_name.removesuffix(_SUFFIX), file.read()
        except (OSError, UnicodeDecodeError) as error:
            _log.error("cannot read the pool %s/%s: %s", folder, file_name, error)
