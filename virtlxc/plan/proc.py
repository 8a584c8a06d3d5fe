"""/proc as the guest should see it: its own memory and processors, not the host's."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

# A whole system looks there; one program rarely does, and is not to start slower for it.
_DISTRIBUTIONS = frozenset({"systemd", "sysvinit", "openrc", "upstart"})
_SYSTEMS = _DISTRIBUTIONS | {"busybox"}

WARNING = (
    "no lxcfs runs on this host: /proc/meminfo, cpuinfo, stat, uptime, loadavg and swaps inside "
    "are the host's (apt install lxcfs, dnf install lxcfs)"
)


def wanted(scene: Scene) -> bool:
    return scene.start.init.kind in _SYSTEMS and not scene.shares.get("pid")


def missed(scene: Scene) -> bool:
    """Whether people would expect it and it is not there; a busybox alone is too small for that."""
    return scene.start.init.kind in _DISTRIBUTIONS and wanted(scene) and not scene.start.lxcfs


def sources(scene: Scene) -> Iterator[Step]:
    """The controller clones lxcfs's files."""
    for path in scene.start.lxcfs if wanted(scene) else ():
        name = path.rpartition("/")[2]
        yield Step(
            name=f"clone lxcfs's {name}",
            side="controller",
            op="open-tree",
            args={"key": f"lxcfs:{name}", "path": path, "recursive": False},
            text="detached",
            boot=True,
            kernel="freed with its last descriptor or mount",
        )


def attach(scene: Scene) -> Iterator[Step]:
    for path in scene.start.lxcfs if wanted(scene) else ():
        name = path.rpartition("/")[2]
        yield Step(
            name=f"attach /proc/{name}",
            side="init",
            op="attach",
            args={
                "key": f"lxcfs:{name}",
                "target": f"/proc/{name}",
                "create": None,
                "nosymlinks": True,
            },
            text="the container's own, as lxcfs counts it",
            boot=True,
            kernel="goes with the mount namespace",
        )


def uncovered(scene: Scene) -> Iterator[Step]:
    """For containers inside: a user namespace mounts /proc only where it sees one uncovered."""
    if scene.domain.container.nesting and scene.userns:
        yield Step(
            name="mount /dev/.virtlxc/proc",
            side="init",
            op="mount",
            args={
                "fstype": "proc",
                "target": "/dev/.virtlxc/proc",
                "source": "proc",
                "options": [],
                "attrs": ["nosuid", "nodev", "noexec"],
                "create": "dir",
                "nosymlinks": True,
            },
            text="the same once more, with nothing mounted in it: nested containers need that",
            boot=True,
            kernel="goes with the mount namespace",
        )
