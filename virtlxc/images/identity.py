"""What makes one copy of a system this guest and no other: names, keys, passwords, network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from virtlxc.images.tree import Tree

_UNITS = "/etc/systemd/system"
_SYSTEMD = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
_SSHD = ("/usr/sbin/sshd",)

# A key that is in an image is known to everybody who has the image.
_KEYS_UNIT = """\
# Written by virtlxc new: host keys of this guest's own, made at its first boot.
[Unit]
Description=Make the host keys of OpenSSH
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Before=ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""

# Cards whose address stands in the definition have it already, and keep it.
_NETWORK = """\
# Written by virtlxc new: a lease for every card.
[Match]
Type=ether

[Network]
DHCP=yes
KeepConfiguration=static

[DHCPv4]
UseMTU=yes

[DHCP]
UseDomains=yes
"""
_INTERFACES = """\
# Written by virtlxc new.
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``password`` is root's as /etc/shadow has it; None leaves what is there, as do an empty
    ``ssh_key`` (a line of authorized_keys) and no ``network``."""

    hostname: str
    password: str | None = None
    ssh_key: str = ""
    network: bool = False


def has_systemd(tree: Tree) -> bool:
    return any(tree.has(path) for path in _SYSTEMD)


def put(tree: Tree, identity: Identity) -> None:
    """Gives a system that was built, unpacked or copied an identity of its own."""
    _names(tree, identity.hostname)
    _machine_id(tree)
    _host_keys(tree)
    if identity.password is not None:
        _password(tree, identity.password)
    if identity.ssh_key:
        tree.make_folder("/root/.ssh", 0o700)
        tree.write("/root/.ssh/authorized_keys", identity.ssh_key.strip() + "\n", 0o600)
    if identity.network:
        _network(tree)


def _names(tree: Tree, hostname: str) -> None:
    old = (tree.read("/etc/hostname") or "").strip()
    tree.write("/etc/hostname", f"{hostname}\n")
    hosts = tree.read("/etc/hosts") or "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"
    lines = [line for line in hosts.splitlines() if not line.startswith("127.0.1.1")]
    if old and old != "localhost":
        lines = [line for line in lines if old not in line.split()[1:]]
    if hostname != "localhost":
        lines.append(f"127.0.1.1\t{hostname}")
    tree.write("/etc/hosts", "\n".join(lines) + "\n")


def _machine_id(tree: Tree) -> None:
    """Empty: systemd then takes the domain's UUID, D-Bus follows (machine-id(5))."""
    if has_systemd(tree) or tree.has("/etc/machine-id"):
        tree.write("/etc/machine-id", "", 0o444)
    if tree.read("/var/lib/dbus/machine-id"):
        tree.link("/var/lib/dbus/machine-id", "/etc/machine-id")
    for seed in ("/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed"):
        tree.remove(seed)


def _host_keys(tree: Tree) -> None:
    """Removed where something makes new ones: under systemd, a unit of ours does."""
    if not (has_systemd(tree) and any(tree.has(path) for path in _SSHD)):
        return
    for name in tree.names("/etc/ssh"):
        if re.fullmatch(r"ssh_host_\w+_key(\.pub)?", name):
            tree.remove(f"/etc/ssh/{name}")
    _enable(tree, "virtlxc-host-keys.service", _KEYS_UNIT)


def _enable(tree: Tree, unit: str, text: str | None = None) -> None:
    if text is not None:
        tree.write(f"{_UNITS}/{unit}", text)
    place = f"{_UNITS}/{unit}" if text is not None else f"/lib/systemd/system/{unit}"
    tree.link(f"{_UNITS}/multi-user.target.wants/{unit}", place)


def _password(tree: Tree, password: str) -> None:
    shadow = tree.read("/etc/shadow") or ""
    line, found = re.subn(r"(?m)^root:[^:\n]*", lambda _: f"root:{password}", shadow)
    tree.write("/etc/shadow", line if found else f"root:{password}:19000:0:99999:7:::\n{shadow}")


def _network(tree: Tree) -> None:
    if tree.has("/lib/systemd/systemd-networkd"):
        tree.write("/etc/systemd/network/80-virtlxc.network", _NETWORK)
        _enable(tree, "systemd-networkd.service")
    elif tree.has("/etc/network"):
        tree.write("/etc/network/interfaces", _INTERFACES)
    if tree.has("/lib/systemd/systemd-resolved"):
        tree.link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
        _enable(tree, "systemd-resolved.service")
