"""Every effect of a start is a step: an strace of one shows no other.

The planner puts a mark behind each step, the opening of a file with the step's number. What a
process does between two marks it did for the step of the second; what is no business of that step's
operation, or stands where no step is performed, is an effect that no plan tells of.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness import wait_for
from tests.host.faultlab import FaultLab, FaultyInstance

pytestmark = pytest.mark.host

# What counts as an effect, by system call.
EFFECTS = {
    "mkdir": "mkdir", "mkdirat": "mkdir",
    "mknod": "node", "mknodat": "node", "symlink": "node", "symlinkat": "node", "link": "node",
    "linkat": "node",
    "mount": "mount", "umount2": "mount", "move_mount": "mount", "open_tree": "mount",
    "fsopen": "mount", "fsmount": "mount", "mount_setattr": "mount", "pivot_root": "mount",
    "chroot": "mount",
    "clone": "process", "clone3": "process", "fork": "process", "vfork": "process",
    "unshare": "process", "setns": "process",
    "bpf": "program",
    "sethostname": "name", "setdomainname": "name",
    "write": "file", "pwrite64": "file",
    "sendto": "netlink", "sendmsg": "netlink",
}  # fmt: skip

# Which of them each operation may have; the other operations have none.
OPERATIONS = {
    "mkdir": {"mkdir"},
    "cgroup-mkdir": {"mkdir"},
    "cgroup-write": {"cgroup"},
    "cgroup-inherit": {"cgroup"},
    "cgroup-enable": {"cgroup"},
    "cgroup-attach": {"cgroup"},
    "cgroup-enter": {"cgroup"},
    "bpf-device": {"program"},
    "open-tree": {"mount"},
    "mount-attr": {"mount"},
    "lock-tree": {"mount", "process"},
    "lock-inside": {"mount", "process"},
    "new-mount": {"mount"},
    "node": {"mkdir", "node"},
    "fork-stage": {"process"},
    "fork-init": {"process"},
    "join-ns": {"process"},
    "unshare": {"process"},
    "link-veth": {"netlink"},
    "link-macvlan": {"netlink"},
    "link-readdress": {"netlink"},
    "link-lend": {"netlink"},
    "link-rate": {"netlink", "program"},
    "pin-ns": {"mount"},
    "shift-tree": {"mount"},
    "overlay": {"mount", "mkdir", "process"},
    "screen-tree": {"mount", "process"},
    "private-mounts": {"mount"},
    "attach": {"mount", "mkdir", "node"},
    "attach-root": {"mount"},
    "mount": {"mount", "mkdir"},
    "bind-inside": {"mount", "mkdir", "node"},
    "remount": {"mount"},
    "mask": {"mount"},
    "pivot": {"mount"},
    "lo-up": {"netlink"},
    "link-up": {"netlink"},
    "address": {"netlink"},
    "route": {"netlink"},
    "hostname": {"name"},
    "id-map": {"proc"},
    "sysctl": {"proc"},
}
# What these do is done by a process of their own, which sets no marks.
ASIDE = {"lock-tree", "lock-inside", "overlay", "screen-tree"}
# What may happen outside steps: the spawner forks the controller, that forks its performer.
FORKS = {"spawner": 1, "controller": 1}

_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_EXECUTED = re.compile(r"^(\d+) +(execve\(|<\.\.\. execve resumed>).*= 0$")
_REQUEST = re.compile(r"nlmsg_type=(RTM_\w+|0x[0-9a-f]+)")
_GET = 2  # of four neighbouring types of rtnetlink one asks: rtnetlink.h


class Call(NamedTuple):
    """One line of the strace that matters: an effect, or (kind "mark") the end of a step."""

    pid: int
    kind: str
    text: str


def read(trace: Path, marks: Path) -> Iterator[Call]:
    """The effects and marks of an strace; of a process that executes a program, up to there."""
    gone = set()
    for line in trace.read_text("utf-8", "replace").splitlines():
        if executed := _EXECUTED.match(line):
            gone.add(int(executed[1]))
        found = _LINE.match(line)
        if found is None or int(found[1]) in gone:
            continue  # a resumed call, a signal, an exit; or the guest's own program
        pid, call, rest = int(found[1]), found[2], found[3]
        if call == "openat" and f'"{marks}/' in rest:
            yield Call(pid, "mark", rest.split(f'"{marks}/')[1].split('"')[0])
        elif (kind := _kind(call, rest)) is not None:
            yield Call(pid, kind, line[:200])


def _kind(call: str, rest: str) -> str | None:
    """The kind of effect, if it is one: most writes and messages are none."""
    kind = EFFECTS.get(call)
    target = rest.split(",")[0]
    if kind == "file":
        return "cgroup" if "/sys/fs/cgroup" in target else "proc" if "</proc/" in target else None
    if kind == "netlink":
        return kind if "NETLINK" in target and any(map(_changes, _REQUEST.findall(rest))) else None
    return kind


def _changes(request: str) -> bool:
    if request.startswith("RTM_"):
        return not request.startswith("RTM_GET")
    return (int(request, 16) - 16) % 4 != _GET


def trace(lab: FaultLab, name: str, marks: Path, to: Path) -> dict[int, str]:
    """Have a start traced; the processes known by pid."""
    spawner = lab.spawner()
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", "-yy", "-s", "200", "-o", to,
         "-e", f"trace={','.join(EFFECTS)},openat,execve",
         "-p", str(lab.instance.daemon_pid), "-p", str(spawner)],
    )  # fmt: skip
    try:
        wait_for("strace", lambda: _traced(lab.instance.daemon_pid) and _traced(spawner))
        lab.start(lab.refs[name])
        controller = lab.controller(lab.refs[name])
        time.sleep(0.2)  # what a controller does behind the reply is no step either
    finally:
        strace.terminate()
        strace.wait()
    lab.destroy(lab.refs[name])
    assert marks.is_dir()
    return {spawner: "spawner", controller: "controller"}


def _traced(pid: int) -> bool:
    """Every thread of the process has a tracer."""
    texts = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return all("TracerPid:\t0\n" not in text for text in texts)


@pytest.fixture(scope="module")
def lab() -> Iterator[FaultLab]:
    instance = FaultyInstance()
    try:
        yield FaultLab(instance)
    finally:
        instance.close()


@pytest.fixture(scope="module")
def marks(lab: FaultLab) -> Path:
    """The files that marks open, also where init finds them once it has pivoted."""
    root = lab.instance.root
    folder = root / "marks"
    for place in (folder, *(root / name / str(folder).lstrip("/") for name in lab.refs)):
        place.mkdir()
        for number in range(max(map(len, lab.plans.values()))):
            (place / str(number)).touch(0o644)
    (root / "fault.json").write_text(json.dumps({"marks": str(folder)}))
    return folder


def _may_be_silent(step: dict[str, Any]) -> bool:
    """A file is made by opening it, the stage can be init already, something missing or set."""
    return (
        step["args"].get("kind") == "file"
        or step["op"] in ("fork-init", "cgroup-inherit", "cgroup-enable")
        or bool(step["args"].get("optional"))
    )


@pytest.mark.parametrize("name", ["netted", "plain"])
def test_every_effect_of_a_start_is_a_step(
    lab: FaultLab, marks: Path, name: str, tmp_path: Path
) -> None:
    plan = lab.plans[name]
    known = trace(lab, name, marks, tmp_path / "strace")
    pending: dict[int, list[Call]] = {}
    aside: list[Call] = []
    passed: set[int] = set()
    acted: set[int] = set()
    strange: list[str] = []
    calls = list(read(tmp_path / "strace", marks))
    marked = {call.pid for call in calls if call.kind == "mark"}
    for call in calls:
        if call.kind != "mark":
            own = call.pid in marked or call.pid in known
            (pending.setdefault(call.pid, []) if own else aside).append(call)
            continue
        step = plan[int(call.text)]
        passed.add(int(call.text))
        effects = pending.pop(call.pid, [])
        if step["op"] in ASIDE:
            effects, aside = [*effects, *aside], []
        for effect in effects:
            acted.add(int(call.text))
            if effect.kind not in OPERATIONS.get(step["op"], ()):
                strange.append(f"during '{step['name']}' ({step['op']}): {effect.text}")
    strange += [f"outside every step, in a process that sets none: {one.text}" for one in aside]
    for pid, effects in pending.items():
        who = known.get(pid, "?")
        allowed = FORKS.get(who, 0)
        forks = [effect for effect in effects if effect.kind == "process"]
        if len(forks) != len(effects) or len(forks) > allowed:
            strange += [f"outside every step, in {who}: {effect.text}" for effect in effects]
    assert not strange, "\n".join(strange)
    assert passed == set(range(len(plan) - 1)), "some mark was not seen"
    # And the other way round: every step that should have an effect was seen to have one.
    silent = [
        f"{step['name']} ({step['op']})"
        for number, step in enumerate(plan[:-1])
        if step["op"] in OPERATIONS and number not in acted and not _may_be_silent(step)
    ]
    assert not silent, silent
