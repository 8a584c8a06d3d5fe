"""SCSI: adapters, what is behind them, and Fibre Channel's names of both."""

from __future__ import annotations

import re

from virtlxc.host.devices.node import Node
from virtlxc.markup import Lines, maybe, tag

# The kernel's include/scsi/scsi_proto.h, in libvirt's words.
_TYPES = {
    0: "disk", 1: "tape", 3: "processor", 4: "worm", 5: "cdrom", 6: "scanner", 7: "mod",
    8: "changer", 12: "raid", 13: "enclosure",
}  # fmt: skip


def host(node: Node) -> Lines:
    unique = _class_of(node, "scsi_host").attribute("unique_id")
    lines = [*tag("host", int(node.name.removeprefix("host"))), *maybe("unique_id", unique)]
    channel = _class_of(node, "fc_host")
    if is_fibre_channel(node):
        inner = [
            *tag("wwnn", wwn(channel, "node_name")),
            *tag("wwpn", wwn(channel, "port_name")),
            *tag("fabric_wwn", wwn(channel, "fabric_name")),
        ]
        lines += tag("capability", inner, type="fc_host")
    if has_ports(node):
        most = channel.attribute("max_npiv_vports") or "0"
        used = channel.attribute("npiv_vports_inuse") or "0"
        inner = [*tag("max_vports", most), *tag("vports", used)]
        lines += tag("capability", inner, type="vport_ops")
    return lines


def is_fibre_channel(node: Node) -> bool:
    return _class_of(node, "fc_host").exists("port_name")


def has_ports(node: Node) -> bool:
    """Whether virtual ports can be made on it."""
    return any(_class_of(node, one).exists("vport_create") for one in ("fc_host", "scsi_host"))


def _class_of(node: Node, name: str) -> Node:
    return Node(f"/sys/class/{name}/{node.name}", node.root)


def wwn(node: Node, name: str) -> str:
    """A world wide name, without its ``0x``."""
    return (node.attribute(name) or "").removeprefix("0x")


def names_of_host(node: Node) -> tuple[str, str]:
    """(WWNN, WWPN) of an adapter."""
    channel = _class_of(node, "fc_host")
    return wwn(channel, "node_name"), wwn(channel, "port_name")


def target(node: Node) -> Lines:
    lines = tag("target", node.name)
    found = re.search(r"/(rport-[^/]+)/", node.path)
    if found is not None:
        port = Node(f"/sys/class/fc_remote_ports/{found[1]}", node.root)
        inner = [*tag("rport", found[1]), *tag("wwpn", port.attribute("port_name") or "")]
        lines += tag("capability", inner, type="fc_remote_port")
    return lines


def device(node: Node) -> Lines:
    host_number, bus, target_number, unit = node.name.split(":")
    kind = node.attribute("type")
    return [
        *tag("host", host_number),
        *tag("bus", bus),
        *tag("target", target_number),
        *tag("lun", unit),
        *maybe("type", _TYPES.get(int(kind)) if kind is not None else None),
    ]


def generic(node: Node) -> Lines:
    return tag("char", node.special_file or "")
