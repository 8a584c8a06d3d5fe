"""What an instance keeps on disk about its storage pools.

Which pools are active stands in /run/virtlxc/storage/UUID.xml, so that a restart of the daemon
changes nothing and a reboot of the host ends them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from virtlxc.driver import files
from virtlxc.driver.domain.definition_files import SUFFIX, DefinitionFiles, documents
from virtlxc.paths import Paths


class StorageStore(DefinitionFiles):
    """The files of one instance's pools."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.storage, f"{paths.storage}/autostart")
        self.run = f"{paths.run}/storage"

    def prepare(self) -> None:
        files.make_folders((self.folder, 0o700), (self.links, 0o700), (self.run, 0o700))
        for folder in (self.folder, self.run):
            files.sweep(folder)

    def lives(self) -> Iterator[tuple[str, str]]:
        """(UUID, XML) of every pool that was active when the daemon ended."""
        yield from documents(self.run)

    def write_live(self, uuid: str, xml: str) -> None:
        files.replace(f"{self.run}/{uuid}{SUFFIX}", xml.encode())

    def remove_live(self, uuid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.run}/{uuid}{SUFFIX}")

    def first_autostart(self, boot_id: str) -> bool:
        """Whether nobody asked yet in this running of the host; then nothing can be active."""
        return files.first_time(f"{self.run}/autostart", boot_id)
