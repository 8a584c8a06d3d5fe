"""Terminals: a devpts of the container's own, whose masters the controller holds."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.plan import inside
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step


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
        kernel=inside.FREED,
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
    yield inside.step(
        "attach /dev/pts",
        "attach",
        {"key": "devpts", "target": "/dev/pts", "create": None, "nosymlinks": True},
        "the devpts with the consoles",
    )
    yield _bind("console", 0)
    for number in range(scene.consoles):
        yield _bind(f"tty{number + 1}", number)


def _bind(name: str, number: int) -> Step:
    args = {"source": f"/dev/pts/{number}", "target": f"/dev/{name}", "nosymlinks": True}
    return inside.step(f"bind /dev/{name}", "bind-inside", args, f"terminal {number}")
