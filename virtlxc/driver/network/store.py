"""What an instance keeps on disk about its networks.

The live state of a running network and dnsmasq's files are in /run/virtlxc/network/, its leases in
/var/lib/virtlxc/network/, so that guests keep their addresses over a reboot of the host. Live files
are named by UUID: a network's name may hold what a file name in dnsmasq's configuration may not.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from virtlxc.driver import files
from virtlxc.driver.domain.definition_files import DefinitionFiles
from virtlxc.driver.domain.store import read_json
from virtlxc.host.network import dnsmasq
from virtlxc.paths import Paths

PROTO = 1
"""The version of the live state: fields are added, never changed."""


class NetworkStore(DefinitionFiles):
    """The files of one instance's networks."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths.networks, paths.networks_autostart)
        self.run = f"{paths.run}/network"
        self.lib = f"{paths.lib}/network"
        # Its presence says that the default network was made once: undefining it is for good.
        self.default_mark = f"{self.lib}/default-was-made"

    def prepare(self) -> None:
        """Makes the folders; dnsmasq's own user must be able to pass and read."""
        files.make_folders(
            (self.folder, 0o700), (self.links, 0o700), (self.run, 0o755), (self.lib, 0o755)
        )
        for folder in (self.folder, self.run):
            files.sweep(folder)

    def remove_leases(self, uuid: str) -> None:
        """Of a network that will not come back."""
        with contextlib.suppress(OSError):
            os.unlink(self.dnsmasq_files(uuid).leases)

    @property
    def default_made(self) -> bool:
        return os.path.exists(self.default_mark)

    def mark_default_made(self) -> None:
        files.replace_durably(self.default_mark, b"")

    # Live state

    def dnsmasq_files(self, uuid: str) -> dnsmasq.Files:
        base = f"{self.run}/{uuid}"
        return dnsmasq.Files(
            conf=f"{base}.conf",
            dhcp_hosts=f"{base}.dhcp-hosts",
            dns_hosts=f"{base}.dns-hosts",
            leases=f"{self.lib}/{uuid}.leases",
            pid=f"{base}.pid",
        )

    def first_autostart(self, boot_id: str) -> bool:
        """Whether nobody asked yet in this running of the host."""
        return files.first_time(f"{self.run}/autostart", boot_id)

    def write_live(self, uuid: str, state: dict[str, Any]) -> None:
        data = json.dumps({"proto": PROTO, **state}, separators=(",", ":")).encode()
        files.replace(f"{self.run}/{uuid}.json", data)

    def remove_live(self, uuid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.run}/{uuid}.json")

    def lives(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(UUID, state) of every network that ran, or was on its way, when the daemon ended."""
        for file_name in sorted(os.listdir(self.run)):
            if file_name.endswith(".json"):
                state = read_json(f"{self.run}/{file_name}")
                if state is not None:
                    yield file_name.removesuffix(".json"), state

    def leases(self, uuid: str) -> list[dnsmasq.LeaseRow]:
        """The rows of the leases file, those that have run out included."""
        try:
            with open(self.dnsmasq_files(uuid).leases, encoding="utf-8", errors="replace") as file:
                return dnsmasq.parse_leases(file.read())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise files.refused("read", self.dnsmasq_files(uuid).leases, error) from None
