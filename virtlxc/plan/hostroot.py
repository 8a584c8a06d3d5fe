"""A domain without a root file system: the host's programs, not its data.

libvirt shares the host's / read-write there, and an init of the host's then runs boot scripts on
the host's own files. Here such a domain gets / alone, read-only, and the mounts below /usr, /etc
and /opt; what holds data or sockets is empty or private. A read-only mount stops nobody who opens a
FIFO or connects to a socket, so each is seen through an overlay, where these are its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan import inside
from virtlxc.plan.mounts import lock
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

PRIVATE = (("/run", "755"), ("/tmp", "1777"), ("/var/tmp", "1777"))

# Always empty, besides what gather finds to be data (HostRoot.covered).
EMPTY = (
    "/root",
    "/home",
    "/srv",
    "/mnt",
    "/media",
    "/boot",
    "/var/lib",
    "/var/spool",
    "/var/cache",
    "/etc/virtlxc",
    "/etc/libvirt",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/wireguard",
    "/etc/NetworkManager/system-connections",
)
SECRETS = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/krb5.keytab",
)

WARNING = (
    "no root file system is given: the container sees the host's programs, read-only, and none of "
    "its data (libvirt's behaviour is <filesystem type='mount'><source dir='/'/>"
    "<target dir='/'/></filesystem>)"
)

UNSCREENED = (
    "this host cannot lay an overlay over its root: FIFOs that others make below /usr and /opt can "
    "be written to by this container (modprobe overlay, or give it a root file system)"
)


def applies(scene: Scene) -> bool:
    return scene.domain.root is None


def sources(scene: Scene) -> Iterator[Step]:
    if not applies(scene):
        return
    yield from _clone(scene, "root", "/", _hidden(scene))
    for path in scene.start.host_root.mounts:
        yield from _clone(scene, f"host:{path}", path)


def _clone(scene: Scene, key: str, path: str, covers: list[str] | None = None) -> Iterator[Step]:
    yield Step(
        name=f"clone {path}",
        side="controller",
        op="open-tree",
        args={"key": key, "path": path, "recursive": False},
        text="the host's, detached, without what is mounted below it",
        boot=True,
        kernel=inside.FREED,
    )
    if scene.host.overlays:
        yield Step(
            name=f"screen {path}",
            side="controller",
            op="screen-tree",
            # What can be no layer, such as vfat, has neither FIFOs nor sockets.
            args={"key": key, "optional": path != "/"},
            text="an overlay, whose FIFOs and sockets lead to nobody on the host",
            boot=True,
            kernel=inside.FREED,
        )
    yield Step(
        name=f"set attributes of {path}",
        side="controller",
        op="mount-attr",
        args={"key": key, "set": ["ro", "nodev"], "propagation": "private"},
        text="private, read-only, its device nodes dead",
        boot=True,
        kernel=inside.FREED,
    )
    if scene.host.user_namespaces:
        yield lock(key, path, covers=covers)


def attach(scene: Scene) -> Iterator[Step]:
    """Behind the root, before anything else is mounted in it."""
    if not applies(scene):
        return
    for path in scene.start.host_root.mounts:
        yield inside.step(
            f"attach {path}",
            "attach",
            {"key": f"host:{path}", "target": path, "create": None},
            "the host's programs, read-only",
        )
    for path, mode in PRIVATE:
        if path == "/run" and scene.systemd_guest:
            continue
        yield inside.step(
            f"mount {path}",
            "mount",
            {
                "fstype": "tmpfs",
                "target": path,
                "source": "tmpfs",
                "options": [["mode", mode]],
                "attrs": ["nosuid", "nodev"],
                "create": None,
                # /var/tmp is a link to /tmp on some hosts: then there is nothing to do
                "optional": path == "/var/tmp",
            },
            "private and empty",
        )


def cover(scene: Scene) -> Iterator[Step]:
    """Behind /dev, whose null stands for the files."""
    if not applies(scene):
        return
    yield inside.step(
        "cover the host's data",
        "mask",
        {"targets": _hidden(scene)},
        "folders are empty, secrets are /dev/null",
    )
    for path in _with_targets(scene):
        yield inside.step(
            f"mount {path}",
            "mount",
            {
                "fstype": "tmpfs",
                "target": path,
                "source": "tmpfs",
                "options": [["mode", "755"], ["size", "1m"]],
                "attrs": ["nosuid", "nodev", "noexec"],
                "create": None,
            },
            "empty, with room for the mount points below",
        )


def close(scene: Scene) -> Iterator[Step]:
    """What was open for mount points becomes read-only like everything else."""
    for path in _with_targets(scene) if applies(scene) else ():
        args = {"target": path, "set": ["ro"]}
        yield inside.step(f"protect {path}", "remount", args, "read-only")


def _covered(scene: Scene) -> list[str]:
    return list(dict.fromkeys((*EMPTY, *scene.start.host_root.covered)))


def _hidden(scene: Scene) -> list[str]:
    opened = _with_targets(scene)
    found = dict.fromkeys((*_covered(scene), *SECRETS, *scene.start.host_root.secrets))
    return [path for path in found if path not in opened]


def _with_targets(scene: Scene) -> list[str]:
    """The covered folders that a file system of the domain lies below."""
    targets = [fs.target for fs in scene.domain.filesystems]
    return [
        path for path in _covered(scene) if any(target.startswith(path + "/") for target in targets)
    ]


def can_hold(scene: Scene, target: str) -> bool:
    """Whether ``target`` can be made or is there: what we cover is writable until it is full."""
    made = [*_covered(scene), *(path for path, _ in PRIVATE)]
    if any(target.startswith(path + "/") for path in made):
        return True
    return scene.start.inside.get(target, "missing") != "missing"
