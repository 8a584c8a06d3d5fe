"""A start that fails or is killed anywhere leaves nothing.

A step is made to fail by one more step behind it, which opens a path that is not there; a process
is held at a step by one more step, which opens a FIFO that nobody writes to, and is killed there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime_plans import Ground, begin, link_names, make_plan, step
from virtlxc.runtime import syscalls
from virtlxc.runtime.client import Spawner, StartChannel, await_end
from virtlxc.runtime.journal import replay_journal
from virtlxc.runtime.protocol import Failed

pytestmark = pytest.mark.host


@contextlib.contextmanager
def other_network() -> Iterator[None]:
    """A network namespace of the test's own, with a bridge ``br-test``."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    try:
        subprocess.run(["ip", "link", "add", "br-test", "type", "bridge"], check=True)
        yield
    finally:
        syscalls.setns(home, syscalls.CLONE_NEWNET)
        os.close(home)


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    with other_network():
        yield


@pytest.fixture
def spawner(network: None) -> Iterator[Spawner]:
    made = Spawner()
    made.start()
    yield made
    made.close()


@pytest.fixture
def ground(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = Ground(tmp_path, f"f{abs(hash(request.node.name)) % 100000}", 0)
    yield made
    made.clean_up()


def a_plan(ground: Ground, userns: bool) -> dict[str, Any]:
    init = ground.script("/init.sh", "#!/bin/sh\nexec sleep 1000\n")
    return make_plan(ground, [init], userns=userns, bridge="br-test")


def children(pid: int) -> set[int]:
    try:
        listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return set()
    return {int(child) for child in listing.split()}


def assert_nothing_left(ground: Ground, what: str) -> None:
    """Soon: no cgroup, file, mount, link."""
    deadline = time.monotonic() + 60
    host = link_names(ground)[0]
    while True:
        found = ground.leftovers()
        if subprocess.run(["ip", "link", "show", host], capture_output=True).returncode == 0:
            found.append(f"link {host}")
        if not found:
            return
        assert time.monotonic() < deadline, f"after {what}: {found}"
        time.sleep(0.02)


def variants(
    plan: dict[str, Any], make: Callable[[str], dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The plan with one more step behind each of its steps, on the same side."""
    seen = set()
    for number, row in enumerate(plan["steps"]):
        # Twenty mkdirs in v1 hierarchies are one case.
        kind = (row["side"], row["op"], row["args"].get("mount") == plan["kill"]["mount"])
        if kind in seen or row["op"] in ("fork-init", "exec"):
            continue
        seen.add(kind)
        steps = list(plan["steps"])
        side = row["side"] if row["op"] != "fork-stage" else "stage"
        steps.insert(number + 1, make(side))
        yield f"{row['side']}: {row['name']}", {**plan, "steps": steps}


@pytest.mark.parametrize("userns", [False, True])
@pytest.mark.kernel
def test_failing_after_every_step(spawner: Spawner, ground: Ground, userns: bool) -> None:
    def broken(side: str) -> dict[str, Any]:
        return step(side, "open", boot=True, key="x", path="/nowhere/to be found")

    for what, plan in variants(a_plan(ground, userns), broken):
        with pytest.raises(Failed) as failed:
            begin(spawner, plan).result(20)
        assert failed.value.step == "open", f"{what}: {failed.value!r}"
        assert (failed.value.errno, failed.value.path) == (2, "/nowhere/to be found")
        assert failed.value.side == what.partition(":")[0].replace(
            "controller" if "fork-stage" in what else "-", "stage"
        )
        assert_nothing_left(ground, what)
    assert children(spawner.pid) == set()


def test_an_init_that_cannot_be_executed(spawner: Spawner, ground: Ground) -> None:
    plan = a_plan(ground, True)
    plan["steps"][-1]["args"]["argv"] = ["/etc/passwd"]
    with pytest.raises(Failed, match="exec: /etc/passwd: Permission denied"):
        begin(spawner, plan).result(20)
    assert_nothing_left(ground, "exec")


class Held:
    """A start that hangs at a FIFO opened by one of its processes."""

    def __init__(self, spawner: Spawner, ground: Ground, plan: dict[str, Any], side: str) -> None:
        self.channel: StartChannel = begin(spawner, plan)
        self.controller = int(self.channel.controller()["pid"])
        self.pids = {"spawner": spawner.pid, "controller": self.controller}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for pid in children(self.controller):
                comm = Path(f"/proc/{pid}/wchan").read_text()
                if comm == "wait_for_partner":
                    self.pids[side if side != "controller" else "performer"] = pid
                elif side != "controller":
                    self.pids["performer"] = pid
                else:
                    self.pids["stage"] = pid
            if (side if side != "controller" else "performer") in self.pids:
                return
            time.sleep(0.005)
        with pytest.raises(Failed) as failed:
            self.channel.result(1)
        raise AssertionError(f"nobody waits at the FIFO: {self.pids}, {failed.value!r}")


@pytest.mark.parametrize(
    "victim", ["controller", "performer", "stage", "init", "daemon", "spawner"]
)
def test_killed_after_every_step(
    spawner: Spawner, ground: Ground, victim: str, tmp_path: Path
) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)

    def held(side: str) -> dict[str, Any]:
        return step(side, "open", boot=True, key="x", path=fifo)

    tried = 0
    for what, plan in variants(a_plan(ground, False), held):
        if what.startswith("daemon"):
            continue
        side = "stage" if what == "controller: fork-stage" else what.partition(":")[0]
        if side == "init" and what.split(": ")[1] in (
            "pivot",
            "lo-up",
            "hostname",
            "keyring",
            "console",
            "caps",
            "link-up",
        ):
            continue  # the FIFO is the host's
        if victim in ("stage", "init") and side != victim:
            continue
        start = Held(spawner, ground, plan, side)
        if victim == "daemon":
            start.channel._channel.close()
            assert await_end(start.channel.pidfd, 10), f"{what}: the controller stays"
            assert replay_journal(str(ground.run / "journal")) == []
        elif victim == "spawner":
            os.kill(spawner.pid, signal.SIGKILL)
            assert await_end(spawner.fileno(), 5)
            assert not spawner.alive()
            spawner.start()
            start.channel.abort()
        else:
            os.kill(start.pids[victim], signal.SIGKILL)
        if victim != "daemon":
            with pytest.raises(Failed, match=r"killed during the start|given up|is gone"):
                start.channel.result(20)
        gone = [pid for pid in start.pids.values() if pid != start.pids["spawner"]]
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in gone):
            assert time.monotonic() < deadline, f"{what}: {start.pids} live on"
            time.sleep(0.01)
        assert_nothing_left(ground, f"{victim} killed at {what}")
        start.channel.close()
        tried += 1
    assert tried >= 2  # the stage has that many steps where no cgroup v1 is


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
