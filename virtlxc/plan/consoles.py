"""Terminals: a devpts of the container's own, whose masters the controller holds."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step

_WITH_NS = "goes with the mount namespace"


def make(scene: Scene) -> Iterator[Step]:
    yield Step(
        name="make /dev/pts",
        side="controller",
        op="new-mount",
        args={
            "key": "devpts",
            "fstype": "devpts",
            "source": "devpts",
            "options": [
                ["newinstance"],
                ["ptmxmode", "0666"],
                ["mode", "0620"],
                ["gid", str(scene.tty_gid)],
            ],
            "attrs": ["nosuid", "noexec"],
        },
        text="a detached devpts of its own",
        boot=True,
        kernel="freed with its last descriptor or mount",
    )
    yield Step(
        name="open consoles",
        side="controller",
        op="ptys",
        args={
            "key": "devpts",
            "count": scene.consoles,
            "uid": scene.root_uid,
            "gid": scene.tty_gid,
        },
        text=f"{scene.consoles} of them, as /dev/console and /dev/tty1..{scene.consoles}",
        boot=True,
        kernel="the masters end with the controller",
    )


def attach(scene: Scene) -> Iterator[Step]:
    yield Step(
        name="attach /dev/pts",
        side="init",
        op="attach",
        args={"key": "devpts", "target": "/dev/pts", "create": None, "nosymlinks": True},
        text="the devpts with the consoles",
        boot=True,
        kernel=_WITH_NS,
    )
    yield _bind("console", 0)
    for number in range(scene.consoles):
        yield _bind(f"tty{number + 1}", number)


def _bind(name: str, number: int) -> Step:
    return Step(
        name=f"bind /dev/{name}",
        side="init",
        op="bind-inside",
        args={"source": f"/dev/pts/{number}", "target": f"/dev/{name}", "nosymlinks": True},
        text=f"terminal {number}",
        boot=True,
        kernel=_WITH_NS,
    )
