"""Where virtlxc keeps its files.

Everything stands below one root, ``/`` unless ``--root DIR`` or ``VIRTLXC_ROOT`` says otherwise,
so that several daemons can share a host. This module is on the start-up path of the command: it
must stay light.
"""

from __future__ import annotations

import os

ROOT_VARIABLE = "VIRTLXC_ROOT"


class Paths:
    """The folders and files of one instance; ``root`` is an absolute path, ``"/"`` by default."""

    def __init__(self, root: str = "") -> None:
        self.root = os.path.abspath(root or os.environ.get(ROOT_VARIABLE) or "/")
        prefix = "" if self.root == "/" else self.root
        self.etc = prefix + "/etc/virtlxc"
        self.config = self.etc + "/virtlxc.toml"
        self.domains = self.etc + "/lxc"
        self.autostart = self.domains + "/autostart"
        self.networks = self.etc + "/networks"
        self.networks_autostart = self.networks + "/autostart"
        self.storage = self.etc + "/storage"
        self.run = prefix + "/run/virtlxc"
        self.socket = self.run + "/virtlxc-sock"
        self.socket_ro = self.run + "/virtlxc-sock-ro"
        self.lock = self.run + "/daemon.lock"
        self.facts = self.run + "/facts.json"
        self.lib = prefix + "/var/lib/virtlxc"
        self.log = prefix + "/var/log/virtlxc"

    @property
    def instance(self) -> str:
        """The tag that tells instances apart where the kernel has one name space for all.

        Empty for the instance of ``/``; else four hexadecimal digits made from the root's path, for
        cgroup leaves, nft tables and bridge names.
        """
        if self.root == "/":
            return ""
        import zlib

        return f"{zlib.crc32(self.root.encode()) & 0xFFFF:04x}"

    @property
    def lasting(self) -> tuple[str, str]:
        """The folders by which one knows that an instance is here, whether it runs or not."""
        return self.etc, self.lib

    def domain_xml(self, name: str) -> str:
        return f"{self.domains}/{name}.xml"

    def domain_run(self, uuid: str) -> str:
        """The live state of one domain, by UUID: names can be long, socket paths cannot."""
        return f"{self.run}/{uuid}"

    def domain_log(self, name: str) -> str:
        return f"{self.log}/{name}.log"

    def uri(self) -> str:
        """What a libvirt client needs to reach this instance."""
        return f"lxc+unix:///system?socket={self.socket}"
