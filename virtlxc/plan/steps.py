"""What a start consists of: steps, and the plan that lists them.

A plan is data. The daemon prints it, tests compare it, the runtime performs it. The order of the
list is the order of the start; neighbours of one side are a phase, and at each border the sides
wait for each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

PROTO = 1

# What the performer of a step puts in place of a placeholder; NUL is in no real path or name.
CONTROLLER = "\0controller\0"
STAGE = "\0stage\0"
INIT = "\0init\0"

SIDES = ("daemon", "controller", "stage", "init")

Args = Mapping[str, Any]  # values that JSON knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """The operation that takes a step back. ``late``: only once the controller has gone."""

    op: str
    args: Args
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One effect of a start.

    ``name`` is a verb and its object, ``text`` tells a person what is done. ``boot`` steps are
    performed again when the container reboots from inside. Either ``undo`` takes the effect back,
    or ``kernel`` says why nothing has to.
    """

    name: str
    side: str
    op: str
    args: Args
    text: str
    boot: bool = False
    undo: Undo | None = None
    kernel: str = ""

    def __post_init__(self) -> None:
        assert self.side in SIDES, self.side
        assert (self.undo is None) == bool(self.kernel), f"{self.name}: undo, or the reason why not"

    def to_json(self) -> dict[str, Any]:
        undo: dict[str, Any] | None = None
        if self.undo is not None:
            undo = {"op": self.undo.op, "args": dict(self.undo.args)}
            if self.undo.late:
                undo["late"] = True
        return {
            "name": self.name,
            "side": self.side,
            "op": self.op,
            "args": dict(self.args),
            "boot": self.boot,
            "text": self.text,
            "undo": undo,
            "kernel": self.kernel,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        undo = data["undo"]
        return cls(
            name=data["name"],
            side=data["side"],
            op=data["op"],
            args=data["args"],
            text=data["text"],
            boot=data["boot"],
            undo=None
            if undo is None
            else Undo(op=undo["op"], args=undo["args"], late=undo.get("late", False)),
            kernel=data["kernel"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A control group: where its hierarchy is mounted, and its path below that."""

    mount: str
    path: str

    def below(self, name: str) -> Group:
        return Group(mount=self.mount, path=f"{self.path}/{name}")

    def to_json(self) -> dict[str, str]:
        return {"mount": self.mount, "path": self.path}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is needed to start one domain, and to know it afterwards.

    Paths may contain placeholders (:data:`CONTROLLER`), in ``leaf``, ``born``, ``v1`` and the
    steps. ``born`` is the group that the controller is born in, made by steps of the daemon; ``v1``
    maps a controller of cgroup v1 to the group that has the domain's limits; ``links`` are (name on
    the host, name inside) in the order of the domain's interfaces; ``fds`` the keys of descriptors
    that are passed along; ``init_kind`` tells how to ask it to shut down.
    """

    name: str
    uuid: str
    run: str
    log: str
    title: str
    consoles: int
    on_poweroff: str
    on_reboot: str
    leaf: Group
    born: Group | None = None
    v1: Mapping[str, Group] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    fds: tuple[str, ...] = ()
    init_path: str = ""
    init_kind: str = "other"
    warnings: tuple[str, ...] = ()
    log_bytes: int = 2 << 20
    log_files: int = 3
    steps: tuple[Step, ...] = ()

    @property
    def payload(self) -> Group:
        """The group with the limits, the device program, freeze and kill."""
        return self.leaf.below("payload")

    def phases(self) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """Neighbouring steps of one side, with the side's name; the index is the phase."""
        for side, steps in groupby(self.steps, key=lambda step: step.side):
            yield side, tuple(steps)

    def to_json(self) -> dict[str, Any]:
        return {
            "proto": PROTO,
            "domain": {"name": self.name, "uuid": self.uuid},
            "run": self.run,
            "sock": f"{self.run}/sock",
            "log": self.log,
            "log_bytes": self.log_bytes,
            "log_files": self.log_files,
            "title": self.title,
            "consoles": self.consoles,
            "on_poweroff": self.on_poweroff,
            "on_reboot": self.on_reboot,
            "leaf": self.leaf.to_json(),
            "born": None if self.born is None else self.born.to_json(),
            "kill": self.payload.to_json(),
            "v1": {controller: group.to_json() for controller, group in self.v1.items()},
            "links": [list(pair) for pair in self.links],
            "fds": list(self.fds),
            "init": {"path": self.init_path, "kind": self.init_kind},
            "warnings": list(self.warnings),
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            name=data["domain"]["name"],
            uuid=data["domain"]["uuid"],
            run=data["run"],
            log=data["log"],
            log_bytes=data["log_bytes"],
            log_files=data["log_files"],
            title=data["title"],
            consoles=data["consoles"],
            on_poweroff=data["on_poweroff"],
            on_reboot=data["on_reboot"],
            leaf=Group(**data["leaf"]),
            born=None if data["born"] is None else Group(**data["born"]),
            v1={controller: Group(**group) for controller, group in data["v1"].items()},
            links=tuple((host, guest) for host, guest in data["links"]),
            fds=tuple(data["fds"]),
            init_path=data["init"]["path"],
            init_kind=data["init"]["kind"],
            warnings=tuple(data["warnings"]),
            steps=tuple(Step.from_json(step) for step in data["steps"]),
        )


def printable(value: str) -> str:
    """Placeholders as a person reads them: ``<controller>``."""
    for placeholder in (CONTROLLER, STAGE, INIT):
        value = value.replace(placeholder, f"<{placeholder.strip(chr(0))}>")
    return value


def describe_args(args: Args) -> str:
    """``path="/x" mode=493``; what says nothing (null, empty) is left out, programs are counted."""
    words = []
    for key, value in args.items():
        if value is None or value == [] or value == "":
            continue
        if key == "insns":
            words.append(f"{key}=<{len(value) // 16} instructions>")
        elif isinstance(value, Mapping) and "insns" in value:
            words.append(f"{key}={{{describe_args(value)}}}")
        elif key == "mode" and isinstance(value, int):
            words.append(f"{key}={value:#o}")
        else:
            shown = json.dumps(value, ensure_ascii=False).replace("\\u0000", "\0")
            words.append(f"{key}={printable(shown)}")
    return " ".join(words)
