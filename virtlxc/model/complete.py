"""What a definition leaves out and a stored domain has."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import replace

from virtlxc.model.console import Console
from virtlxc.model.disk import Disk, in_order
from virtlxc.model.document import EMULATOR
from virtlxc.model.domain import Domain
from virtlxc.model.filesystem import Filesystem
from virtlxc.model.interface import Interface
from virtlxc.model.port import OPENVSWITCH, VirtualPort

MAC_PREFIX = "52:54:00"
"""What libvirt's LXC driver generates: it sets no prefix of its own."""


def mac_of(last: bytes) -> str:
    """The MAC address with these three bytes at its end."""
    return f"{MAC_PREFIX}:{last.hex(':')}"


def random_mac() -> str:
    """A MAC as libvirt's driver gives them out."""
    return mac_of(os.urandom(3))


def complete(
    domain: Domain,
    *,
    new_uuid: Callable[[], str],
    new_mac: Callable[[], str],
    arch: str | None = None,
) -> Domain:
    """The domain with uuid, MACs, architecture, emulator and a console, as libvirt fills them in.

    ``new_uuid`` and ``new_mac`` make values; a MAC that the domain already has is asked for again.
    ``arch`` is the host's when None.
    """
    consoles = domain.consoles or (Console(),)
    own = domain.uuid or new_uuid()
    return replace(
        domain,
        uuid=own,
        emulator=domain.emulator or EMULATOR,
        os=replace(domain.os, arch=domain.os.arch or arch or os.uname().machine),
        disks=tuple(_disk(disk) for disk in in_order(domain.disks)),
        filesystems=tuple(_filesystem(fs) for fs in domain.filesystems),
        interfaces=tuple(
            replace(card, virtualport=with_ids(card, own))
            for card in _interfaces(domain.interfaces, new_mac)
        ),
        consoles=tuple(
            replace(console, target_type=console.target_type or "lxc") for console in consoles
        ),
    )


# By the beginning of the name below /dev, as in libvirt.
_BUSES = {"sd": "scsi", "vd": "virtio", "hd": "ide", "xvd": "xen", "fd": "fdc", "ubd": "uml"}


def _filesystem(fs: Filesystem) -> Filesystem:
    return replace(fs, accessmode=fs.accessmode or "passthrough")


def _disk(disk: Disk) -> Disk:
    bus = next((bus for start, bus in _BUSES.items() if disk.target.startswith(start)), None)
    return replace(disk, bus=disk.bus or bus)


def _interfaces(
    interfaces: tuple[Interface, ...], new_mac: Callable[[], str]
) -> tuple[Interface, ...]:
    taken = {interface.mac for interface in interfaces}
    done = []
    for interface in interfaces:
        mac = interface.mac
        while mac is None or (interface.mac is None and mac in taken):
            mac = new_mac()
        taken.add(mac)
        mode = interface.source_mode
        if interface.type == "direct" and mode is None:
            mode = "vepa"
        done.append(replace(interface, mac=mac, source_mode=mode))
    return tuple(done)


def with_ids(card: Interface, domain: str) -> VirtualPort | None:
    """The card's port with the ids that libvirt makes up, a pure function of domain and MAC.

    So a definition can be completed again, and what was said of the port once stays true of it.
    ``domain``: its uuid; '' while it is not known, and then there are no ids yet.
    """
    port = card.virtualport
    if port is None or not domain:
        return port

    def made(what: str) -> str:
        return str(uuid.uuid5(uuid.UUID(domain), f"{what} {card.mac}"))

    interface_id, instance_id = port.interface_id, port.instance_id
    if port.type in (None, OPENVSWITCH):
        interface_id = interface_id or made("interface")
    if port.type == "802.1Qbg":
        instance_id = instance_id or made("instance")
    return replace(port, interface_id=interface_id, instance_id=instance_id)
