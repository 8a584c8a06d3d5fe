"""What a start is refused for because of the devices and limits of devices that it asks for."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.host import packages
from virtlxc.host.cgroup.limits import unweighed
from virtlxc.host.facts import Source
from virtlxc.host.superblocks import DISK_IMAGES, NOT_MOUNTABLE
from virtlxc.model import Disk, Hostdev, Interface
from virtlxc.model.disk import QEMU_FORMATS
from virtlxc.plan import devices, images, lending, nodes
from virtlxc.plan.scene import Scene

_OWN_NAMES = frozenset({*(row[0] for row in (*devices.NODES, *devices.LINKS)), *devices.FOLDERS})
_CREATE = "plug it in, or mend its <source>"


def nodes_of_a_container(scene: Scene) -> None:
    """A host that is itself a container, in a user namespace, makes no nodes and mounts no disks.

    Its own devices could be bound, but would belong to its root, whom our guest's is not.
    """
    if scene.host.device_nodes:
        return
    asked = [(f"make /dev/{disk.target}", "<disk>") for disk in scene.domain.disks]
    asked += [
        (f"make {dev.source or 'the node of ' + dev.usb_name}", "<hostdev>")
        for dev in scene.domain.hostdevs
        if dev.type != "net"
    ]
    asked += [(f"make {path}", "<timer>") for path in nodes.timers(scene)]
    asked += [
        (f"mount {fs.source} for {fs.target}", f"<filesystem type='{fs.type}'>")
        for fs in scene.domain.filesystems
        if fs.type in ("block", "file")
    ]
    for step, element in asked:
        raise scene.refuse(
            step,
            f"this host is itself a container, whose kernel gives it no devices for {element}",
            "give the device or image to that container, and bind what it shows: "
            "<filesystem type='mount'>",
        )


def disks(scene: Scene) -> None:
    for disk in scene.domain.disks:
        step = f"make /dev/{disk.target}"
        if disk.target in (".", "..") or "/" in disk.target:
            raise scene.refuse(step, f"'{disk.target}' cannot be the name of a device")
        if not disk.source and disk.type in ("block", "file"):
            raise scene.refuse(step, "it has no <source>", "name its device or image")
        source = scene.start.source(disk.source or "")
        if disk.type == "block":
            is_device(scene, step, source, "block")
            _as_it_is(scene, step, disk)
        elif disk in images.disks(scene):
            image(scene, step, source, readonly=disk.readonly)
            _format(scene, step, disk, source)
        elif disk.type == "file":
            _as_it_is(scene, step, disk)


def _as_it_is(scene: Scene, step: str, disk: Disk) -> None:
    """A loop device by itself and a block device show all bytes that are there."""
    form = disk.driver_format
    if form not in QEMU_FORMATS:
        return
    if disk.type == "block":
        cause = f"a block device is shown as it is, not as the {form} image in it"
        raise scene.refuse(step, cause, "say <driver type='raw'/>")
    cause = f"driver 'loop' shows raw images only, not {form}"
    raise scene.refuse(step, cause, f"say <driver name='qemu' type='{form}'/>")


def _format(scene: Scene, step: str, disk: Disk, source: Source) -> None:
    """What is in the image must be of the format that is named, or else of none."""
    path, holds = source.path, source.holds
    if disk.driver_format is None and holds in DISK_IMAGES:
        named = holds if holds in QEMU_FORMATS else "raw"
        other = f"qemu-img convert -O raw {path} ..., or " if named == "raw" else ""
        raise scene.refuse(
            step, f"'{path}': {NOT_MOUNTABLE[holds]}", f"{other}say <driver type='{named}'/>"
        )
    if not disk.by_qemu:
        return
    if not scene.start.storage_daemon:
        raise scene.refuse(
            step,
            f"images of the format '{disk.driver_format}' need the program"
            f" '{packages.STORAGE_DAEMON}'",
            packages.how_to_install(packages.STORAGE_DAEMON),
        )
    if source.upon:
        raise scene.refuse(step, f"'{path}' {source.upon}")


def image(scene: Scene, step: str, source: Source, *, readonly: bool) -> None:
    """An image must be a file, and nobody else's: two writers would destroy what is in it."""
    if source.kind == "block":
        raise scene.refuse(step, f"'{source.path}' is a block device", "use type='block'")
    if source.kind == "missing":
        raise scene.refuse(step, f"there is no '{source.path}'", "create it, or mend its <source>")
    if source.kind != "file":
        raise scene.refuse(step, f"'{source.path}' is no file, but a {source.kind}")
    if source.loop and not readonly:
        raise scene.refuse(
            step,
            f"'{source.path}' is in use through {source.loop}",
            f"losetup -d {source.loop}, or add <readonly/>",
        )


