"""The host's network interfaces, in libvirt's ``<interface>``: what is there now, read only."""

from __future__ import annotations

import re
from pathlib import Path

from virtlxc.host.devices import net
from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, document, tag

FOLDER = "/sys/class/net"
# What libvirt and we call the host's ends of containers' interfaces, when nobody names them.
_OURS = re.compile(r"vnet\d")
_TYPES = ("bridge", "bond", "vlan")


class Interfaces:
    """Those of this host, or of the tree below ``root``."""

    def __init__(self, root: str = "") -> None:
        self._root = root

    def _node(self, name: str) -> Node:
        return Node(f"{FOLDER}/{name}", self._root)

    def names(self) -> list[str]:
        """What is worth a line: neither a bridge's port nor a TUN device of a machine's."""
        nodes = [self._node(name) for name in Node(FOLDER, self._root).entries()]
        return [
            node.name
            for node in nodes
            if node.exists("operstate")
            and not node.exists("brport/state")
            and not node.exists("tun_flags")
        ]

    def exists(self, name: str) -> bool:
        return "/" not in name and name not in ("", ".", "..") and self._has_state(name)

    def _has_state(self, name: str) -> bool:
        return self._node(name).exists("operstate")

    def mac(self, name: str) -> str:
        return self._node(name).attribute("address") or ""

    def state(self, name: str) -> str:
        """up, down, or one of the kernel's states in between (RFC 2863)."""
        return self._node(name).attribute("operstate") or ""

    def describe(self, name: str) -> str:
        """The document of an interface that exists."""
        mtu = self._node(name).attribute("mtu")
        return document(self._interface(name, [] if mtu is None else tag("mtu", size=mtu)))

    def _interface(self, name: str, more: Lines) -> Lines:
        """One interface with what is in it; only the outermost says ``more``."""
        node = self._node(name)
        kind = _type(node)
        inner = {
            "ethernet": self._ethernet,
            "bridge": self._bridge,
            "bond": self._bond,
            "vlan": self._vlan,
        }[kind](node)
        link = [] if kind == "bridge" else net.link(node)
        return tag("interface", [*more, *link, *inner], type=kind, name=name)

    def _ethernet(self, node: Node) -> Lines:
        address = node.attribute("address")
        return [] if address is None else tag("mac", address=address)

    def _bridge(self, node: Node) -> Lines:
        ports = [name for name in node.entries("brif") if not _OURS.match(name)]
        return tag(
            "bridge",
            self._members(ports),
            stp={"0": "off", "1": "on"}.get(node.attribute("bridge/stp_state") or ""),
            delay=node.attribute("bridge/forward_delay"),
        )

    def _bond(self, node: Node) -> Lines:
        members = (node.attribute("bonding/slaves") or "").split()
        inner = [*_monitor(node), *self._members(members)]
        return tag("bond", inner, mode=_setting(node, "mode"))

    def _members(self, names: list[str]) -> Lines:
        there = [name for name in sorted(names) if self.exists(name)]
        return [line for name in there for line in self._interface(name, [])]

    def _vlan(self, node: Node) -> Lines:
        """Its number and the device below it, which only /proc tells."""
        try:
            text = Path(f"{self._root}/proc/thread-self/net/vlan/{node.name}").read_text()
        except OSError:
            text = ""
        number, below = re.search(r"VID: (\d+)", text), re.search(r"(?m)^Device: (\S+)", text)
        inner = tag("interface", name=below[1]) if below else None
        return tag("vlan", inner, tag=number[1] if number else "0")


def _type(node: Node) -> str:
    kind = node.properties.get("DEVTYPE", "")
    if kind in _TYPES:
        return kind
    return "bond" if node.exists("bonding/mode") else "ethernet"


def _setting(node: Node, name: str) -> str:
    """A setting of a bond in one word; the kernel adds its number."""
    return (node.attribute(f"bonding/{name}") or "").partition(" ")[0]


def _monitor(node: Node) -> Lines:
    """How a bond finds out which of its parts work."""
    if _setting(node, "miimon") not in ("", "0"):
        return tag(
            "miimon",
            freq=_setting(node, "miimon"),
            downdelay=_unless_zero(_setting(node, "downdelay")),
            updelay=_unless_zero(_setting(node, "updelay")),
            carrier="netif" if _setting(node, "use_carrier") == "1" else "ioctl",
        )
    if _setting(node, "arp_interval") not in ("", "0"):
        checked = _setting(node, "arp_validate")
        return tag(
            "arpmon",
            interval=_setting(node, "arp_interval"),
            target=_setting(node, "arp_ip_target"),
            validate=checked if checked in ("active", "backup", "all") else None,
        )
    return []


def _unless_zero(value: str) -> str | None:
    return None if value in ("", "0") else value
