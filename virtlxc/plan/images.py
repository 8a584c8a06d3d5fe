"""Image files: a loop device each, for a disk or a file system."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.model import Disk, Filesystem
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step, Undo

# A loop device keeps 63 bytes of what it is for.
_TAG_BYTES = 63


def disks(scene: Scene) -> Iterator[Disk]:
    """Those of the domain's disks that are images which a loop device can show."""
    for disk in scene.domain.disks:
        if disk.type == "file" and by_loop(disk.driver_name, disk.driver_format):
            yield disk


def filesystems(scene: Scene) -> Iterator[Filesystem]:
    """Those of the domain's file systems that are in images which a loop device can show."""
    for filesystem in scene.domain.filesystems:
        if filesystem.type == "file" and by_loop(filesystem.driver_type, filesystem.driver_format):
            yield filesystem


def by_loop(driver: str | None, form: str | None) -> bool:
    """As libvirt chooses where no driver is named: loop for raw images, nbd for all others."""
    return driver in (None, "loop") and form in (None, "raw")


def key_of(target: str) -> str:
    """The key of the loop device of the disk or file system at ``target``."""
    return f"loop:{target}"


def tag_of(uuid: str, target: str) -> str:
    """How a domain's loop device is recognised, by whoever looks at all of them."""
    return f"virtlxc:{uuid}:{target}".encode()[-_TAG_BYTES:].decode(errors="ignore")


def attach(scene: Scene) -> Iterator[Step]:
    for disk in disks(scene):
        yield _attach(scene, disk.source or "", disk.target, disk.readonly)
    for filesystem in filesystems(scene):
        yield _attach(scene, filesystem.source or "", filesystem.target, filesystem.readonly)


def _attach(scene: Scene, path: str, target: str, readonly: bool) -> Step:
    tag = tag_of(scene.domain.uuid, target)
    return Step(
        name=f"make {path} a block device for {target}",
        side="controller",
        op="loop-attach",
        args={"key": key_of(target), "path": path, "tag": tag, "readonly": readonly},
        text="a loop device" + (", read-only" if readonly else ""),
        # The kernel frees it with its last user; the undo is for one that the guest still holds.
        undo=Undo(op="loop-clear", args={"tag": tag}),
    )