def is_device(scene: Scene, step: str, source: Source, kind: str) -> None:
    name = {"block": "block", "char": "character"}[kind]
    if source.kind == "missing":
        raise scene.refuse(step, f"there is no '{source.path}'", _CREATE)
    if source.kind == "file" and kind == "block":
        raise scene.refuse(step, f"'{source.path}' is a file", "use type='file'")
    if source.kind != kind:
        raise scene.refuse(step, f"'{source.path}' is no {name} device")


def hostdevs(scene: Scene) -> None:
    for hostdev in scene.domain.hostdevs:
        if hostdev.type == "usb":
            _usb(scene, hostdev)
        elif hostdev.mode == "capabilities" and hostdev.type in ("storage", "misc"):
            path = hostdev.source or ""
            if not path.startswith("/dev/") or ".." in path.split("/"):
                raise scene.refuse(
                    f"make {path}", f"'{path}' is not below /dev", "mend <hostdev><source>"
                )
            kind = "block" if hostdev.type == "storage" else "char"
            is_device(scene, f"make {path}", scene.start.source(path), kind)


def _usb(scene: Scene, hostdev: Hostdev) -> None:
    name = hostdev.usb_name
    found = scene.start.usb.get(name, ())
    if not found and hostdev.startup_policy != "optional":
        raise scene.refuse(
            f"make the node of USB device {name}",
            "no such device is plugged in",
            "plug it in, or add <source startupPolicy='optional'>",
        )
    if len(found) > 1:
        raise scene.refuse(
            f"make the node of USB device {name}",
            f"{len(found)} of them are plugged in: {', '.join(found)}",
            "choose one by <address bus=... device=.../>",
        )


def node_names(scene: Scene) -> None:
    """Every device has a place of its own."""
    taken = {*_OWN_NAMES, *devices.console_files(scene)}
    for path in _asked_names(scene):
        if path in taken:
            raise scene.refuse(
                f"make /dev/{path}", "two devices, or one and a file of /dev itself, have this name"
            )
        taken.add(path)


def _asked_names(scene: Scene) -> Iterator[str]:
    yield from (disk.target for disk in scene.domain.disks)
    for hostdev in scene.domain.hostdevs:
        path = nodes.path_of(scene, hostdev)
        if path is not None:
            yield path.removeprefix("/dev/")


def nics(scene: Scene) -> None:
    """The host's interfaces that are lent, or that macvlans are built upon."""
    for loan in lending.loans(scene):
        step = f"lend {loan.name}"
        if loan.name == "lo":
            raise scene.refuse(step, "'lo' belongs to every network namespace, and cannot be lent")
        if loan.name not in scene.start.nics:
            raise scene.refuse(
                step,
                f"the host has no network interface '{loan.name}'",
                "see ip link, and whether another container has it",
            )


def macvlan(scene: Scene, card: Interface, guest: str) -> None:
    step = f"make {guest}"
    parent = scene.start.nics.get(card.source or "")
    if parent is None:
        raise scene.refuse(
            step,
            f"the host has no network interface '{card.source}'",
            "mend <source dev>, see ip link",
        )
    if card.mtu is not None and card.mtu > parent.mtu:
        raise scene.refuse(
            step,
            f"its mtu {card.mtu} is more than that of the host's '{card.source}', {parent.mtu}",
            f"ip link set {card.source} mtu {card.mtu}, or mend <mtu>",
        )
    if card.link_state != "down" and not parent.up:
        raise scene.refuse(
            step, f"the host's '{card.source}' is down", f"ip link set {card.source} up"
        )
    if card.bandwidth is not None and "bandwidth" not in scene.options.ignore:
        raise scene.refuse(
            step,
            "a macvlan has no end on the host where <bandwidth> could hold",
            "use a bridge, or start with --ignore bandwidth",
        )


def device_limits(scene: Scene) -> None:
    """Limits of traffic hold for whole disks: the kernel refuses partitions."""
    for device in scene.domain.blkiotune.devices:
        step = f"limit the traffic with {device.path}"
        source = scene.start.source(device.path)
        is_device(scene, step, source, "block")
        _is_whole(scene, device.path)
        if device.weight is not None and not source.weigher:
            raise scene.refuse(step, *unweighed(source.path, source.device))
    for disk in scene.domain.disks:
        if disk.type == "block" and disk.iotune is not None:
            _is_whole(scene, disk.source or "")


def _is_whole(scene: Scene, path: str) -> None:
    source = scene.start.source(path)
    if source.whole:
        raise scene.refuse(
            f"limit the traffic with {path}",
            "it is a partition, and the kernel limits whole disks",
            f"use {source.whole}",
        )
