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
from virtlxc.paths import Paths

_log = logging.getLogger(__name__)

STATUS_PROTO = 1
"""The version of status.json: fields are added, never changed."""

_SUFFIX = ".xml"


class Store:
    """The files of one instance."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def prepare(self) -> None:
        """Makes the folders and removes what interrupted writers left."""
        paths = self._paths
        for folder, mode in (
            (paths.etc, 0o755),
            (paths.domains, 0o700),
            (paths.autostart, 0o700),
            (paths.run, 0o755),
            (paths.lib, 0o711),
            (paths.log, 0o700),
        ):
            try:
                os.makedirs(folder, mode, exist_ok=True)
            except OSError as error:
                raise files.refused("make the folder", folder, error) from None
        for folder in (paths.domains, paths.autostart, paths.run):
            files.sweep(folder)

    # Definitions

    def definitions(self) -> Iterator[tuple[str, str]]:
        """(name, XML) of every definition, oldest first; unreadable ones are logged."""
        folder = self._paths.domains
        found = []
        for entry in os.scandir(folder):
            if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".") and entry.is_file():
                found.append((entry.stat().st_mtime_ns, entry.name))
        for _, file_name in sorted(found):
            try:
                with open(f"{folder}/{file_name}", encoding="utf-8") as file:
                    yield file_name.removesuffix(_SUFFIX), file.read()
            except (OSError, UnicodeDecodeError) as error:
                _log.error("cannot read the definition %s/%s: %s", folder, file_name, error)

    def write_definition(self, name: str, xml: str) -> None:
        """Keeps a definition for good; raises VirtlxcError and changes nothing on a full disk."""
        files.replace_durably(self._paths.domain_xml(name), xml.encode())

    def remove_definition(self, name: str) -> None:
        self.set_autostart(name, False)
        files.remove_durably(self._paths.domain_xml(name))

    # Autostart

    def autostart(self, name: str) -> bool:
        return os.path.islink(self._autostart_link(name))

    def set_autostart(self, name: str, on: bool) -> None:
        link = self._autostart_link(name)
        if not on:
            files.remove_durably(link)
            return
        if os.path.islink(link):
            return
        try:
            os.symlink(self._paths.domain_xml(name), link)
            files.sync_folder(self._paths.autostart)
        except OSError as error:
            raise files.refused("link", link, error) from None

    def _autostart_link(self, name: str) -> str:
        return f"{self._paths.autostart}/{name}{_SUFFIX}"

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
