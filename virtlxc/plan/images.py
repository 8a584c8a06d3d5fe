"""Image files: a loop device each, for a disk or a file system."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.model import Disk, Filesystem
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Group, Step, Undo

# A loop device keeps 63 bytes of what it is for.
_TAG_BYTES = 63


def disks(scene: Scene) -> Iterator[Disk]:
    """Those of the domain's disks that are images which can be shown."""
    for disk in scene.domain.disks:
        if disk.by_loop or disk.by_qemu:
            yield disk


def filesystems(scene: Scene) -> Iterator[Filesystem]:
    """Those of the domain's file systems that are in images which a loop device can show."""
    for filesystem in scene.domain.filesystems:
        loop = filesystem.driver_type in (None, "loop")
        if filesystem.type == "file" and loop and filesystem.driver_format in (None, "raw"):
            yield filesystem


def key_of(target: str) -> str:
    """The key of the loop device of the disk or file system at ``target``."""
    return f"loop:{target}"


def tag_of(uuid: str, target: str) -> str:
    """How a domain's loop device is recognised, by whoever looks at all of them."""
    return f"virtlxc:{uuid}:{target}".encode()[-_TAG_BYTES:].decode(errors="ignore")


def attach(scene: Scene) -> Iterator[Step]:
    for disk in disks(scene):
        served = _served(scene, disk) if disk.by_qemu else None
        if served is not None:
            yield from _serve(scene, disk, served)
        yield _attach(scene, disk.source or "", disk.target, disk.readonly, served)
    for filesystem in filesystems(scene):
        yield _attach(scene, filesystem.source or "", filesystem.target, filesystem.readonly)


def _served(scene: Scene, disk: Disk) -> Group:
    """The group of the daemon that shows the image, beside the controller's and without limits."""
    return scene.leaf.below(f"image-{disk.target}")


def _serve(scene: Scene, disk: Disk, group: Group) -> Iterator[Step]:
    yield Step(
        name=f"make the group of image {disk.target}",
        side="controller",
        op="cgroup-mkdir",
        args=group.to_json(),
        text="for who serves it, so that it can be found and ended",
        undo=Undo(op="cgroup-rmdir", args=group.to_json()),
    )
    yield Step(
        name=f"serve {disk.source} for {disk.target}",
        side="controller",
        op="image-serve",
        args={
            "program": scene.start.storage_daemon,
            "path": disk.source,
            "form": disk.driver_format,
            "cgroup": group.to_json(),
            "readonly": disk.readonly,
        },
        text=f"QEMU's storage daemon shows the {disk.driver_format} image as a raw file"
        + (", read-only" if disk.readonly else ""),
        undo=Undo(
            op="image-close",
            args={"cgroup": group.to_json(), "tag": tag_of(scene.domain.uuid, disk.target)},
        ),
    )


def _attach(
    scene: Scene, path: str, target: str, readonly: bool, served: Group | None = None
) -> Step:
    tag = tag_of(scene.domain.uuid, target)
    return Step(
        name=f"make {path} a block device for {target}",
        side="controller",
        op="loop-attach",
        args={"key": key_of(target), "path": path, "tag": tag, "readonly": readonly}
        | ({"served": served.to_json()} if served else {}),
        text="a loop device" + (", read-only" if readonly else ""),
        # The kernel frees it with its last user; the undo is for one that the guest still holds.
        undo=Undo(op="loop-clear", args={"tag": tag}),
    )
