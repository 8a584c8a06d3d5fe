"""A domain without a root file system: the host's programs, not its data.

libvirt shares the host's / read-write there, and an init of the host's then runs boot scripts on
the host's own files. Here such a domain gets / alone, read-only, and the mounts below /usr, /etc
and /opt; what holds data or sockets is empty or private.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Args, Step

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

_FREED = "freed with its last descriptor or mount"
_WITH_NS = "goes with the mount namespace"


def applies(scene: Scene) -> bool:
    return scene.domain.root is None


def sources(scene: Scene) -> Iterator[Step]:
    if not applies(scene):
        return
    yield from _clone("root", "/")
    for path in scene.start.host_root.mounts:
        yield from _clone(f"host:{path}", path)


def _clone(key: str, path: str) -> Iterator[Step]:
    yield Step(
        name=f"clone {path}",
        side="controller",
        op="open-tree",
        args={"key": key, "path": path, "recursive": False},
        text="the host's, detached, without what is mounted below it",
        boot=True,
        kernel=_FREED,
    )
    yield Step(
        name=f"set attributes of {path}",
        side="controller",
        op="mount-attr",
        args={"key": key, "set": ["ro", "nodev"], "propagation": "private"},
        text="private, read-only, its device nodes dead",
        boot=True,
        kernel=_FREED,
    )


def attach(scene: Scene) -> Iterator[Step]:
    """Behind the root, before anything else is mounted in it."""
    if not applies(scene):
        return
    for path in scene.start.host_root.mounts:
        yield _init(
            f"attach {path}",
            "attach",
            {"key": f"host:{path}", "target": path, "create": None},
            "the host's programs, read-only",
        )
    for path, mode in PRIVATE:
        if path == "/run" and scene.systemd_guest:
            continue
        yield _init(
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
    covered = [path for path in scene.start.host_root.covered if path not in EMPTY]
    yield _init(
        "cover the host's data",
        "mask",
        {"targets": [*EMPTY, *covered, *SECRETS]},
        "folders are empty, secrets are /dev/null",
    )


def _init(name: str, op: str, args: Args, text: str) -> Step:
    return Step(name=name, side="init", op=op, args=args, text=text, boot=True, kernel=_WITH_NS)
