"""What is to be done in a running container when its definition changes: two plans compared.

A start with the device, and one without it: the steps that only the former has give the device to a
container that runs, and what undoes them takes it away. So a device that can be there at a start
can come and go, and is what it would be after a reboot from inside. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtlxc.plan.steps import INIT, STAGE, Step

Record = dict[str, Any]  # as a journal has it: {"step", "op", "args"}


class AtStartOnly(Exception):
    """A step that cannot be performed, or taken back, while the container runs."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.name)
        self.step = step


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """In the order of doing.

    ``removals`` are performed inside, and may be refused; then ``taken``, undo records, outside.
    ``additions`` are the host's steps, then those inside; ``undo`` and ``undo_inside`` take them
    back, and ``lasting`` is the part of ``undo`` that is still due when the container has ended.
    ``boot`` is what the next boots perform, ``boot_before`` what they would have.
    """

    removals: tuple[Step, ...] = ()
    taken: tuple[Record, ...] = ()
    additions: tuple[Step, ...] = ()
    undo: tuple[Record, ...] = ()
    undo_inside: tuple[Step, ...] = ()
    lasting: tuple[Record, ...] = ()
    boot: tuple[Step, ...] = ()
    boot_before: tuple[Step, ...] = ()


# Operations of the host's side that a running container can be given, beside those with an undo.
_FREE = frozenset({
    "open-tree", "mount-attr", "lock-tree", "shift-tree", "new-mount", "overlay", "open-ns", "open",
    "loop-open", "link-macvlan", "link-vlan", "close",
})  # fmt: skip
_WITH_LINK = frozenset({"address", "route", "link-up", "link-rate"})
_MOUNTS = frozenset({"attach", "mount", "bind-inside"})
# Performed again, they replace what they did before.
_AGAIN = frozenset({"bpf-device", "link-rate", "link-veth"})
# What an undo at the end of a domain does in passing is done in full while it lives on.
_IN_FULL = {"link-aside": "link-delete"}
# What a port is, from its beginning to its end.
_OF_A_PORT = frozenset({"link-vlan", "ovs-port"})
# Arguments that name a key made by another step.
_KEYS = ("key", "netns", "idmap", "within", "device")
_MAKES = frozenset(
    {"open-tree", "new-mount", "overlay", "open-ns", "open", "loop-attach", "loop-open"}
)


def difference(before: Sequence[Step], after: Sequence[Step], init: tuple[int, int]) -> Change:
    """How a container with the plan ``before`` becomes one with ``after``.

    ``init`` is the pid and start time of its init. Raises :class:`AtStartOnly`.
    """
    there, wanted = _index(before), _index(after)
    gone = [step for text, step in there.items() if text not in wanted]
    fresh = [step for text, step in wanted.items() if text not in there]
    again: list[Step] = []
    undo: list[Record] = []
    for old, new in _pairs(gone, fresh):
        gone.remove(old)
        fresh.remove(new)
        again += [_performed_again(new), *_host_end_dressed(old, new, after)]
        undo.append(_record(_performed_again(old)))
    links_gone = _links(gone)
    for step in (*fresh, *gone):
        _check(step)
        if step.op in _OF_A_PORT and step.args["host"] not in links_gone | _links(fresh):
            raise AtStartOnly(step)
    carried = {str(step.args.get("guest")) for step in after if step.op == "link-veth"}
    for step in gone:
        # A setting of a link that stays: its contrary is set. Where the host's end is down, the
        # guest's has no carrier, and keeps its addresses and routes.
        if step.op in _CONTRARY and step.args.get("link") not in links_gone | carried:
            again.append(_CONTRARY[step.op](step))
    fresh = [_lasting_loop(step) for step in _dressed(fresh, after)]
    for step in fresh:
        if step.op in ("link-rate", "cgroup-write"):
            undo.append(_record(_CONTRARY[step.op](step)))
    lasting = [_undo_of(step) for step in fresh if step.undo is not None]
    nodes = [_node_away(step, init) for step in fresh if step.op == "node" and _on_dev(step)]
    return Change(
        removals=tuple(_detach(step) for step in reversed(gone) if step.op in _MOUNTS)
        + tuple(_link_away(step) for step in gone if step.op in _BORN_INSIDE),
        taken=(
            *(_undo_of(step) for step in gone if step.undo is not None),
            *(_node_away(step, init) for step in gone if step.op == "node" and _on_dev(step)),
        ),
        additions=_ordered([*_providers([*again, *fresh], after), *fresh, *again]),
        undo=(*undo, *lasting, *nodes),
        undo_inside=tuple(_detach(step) for step in reversed(fresh) if step.op in _MOUNTS)
        + tuple(_link_away(step) for step in fresh if step.op in _BORN_INSIDE),
        lasting=tuple(lasting),
        boot=boot_half(after),
        boot_before=boot_half(before),
    )


