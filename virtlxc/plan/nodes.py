"""The devices of the host that a domain asks for: their nodes in its /dev, and their rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc.host.cgroup.devices import Rule
from virtlxc.model import Disk, Hostdev
from virtlxc.plan import images, inside
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

_LOOP_MAJOR = 7
# As libvirt's driver: for root of the container alone.
_MODE = 0o700

# What the host calls the timers that <clock> can ask for, and what they are called inside.
TIMERS = {"rtc": ("/dev/rtc0", "rtc"), "hpet": ("/dev/hpet", "hpet")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One device: ``path`` is below /dev, ``kind`` 'b' or 'c'.

    ``loop``: the key of the loop device whose number it will be; ``device`` is known then only in
    its first part.
    """

    path: str
    kind: str
    device: tuple[int, int]
    text: str
    access: str = "rwm"
    mode: int = _MODE
    loop: str = ""

    @property
    def rule(self) -> Rule:
        return Rule(self.kind, *self.device, self.access, self.loop)


def nodes(scene: Scene) -> tuple[Node, ...]:
    """All of a domain's, each once."""
    found = [*_timers(scene), *_disks(scene), *_hostdevs(scene)]
    return tuple({node.path: node for node in found}.values())


def timers(scene: Scene) -> tuple[str, ...]:
    """The host's devices that the clock asks for, as libvirt understands it."""
    clock = scene.domain.clock
    if clock.offset != "localtime":
        return ()
    return tuple(
        TIMERS[timer.name][0]
        for timer in clock.timers
        if timer.present is not False and timer.name in TIMERS
    )


def _timers(scene: Scene) -> Iterator[Node]:
    names = dict(TIMERS.values())
    for path in timers(scene):
        source = scene.start.source(path)
        yield Node(
            path=names[path], kind="c", device=source.device, text=f"the host's {path}", mode=0o644
        )


def _disks(scene: Scene) -> Iterator[Node]:
    for disk in scene.domain.disks:
        node = of_disk(scene, disk)
        if node is not None:
            yield node


def of_disk(scene: Scene, disk: Disk) -> Node | None:
    """The node of a disk; None for one that cannot be shown, or is not there."""
    access = "rm" if disk.readonly else "rwm"
    shown = f"the disk {disk.source}" + (", read-only" if disk.readonly else "")
    if disk.by_loop or disk.by_qemu:
        return Node(
            path=disk.target,
            kind="b",
            device=(_LOOP_MAJOR, 0),
            text=shown,
            access=access,
            loop=images.key_of(disk.target),
        )
    source = scene.start.source(disk.source or "")
    if disk.type != "block" or source.kind != "block":
        return None
    return Node(path=disk.target, kind="b", device=source.device, text=shown, access=access)


def _hostdevs(scene: Scene) -> Iterator[Node]:
    for hostdev in scene.domain.hostdevs:
        node = of_hostdev(scene, hostdev)
        if node is not None:
            yield node


def of_hostdev(scene: Scene, hostdev: Hostdev) -> Node | None:
    """The node of a device of the host; None for an interface, and for one that is not there."""
    path = path_of(scene, hostdev)
    source = scene.start.source(path or "")
    if path is None or source.kind not in ("block", "char"):
        return None
    return Node(
        path=path.removeprefix("/dev/"),
        kind="b" if source.kind == "block" else "c",
        device=source.device,
        text=f"the host's {path}",
    )


def path_of(scene: Scene, hostdev: Hostdev) -> str | None:
    """Where the host has it; None for an interface, and for a USB device that is not plugged in."""
    if hostdev.mode == "capabilities":
        return hostdev.source if hostdev.type in ("storage", "misc") else None
    found = scene.start.usb.get(hostdev.usb_name, ()) if hostdev.type == "usb" else ()
    return found[0] if found else None


def make(scene: Scene) -> Iterator[Step]:
    """The nodes, and the folders on the way to them."""
    folders: set[str] = set()
    for node in nodes(scene):
        parts = node.path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                yield _folder(scene, folder)
        yield _node(scene, node)


def _folder(scene: Scene, path: str) -> Step:
    return Step(
        name=f"make folder /dev/{path}",
        side="controller",
        op="node",
        args={
            "key": "dev",
            "path": path,
            "kind": "dir",
            "mode": 0o755,
            "uid": scene.root_uid,
            "gid": scene.root_gid,
        },
        text="where a device of the host appears",
        boot=True,
        kernel=inside.WITH_DEV,
    )


def _node(scene: Scene, node: Node) -> Step:
    major, minor = node.device
    numbers = {"device": node.loop} if node.loop else {"major": major, "minor": minor}
    return Step(
        name=f"make /dev/{node.path}",
        side="controller",
        op="node",
        args={
            "key": "dev",
            "path": node.path,
            "kind": node.kind,
            "mode": node.mode,
            **numbers,
            "uid": scene.root_uid,
            "gid": scene.root_gid,
        },
        text=node.text,
        boot=True,
        kernel=inside.WITH_DEV,
    )
