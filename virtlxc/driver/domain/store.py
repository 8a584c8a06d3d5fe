"""What an instance keeps on disk about its domains.

Definitions are XML in /etc/virtlxc/lxc/NAME.xml, autostart is a link to them in a folder beside
them; both outlive the host. A running domain's live state is JSON in /run/virtlxc/UUID/.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from typing import Any

from virtlxc.driver import files
from virtlxc.driver.domain.definition_files import DefinitionFiles
from virtlxc.paths import Paths

_log = logging.getLogger(__name__)

STATUS_PROTO = 1
"""The version of status.json: fields are added, never changed."""


class Store(DefinitionFiles):
    """The files of one instance."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.domains, paths.autostart)
        self._paths = paths

    def prepare(self) -> None:
        """Makes the folders and removes what interrupted writers left."""
        paths = self._paths
        files.make_folders(
            (paths.etc, 0o755),
            (paths.domains, 0o700),
            (paths.autostart, 0o700),
            (paths.run, 0o755),
            (paths.lib, 0o711),
            (paths.log, 0o700),
        )
        for folder in (paths.domains, paths.autostart, paths.run):
            files.sweep(folder)

    # Live state

    def write_status(self, uuid: str, status: dict[str, Any]) -> None:
        data = json.dumps({"proto": STATUS_PROTO, **status}, separators=(",", ":")).encode()
        files.replace(self._status_path(uuid), data)

    def write_starting(self, uuid: str, pid: int, starttime: int) -> None:
        """Says whose start this is, for the case that we die before it is done."""
        data = json.dumps({"pid": pid, "starttime": starttime}).encode()
        files.replace(f"{self._paths.domain_run(uuid)}/starting.json", data)

    def starting(self, uuid: str) -> dict[str, Any] | None:
        return read_json(f"{self._paths.domain_run(uuid)}/starting.json")

    def statuses(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """(UUID, status) of every folder of live state; None: a start that never came to its end.
        """
        for name in sorted(os.listdir(self._paths.run)):
            folder = f"{self._paths.run}/{name}"
            if len(name) == 36 and name.count("-") == 4 and os.path.isdir(folder):
                yield name, read_json(f"{folder}/status.json")

    def exit_report(self, uuid: str) -> dict[str, Any] | None:
        """What the controller wrote when its domain ended; None: it never did."""
        return read_json(f"{self._paths.domain_run(uuid)}/exit.json")

    def note_all_stopped(self) -> None:
        """Remembers, for this boot of the host, that everything was stopped on purpose."""
        files.replace(f"{self._paths.run}/all-stopped", b"")

    def were_all_stopped(self) -> bool:
        """Whether that is so; it is forgotten then."""
        try:
            os.unlink(f"{self._paths.run}/all-stopped")
        except OSError:
            return False
        return True

    def make_run(self, uuid: str) -> str:
        """Makes the folder of live state, empty; gives its path."""
        folder = self._paths.domain_run(uuid)
        self.remove_run(uuid)
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            raise files.refused("make the folder", folder, error) from None
        return folder

    def remove_run(self, uuid: str) -> None:
        """Removes the live state of a domain that has ended."""
        shutil.rmtree(self._paths.domain_run(uuid), ignore_errors=True)

    def _status_path(self, uuid: str) -> str:
        return f"{self._paths.domain_run(uuid)}/status.json"


def read_json(path: str) -> dict[str, Any] | None:
    """The object in a file that is replaced as a whole; None when it is not there or not ours."""
    try:
        with open(path, "rb") as file:
            found = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.error("cannot read %s: %s", path, error)
        return None
    return found if isinstance(found, dict) else None