def _pairs(gone: list[Step], fresh: list[Step]) -> list[tuple[Step, Step]]:
    """Steps about one thing, of which only the settings differ."""
    by_name = {_thing(step): step for step in gone if step.op in _AGAIN}
    return [
        (by_name[_thing(step)], step)
        for step in fresh
        if step.op in _AGAIN and _thing(step) in by_name
    ]


def _thing(step: Step) -> tuple[Any, ...]:
    if step.op == "link-veth":
        settings = ("bridge", "up", "quiet")
        same = {name: value for name, value in step.args.items() if name not in settings}
        return (step.op, json.dumps(same, sort_keys=True))
    return (step.op, step.args.get("link"), step.args.get("path"))


def _performed_again(step: Step) -> Step:
    """The step as it changes what is there already."""
    if step.op != "link-veth":
        return step
    args = {"host": step.args["host"], "mac": step.args["host_mac"]}
    args |= {"bridge": step.args["bridge"], "up": step.args["up"]}
    return replace(step, op="link-set", args=args, undo=None, kernel="goes with the link")


def _lifted(step: Step) -> Step:
    """No limit where the step sets one for a block device."""
    words = [word for word in str(step.args["value"]).split() if ":" in word]
    given = [word.partition("=")[0] for word in str(step.args["value"]).split() if "=" in word]
    none = "default" if "weight" in str(step.args["file"]) else "0"
    words += [f"{name}=max" for name in given] or [none]
    return replace(step, args={**step.args, "value": " ".join(words)})


def _without_rate(step: Step) -> Step:
    return replace(step, args={"link": step.args["link"]})


def _down(step: Step) -> Step:
    return replace(
        step, name=step.name.replace(" up", " down"), args={**step.args, "state": "down"}
    )


_CONTRARY = {"link-rate": _without_rate, "link-up": _down, "cgroup-write": _lifted}
# What is made in the container's network namespace, and has nothing of it on the host.
_BORN_INSIDE = frozenset({"link-macvlan"})
_LINKS = frozenset({"link-veth", "link-macvlan", "link-lend"})


def _links(steps: Iterable[Step]) -> set[str]:
    """The names inside, and on the host, of the links that these steps make."""
    made = [step for step in steps if step.op in _LINKS]
    return {
        str(step.args[name]) for step in made for name in ("guest", "host") if name in step.args
    }


def _dressed(fresh: list[Step], after: Sequence[Step]) -> Iterator[Step]:
    """A link that is brought up again gets what the kernel took from it when it went down."""
    born = _links(fresh)
    for step in fresh:
        if step.op in ("address", "route") and step.args["link"] not in born:
            continue
        yield step
        if step.op == "link-up" and step.args["link"] not in born:
            yield from _dress(step.args["link"], step.side, after)


def _host_end_dressed(old: Step, new: Step, after: Sequence[Step]) -> Iterator[Step]:
    """The same for the host's end of a card, which its own step brings up."""
    if new.op == "link-veth" and new.args["up"] and not old.args["up"]:
        yield from _dress(new.args["host"], new.side, after)


def _dress(link: str, side: str, after: Sequence[Step]) -> Iterator[Step]:
    for one in after:
        about = one.op in ("address", "route") and one.side == side
        if about and one.args["link"] == link:
            yield replace(one, args={**one.args, "existing": True})


def _link_away(step: Step) -> Step:
    args = {"link": step.args["guest"], "mac": step.args.get("mac")}
    return Step(
        name=f"remove {args['link']}",
        side="init",
        op="link-remove",
        args=args,
        text="the container's own link",
        kernel="removes only",
    )


def _index(steps: Iterable[Step]) -> dict[str, Step]:
    return {
        json.dumps([step.side, step.op, step.args, step.boot], sort_keys=True): step
        for step in steps
    }


def _check(step: Step) -> None:
    inside = step.op in _MOUNTS | _WITH_LINK and step.side == "init"
    outside = step.side == "controller" and (
        step.op in _FREE | _WITH_LINK
        or step.undo is not None
        or step.op == "node"
        or _limits_a_device(step)
    )
    if not inside and not outside:
        raise AtStartOnly(step)


