"""What a start is refused for because of the file systems that it asks for."""

from __future__ import annotations

from virtlxc.host.superblocks import NOT_MOUNTABLE
from virtlxc.model import Filesystem
from virtlxc.model.container import RAM
from virtlxc.plan import device_checks, images, mounts, process
from virtlxc.plan.scene import Scene

_ROOTS = ("mount", "block", "file")


def root_type(scene: Scene) -> None:
    root = scene.domain.root
    if root is not None and root.type not in _ROOTS:
        raise scene.refuse(
            "attach the root",
            f"a root of type '{root.type}' cannot be",
            "use type 'mount', 'block' or 'file'",
        )


def sources(scene: Scene) -> None:
    for filesystem in scene.domain.filesystems:
        if filesystem.type == "mount":
            _folder(scene, filesystem)
        elif filesystem.type == "block" or filesystem in images.filesystems(scene):
            _device(scene, filesystem)
        _options(scene, filesystem)
        _space(scene, filesystem)


def _space(scene: Scene, filesystem: Filesystem) -> None:
    """A folder is limited by a project quota, a RAM disk by its size, others by nothing of ours."""
    limits = (filesystem.space_hard_limit_bytes, filesystem.space_soft_limit_bytes)
    if not any(limits):
        return
    step = f"limit the space of {filesystem.source or filesystem.target}"
    source = scene.start.source(filesystem.source or "")
    if filesystem.type not in ("mount", "ram"):
        raise scene.refuse(
            step,
            f"a file system of type '{filesystem.type}' has the size it has",
            "take <space_hard_limit> and <space_soft_limit> out",
        )
    if filesystem.type == "mount" and source.kind == "dir" and not source.quota:
        raise scene.refuse(
            step,
            f"its file system ({source.fstype or 'unknown'}) keeps no project quotas",
            "mount it with the option prjquota",
        )

    # capabilities(7): who has this one in the host's user namespace overrides quotas.
    strong = not scene.userns and "sys_resource" in process.kept_capabilities(scene)
    if filesystem.type == "mount" and strong:
        raise scene.refuse(
            step,
            "root in this container may exceed every quota",
            "add an <idmap>, or <capabilities><sys_resource state='off'/>",
        )


def _optional(scene: Scene, filesystem: Filesystem) -> bool:
    extra = scene.domain.container.filesystem(filesystem.target)
    return extra is not None and extra.optional


def _folder(scene: Scene, filesystem: Filesystem) -> None:
    source = scene.start.source(filesystem.source or "")
    step = f"clone {source.path} for {filesystem.target}"
    if source.kind == "missing" and not _optional(scene, filesystem):
        raise scene.refuse(
            step, f"there is no '{source.path}'", "create it, or mend <filesystem><source dir>"
        )
    if filesystem.target == "/" and source.kind != "dir":
        raise scene.refuse(step, f"'{source.path}' is not a folder, and cannot be a root")
    _overlay(scene, filesystem)


def _device(scene: Scene, filesystem: Filesystem) -> None:
    source = scene.start.source(filesystem.source or "")
    step = f"mount {source.path} for {filesystem.target}"
    if source.kind == "missing" and _optional(scene, filesystem):
        return
    if filesystem.type == "block":
        device_checks.is_device(scene, step, source, "block")
    else:
        device_checks.image(scene, step, source, readonly=filesystem.readonly)
    if source.holds in NOT_MOUNTABLE:
        raise scene.refuse(step, f"'{source.path}': {NOT_MOUNTABLE[source.holds]}")
    if not source.holds:
        raise scene.refuse(
            step,
            f"no file system is known that '{source.path}' has in it",
            f"see blkid {source.path}; make one by mkfs",
        )


def _options(scene: Scene, filesystem: Filesystem) -> None:
    """A bind mount has attributes alone; file systems of their own know more."""
    if filesystem.type not in ("mount", "bind"):
        return
    for option in mounts.options_of(scene, filesystem):
        if option not in mounts.ATTRIBUTES and option != "rw":
            raise scene.refuse(
                f"set attributes of {filesystem.target}",
                f"a folder of the host's cannot be mounted with the option '{option}'",
                "it can have " + ", ".join(sorted(mounts.ATTRIBUTES)),
            )


def _overlay(scene: Scene, filesystem: Filesystem) -> None:
    extra = scene.domain.container.filesystem(filesystem.target)
    if extra is None or extra.overlay is None:
        return
    step = f"lay an overlay over {filesystem.target}"
    if scene.start.source(filesystem.source or "").kind not in ("dir", "missing"):
        raise scene.refuse(step, f"'{filesystem.source}' is not a folder")
    changes = scene.start.source(extra.overlay)
    if extra.overlay != RAM and changes.kind != "dir":
        cause = "there is no" if changes.kind == "missing" else "no folder is"
        raise scene.refuse(step, f"{cause} '{changes.path}'", f"mkdir -p {changes.path}")
    if mounts.needs_idmapped_mount(scene, filesystem):
        raise scene.refuse(
            step,
            "the ids of its source are to be translated, which cannot be done below an overlay",
            f"chown -R {filesystem.source} to the id map's range",
        )


def overlays(scene: Scene) -> None:
    """Only a folder of the host's can be below one."""
    for filesystem in scene.domain.filesystems:
        extra = scene.domain.container.filesystem(filesystem.target)
        if filesystem.type != "mount" and extra is not None and extra.overlay is not None:
            raise scene.refuse(
                f"lay an overlay over {filesystem.target}",
                f"a file system of type '{filesystem.type}' cannot be below one",
                "take overlay= out",
            )
