"""Guests that boot a distribution's own init: made, waited for, looked into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests import distributions
from tests.harness import Instance, wait_for
from tests.namespaces import Result

PASSWORD = "secret"
_SHADOW = (
    "$6$virtlxc$vXE2k8UXD27mPdZ1IDUMEreMUlR5H0paLjQVgfj9.JnWcO0lseCynzXJ"
    "weire/igF.bb2gqps8BJGxhjhPcNc."
)
FIRST_ID = 1 << 20
BOOT_S = 60.0

NETWORKD = "[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=no\n"

DOMAIN = """<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <metadata>
    <virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'{nesting}>{extra}</virtlxc:container>
  </metadata>
  <os><type>exe</type><init>{init}</init></os>
  {idmap}
  <features>{features}</features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    {devices}
    <console type='pty'/>
    <console type='pty'/>
  </devices>
</domain>
"""


def idmap(first: int, count: int = 1 << 16) -> str:
    """An ``<idmap>`` to the ids from ``first`` on."""
    return (
        f"<idmap><uid start='0' target='{first}' count='{count}'/>"
        f"<gid start='0' target='{first}' count='{count}'/></idmap>"
    )


IDMAP = idmap(FIRST_ID)


@dataclass(frozen=True, slots=True)
class Guest:
    """A defined guest of an instance; ``root`` is for the instance, ``files`` for the test."""

    instance: Instance
    name: str
    root: Path

    @property
    def files(self) -> Path:
        return self.instance.seen(self.root)

    @property
    def inside(self) -> Path:
        """The running guest's root as it sees it, mounts and all."""
        pid = self.instance.virtlxc("domid", self.name).ok().strip()
        return Path(f"/proc/{pid}/root")

    def start(self) -> Guest:
        self.instance.virtlxc("start", self.name).ok()
        return self

    def run(self, *argv: str, timeout: float = 60, input: str | None = None) -> Result:
        """A command inside."""
        words = ("exec", "--no-tty", self.name, "--", *argv)
        return self.instance.virtlxc(*words, timeout=timeout, input=input)

    def log(self) -> str:
        return self.instance.virtlxc("logs", self.name, "--lines", "5000").ok()

    def state(self) -> str:
        return self.instance.virtlxc("domstate", self.name).ok().strip()

    def wait_log(self, text: str, timeout: float = BOOT_S) -> str:
        """The log, once ``text`` stands in it."""
        return wait_for(
            f"{text!r} in the log", lambda: log if text in (log := self.log()) else "", timeout
        )

    def systemd(self) -> str:
        """What systemd says of itself when it has done booting: running, degraded, ..."""
        wait_for(
            "systemd to listen",
            lambda: self.run("test", "-S", "/run/systemd/private").code == 0,
            BOOT_S,
        )
        return self.run("systemctl", "is-system-running", "--wait").stdout.strip()

    def up(self) -> Guest:
        """Waits until systemd has booted, and all of it."""
        state = self.systemd()
        assert state == "running", state + self.run("systemctl", "--failed", "--no-pager").stdout
        return self

    def address(self) -> str:
        """The address of its DHCP lease."""

        def look() -> str:
            found = re.search(r"ipv4 +(\S+)/24", self.instance.virtlxc("domifaddr", self.name).ok())
            return found.group(1) if found else ""

        return wait_for(f"a lease of {self.name}", look)

    def stop(self) -> None:
        self.instance.virtlxc("destroy", self.name).ok()


def administer(root: Path, name: str) -> None:
    """What an administrator sets in a fresh system: its name, root's password, its network."""
    (root / "etc/hostname").write_text(f"{name}\n")
    shadow = (root / "etc/shadow").read_text()
    (root / "etc/shadow").write_text(re.sub(r"^root:[^:]*", f"root:{_SHADOW}", shadow, flags=re.M))
    units = root / "etc/systemd/system"
    if (root / "usr/lib/systemd/systemd").exists():
        (root / "etc/systemd/network/eth0.network").write_text(NETWORKD)
        wanted = units / "multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / "systemd-networkd.service").symlink_to(
            "/lib/systemd/system/systemd-networkd.service"
        )
    else:
        (root / "etc/network/interfaces").write_text(
            "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"
        )


def guest(
    instance: Instance,
    name: str,
    *,
    of: str = "debian",
    userns: bool = True,
    ids: int = 1 << 16,
    network: bool = False,
    memory: int = 512,
    nesting: bool = False,
    extra: str = "",
    root: Path | None = None,
    devices: str = "",
    features: str = "",
    first_id: int = FIRST_ID,
    init: str = "/sbin/init",
) -> Guest:
    """Defines a guest with a root file system of its own, or with ``root``.

    Those with one ``first_id`` share an account of the kernel.
    """
    if root is None:
        root = instance.memory_folder(f"{name}-root")
        distributions.unpack(of, instance.seen(root))
        administer(instance.seen(root), name)
    card = "<interface type='network'><source network='default'/></interface>"
    instance.define(
        DOMAIN.format(
            name=name,
            memory=memory,
            init=init,
            nesting=" nesting='yes'" if nesting else "",
            extra=extra,
            idmap=idmap(first_id, ids) if userns else "",
            features=features + ("" if network else "<privnet/>"),
            root=root,
            devices=devices + (card if network else ""),
        )
    )
    return Guest(instance, name, root)