def _limits_a_device(step: Step) -> bool:
    file = str(step.args.get("file", ""))
    return step.op == "cgroup-write" and (
        file == "io.max" or file.endswith("_device") or "device" in step.args
    )


def _lasting_loop(step: Step) -> Step:
    """One that outlives the process which makes it: nobody has it open yet."""
    return replace(step, args={**step.args, "stays": True}) if step.op == "loop-attach" else step


def boot_half(steps: Sequence[Step]) -> tuple[Step, ...]:
    """What a boot performs; loop devices, which are made once, are opened then."""
    opened = [_loop_open(step, boot=True) for step in steps if step.op == "loop-attach"]
    return (*opened, *(step for step in steps if step.boot))


# What controllers learned later, arguments and operations: each is a feature that they tell.
_LEARNED = frozenset({"owner", "lock-inside", "screen-tree"})


def beyond(steps: Iterable[Step], features: Iterable[str]) -> Step | None:
    """A step that a controller with these features cannot perform, and may not leave out."""
    return next((one for one in steps if one.op in _OF_A_PORT.difference(features)), None)


def understood(steps: Sequence[Step], features: Iterable[str]) -> tuple[Step, ...]:
    """``steps`` for a controller with these features, which may be of an earlier version."""
    unknown = _LEARNED.difference(features)
    return tuple(
        replace(step, args={name: step.args[name] for name in step.args if name not in unknown})
        for step in steps
        if step.op not in unknown
    )


def _loop_open(step: Step, *, boot: bool) -> Step:
    return Step(
        name=f"open the loop device of {step.args['path']}",
        side="controller",
        op="loop-open",
        args={"key": step.args["key"], "tag": step.args["tag"]},
        text="it is there as long as the container runs",
        boot=boot,
        kernel="the descriptor ends with the process",
    )


def _on_dev(step: Step) -> bool:
    return bool(step.args["key"] == "dev")


def _ordered(steps: list[Step]) -> tuple[Step, ...]:
    """The host's first: what is made there is attached inside."""
    return (
        *(step for step in steps if step.side != "init"),
        *(step for step in steps if step.side == "init"),
    )


def _record(step: Step) -> Record:
    """A step that is performed again as it was."""
    return {"step": step.name, "op": step.op, "args": dict(step.args)}


def _undo_of(step: Step) -> Record:
    assert step.undo is not None
    op = _IN_FULL.get(step.undo.op, step.undo.op)
    return {"step": step.name, "op": op, "args": dict(step.undo.args)}


def _node_away(step: Step, init: tuple[int, int]) -> Record:
    args = {name: step.args[name] for name in ("kind", "major", "minor") if name in step.args}
    where = {"pid": init[0], "starttime": init[1], "path": f"/dev/{step.args['path']}"}
    return {"step": step.name, "op": "remove-node", "args": where | args}


def _detach(step: Step) -> Step:
    target = step.args["target"]
    return Step(
        name=f"detach {target}",
        side="init",
        op="detach",
        args={"target": target},
        text="unmount it, unless it is in use",
        kernel="removes only",
    )


# What steps of a start find made, and has to be found in a container that runs


def _providers(steps: Sequence[Step], after: Sequence[Step]) -> Iterator[Step]:
    """Steps that open what others of the start had made."""
    made = {step.args["key"] for step in steps if step.op in _MAKES}
    makers = {step.args["key"]: step for step in after if step.op in _MAKES}
    for key in dict.fromkeys(key for step in steps for key in _uses(step)):
        if key not in made:
            maker = makers.get(key)
            if maker is not None:
                yield _provider(key, maker)


def _uses(step: Step) -> Iterator[str]:
    for name in _KEYS:
        value = step.args.get(name)
        if isinstance(value, str) and not (name == "key" and step.op in _MAKES):
            yield value
    for _, key in step.args.get("slots") or ():
        yield key


def _provider(key: str, maker: Step) -> Step:
    if maker.op == "open-ns":
        path = str(maker.args["path"]).replace(STAGE, INIT)
        return replace(maker, args={**maker.args, "path": path})
    if key == "dev":
        return _open(key, "open-guest", {"pid": INIT, "path": "/dev"}, "as it is now")
    if maker.op == "loop-attach":
        return _loop_open(maker, boot=False)
    raise AtStartOnly(maker)


def _open(key: str, op: str, args: Mapping[str, Any], text: str) -> Step:
    return Step(
        name=f"open {key} of the container",
        side="controller",
        op=op,
        args={"key": key, **args},
        text=text,
        kernel="the descriptor ends with the process",
    )
