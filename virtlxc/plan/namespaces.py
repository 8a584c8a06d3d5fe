"""Namespaces: joined, made, mapped, entered; the order is the kernel's and explained here."""

from __future__ import annotations

from collections.abc import Iterator

from virtlxc.host.security.idmap import Range, describe
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import STAGE, Step

_ENDS = "ends with its last process and descriptor"


def open_shared(scene: Scene) -> Iterator[Step]:
    """The namespaces of others, opened once: they may end before a reboot from inside."""
    for kind, what in scene.shares.items():
        yield Step(
            name=f"open the {kind} namespace of {what}",
            side="controller",
            op="open-ns",
            args={"key": f"share:{kind}", "path": scene.start.shared[kind].path},
            text="held as long as the domain runs",
            kernel="the descriptor ends with the controller",
        )


def join_shared(scene: Scene) -> Iterator[Step]:
    """Before the user namespace is made: inside it nothing of the host's may be joined."""
    for kind, what in scene.shares.items():
        yield Step(
            name=f"join the {kind} namespace of {what}",
            side="stage",
            op="join-ns",
            args={"key": f"share:{kind}", "type": kind},
            text=f"the container shares it (<lxc:share{kind}>)",
            boot=True,
            kernel="a process leaves its namespaces when it ends",
        )


def joins_before_user(scene: Scene) -> bool:
    """What is the host's can be joined only outside the container's user namespace.

    Then the stage makes its namespaces step by step; else it is born in them.
    """
    return scene.userns and bool(scene.shares)


def _own_kinds(scene: Scene) -> list[str]:
    """Those of a container's own beside user, pid and cgroup."""
    kinds = ["mnt"]
    kinds += [kind for kind in ("uts", "ipc") if kind not in scene.shares]
    if scene.own_net:
        kinds.append("net")
    return kinds


def at_birth(scene: Scene) -> list[str]:
    """The namespaces that the stage is born in; user first, because it owns the others."""
    if joins_before_user(scene):
        return []
    return [*(["user"] if scene.userns else []), "pid", *_own_kinds(scene)]


def owner(scene: Scene) -> dict[str, int]:
    """Whose the user namespace is, as an argument: the kernel's limits for each user bind that one.

    The container's own root, so that each container counts apart; but never a person of the host,
    who would have every right in it.
    """
    own = scene.userns and scene.root_uid and not scene.start.root_account
    return {"owner": scene.root_uid} if own else {}


def owner_text(scene: Scene) -> str:
    """The same for people; empty without a user namespace."""
    if not scene.userns:
        return ""
    if owner(scene):
        return f"; limits for each user count for host id {scene.root_uid}"
    who = scene.start.root_account
    why = f", as {scene.root_uid} is the host's account {who}" if who else ""
    return f"; limits for each user count for the host's root{why}"


def make_user(scene: Scene) -> Step:
    return Step(
        name="make a user namespace",
        side="stage",
        op="unshare",
        args={"flags": ["user"], **owner(scene)},
        text=f"behind the joining, before all others, so that it owns them{owner_text(scene)}",
        boot=True,
        kernel=_ENDS,
    )


def map_ids(scene: Scene) -> Step:
    return Step(
        name="map ids",
        side="controller",
        op="id-map",
        args={"pid": STAGE, "uid": _rows(scene.uids), "gid": _rows(scene.gids)},
        text=f"users {describe(scene.uids)}; groups {describe(scene.gids)}",
        boot=True,
        kernel="goes with the user namespace",
    )


def _rows(ranges: tuple[Range, ...]) -> list[list[int]]:
    return [list(line) for line in sorted(ranges)]


def open_user(scene: Scene) -> Step:
    return Step(
        name="open the user namespace",
        side="controller",
        op="open-ns",
        args={"key": "userns", "path": f"/proc/{STAGE}/ns/user"},
        text="idmapped mounts translate by its maps",
        boot=True,
        kernel="the descriptor ends with the controller",
    )


def become_root(scene: Scene) -> Step:
    return Step(
        name="become root of the user namespace",
        side="stage",
        op="become-root",
        args={},
        text="uid and gid 0, no other groups: what is made from here on belongs to it",
        boot=True,
        kernel="concerns the process only",
    )


def make_own(scene: Scene) -> Step:
    kinds = _own_kinds(scene)
    return Step(
        name="make namespaces",
        side="stage",
        op="unshare",
        args={"flags": kinds},
        text=", ".join(kinds),
        boot=True,
        kernel=_ENDS,
    )


def open_net(scene: Scene) -> Step:
    return Step(
        name="open the network namespace",
        side="controller",
        op="open-ns",
        args={"key": "netns", "path": f"/proc/{STAGE}/ns/net"},
        text="links are born in it, or moved to it",
        boot=True,
        kernel="the descriptor ends with the controller",
    )


def make_cgroup(scene: Scene) -> Step:
    kinds = ["cgroup", "pid"] if joins_before_user(scene) else ["cgroup"]
    return Step(
        name="make the cgroup namespace",
        side="stage",
        op="unshare",
        args={"flags": kinds},
        text="the group it is in now becomes the root of what the container sees",
        boot=True,
        kernel=_ENDS,
    )
