"""The container's /dev: a tmpfs of its own, filled by the controller, attached by init.

The controller makes it in the host's user namespace: only there nodes can be made, and only
from there they can be opened. Where the host is itself a container, none can be made at all, and
its own are bound over empty files.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan import inside, nodes
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Args, Step

# Name, major, minor: libvirt's set, each read and written by all.
NODES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)
FOLDERS = ("pts", "shm", "mqueue")


def make(scene: Scene) -> Iterator[Step]:
    owner = {"uid": scene.root_uid, "gid": scene.root_gid}
    yield Step(
        name="make /dev",
        side="controller",
        op="new-mount",
        args={
            "key": "dev",
            "fstype": "tmpfs",
            "source": "dev",
            "options": [
                ["mode", "755"],
                ["size", "1m"],
                *([key, str(owner[key])] for key in owner),
            ],
            "attrs": ["nosuid", "noexec"],
        },
        text="a detached tmpfs",
        boot=True,
        kernel=inside.FREED,
    )
    for name in FOLDERS:
        yield _node(name, "dir", "where something is mounted", owner | {"mode": 0o755})
    for name, major, minor in NODES:
        if scene.host.device_nodes:
            numbers = {"mode": 0o666, "major": major, "minor": minor}
            yield _node(name, "c", f"character device {major}:{minor}", owner | numbers)
        else:
            yield _node(name, "file", "where the host's own is bound", owner | {"mode": 0o666})
            yield _clone(name)
    yield from nodes.make(scene)
    for name, target in LINKS:
        yield _node(name, "link", f"to {target}", owner | {"target": target})
    for name in console_files(scene):
        yield _node(name, "file", "where a terminal is bound", owner | {"mode": 0o600})


def console_files(scene: Scene) -> list[str]:
    """console and tty1 are the first terminal, tty2 the second, and so on."""
    return ["console", *(f"tty{number}" for number in range(1, scene.consoles + 1))]


def _node(name: str, kind: str, text: str, args: Args) -> Step:
    return Step(
        name=f"make {'folder ' if kind == 'dir' else ''}/dev/{name}",
        side="controller",
        op="node",
        args={"key": "dev", "path": name, "kind": kind, **args},
        text=text,
        boot=True,
        kernel=inside.WITH_DEV,
    )


def _clone(name: str) -> Step:
    return Step(
        name=f"clone /dev/{name}",
        side="controller",
        op="open-tree",
        args={"key": f"dev:{name}", "path": f"/dev/{name}"},
        text="detached: a container that is a host makes no device nodes",
        boot=True,
        kernel=inside.FREED,
    )


def _attach_nodes() -> Iterator[Step]:
    for name, *_ in NODES:
        yield inside.step(
            f"attach /dev/{name}",
            "attach",
            {"key": f"dev:{name}", "target": f"/dev/{name}", "nosymlinks": True},
            "the host's own",
        )


def attach(scene: Scene) -> Iterator[Step]:
    """Into the guest's tree; a link of a hostile root folder at /dev is refused."""
    yield inside.step(
        "attach /dev",
        "attach",
        {"key": "dev", "target": "/dev", "create": "dir", "nosymlinks": True},
        "the tmpfs with the container's nodes",
    )
    if not scene.host.device_nodes:
        yield from _attach_nodes()
    yield inside.mount(
        "tmpfs", "/dev/shm", "shared memory of programs", ["nosuid", "nodev"],
        options=[["mode", "1777"]],
    )  # fmt: skip
    yield inside.mount(
        "mqueue", "/dev/mqueue", "message queues of the container", ["nosuid", "nodev", "noexec"],
        optional=True,
    )  # fmt: skip
