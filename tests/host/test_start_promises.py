"""What is true when a start answers: looked at before the answer is sent.

The daemon stops itself (SIGSTOP) when the start is done, so that whatever it would do later, for
example in another thread, is not done yet; the container and its controller run on.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controller_link import ControllerLink
from tests.harness import wait_for
from tests.host.faultlab import SHIFT, FaultLab, FaultyInstance, HeldStart
from tests.host.lifelab import RUNNING
from virtlxc.runtime.protocol import start_time

pytestmark = pytest.mark.host

LIMIT = 64 << 20


@pytest.fixture
def lab() -> Iterator[FaultLab]:
    instance = FaultyInstance()
    try:
        yield FaultLab(instance)
    finally:
        (instance.root / "freeze").unlink(missing_ok=True)
        os.kill(instance.daemon_pid, signal.SIGCONT)
        instance.close()


class Frozen:
    """A start of the networked domain whose answer is held back."""

    def __init__(self, lab: FaultLab) -> None:
        self.lab = lab
        (lab.instance.root / "freeze").touch()
        self.start = HeldStart(lab, "netted")
        wait_for("the daemon to stop itself", lambda: _state(lab.instance.daemon_pid) == "T")
        (lab.instance.root / "freeze").unlink()
        self.folder = lab.folder(lab.refs["netted"])
        self.status: dict[str, Any] = json.loads((self.folder / "status.json").read_text())
        self.run: dict[str, Any] = self.status["run"]
        self.init: int = self.run["init"]["pid"]

    def go_on(self) -> None:
        os.kill(self.lab.instance.daemon_pid, signal.SIGCONT)

    def value(self, v1: tuple[str, str], v2: str) -> str:
        """A limit, from the hierarchy that has it: (controller, file) of v1, or the file of v2."""
        controller, file = v1
        group = self.run["v1"].get(controller)
        if group is not None:
            return Path(group["mount"] + group["path"], file).read_text().strip()
        leaf = self.run["leaf"]
        return Path(leaf["mount"] + leaf["path"], "payload", v2).read_text().strip()

    def links(self, *where: str) -> dict[str, dict[str, Any]]:
        text = self.lab.instance.run(*where, "ip", "-j", "address").ok()
        return {link["ifname"]: link for link in json.loads(text)}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_all_of_it_is_there_before_the_answer(lab: FaultLab) -> None:
    frozen = Frozen(lab)
    assert frozen.start.ref is None, "the answer was not held back"
    _init_is_executed(frozen)
    _limits_are_written(frozen)
    _card_is_plugged_in(frozen)
    _state_is_on_disk(frozen)
    _console_is_readable(frozen)
    frozen.go_on()
    assert frozen.start.outcome() == ""
    assert frozen.start.ref is not None and frozen.start.ref[2] == frozen.init
    lab.destroy(lab.refs["netted"])


def _init_is_executed(frozen: Frozen) -> None:
    assert os.readlink(f"/proc/{frozen.init}/exe") == "/bin/busybox"
    status = Path(f"/proc/{frozen.init}/status").read_text()
    assert f"Uid:\t{SHIFT}\t" in status
    assert "NSpid:\t" + f"{frozen.init}\t1\n" in status


def _limits_are_written(frozen: Frozen) -> None:
    assert frozen.value(("memory", "memory.limit_in_bytes"), "memory.max") == str(LIMIT)
    assert frozen.value(("cpu", "cpu.shares"), "cpu.weight") in ("512", "59")
    leaf = frozen.run["leaf"]
    payload = Path(leaf["mount"] + leaf["path"], "payload")
    assert str(frozen.init) in (payload / "init/cgroup.procs").read_text().split()


def _card_is_plugged_in(frozen: Frozen) -> None:
    (inside,) = [
        link
        for name, link in frozen.links("nsenter", f"--net=/proc/{frozen.init}/ns/net").items()
        if name == "eth0"
    ]
    assert inside["address"] == "52:54:00:0f:0f:01"
    assert "UP" in inside["flags"]
    assert [(a["local"], a["prefixlen"]) for a in inside["addr_info"] if a["family"] == "inet"] == [
        ("192.168.122.200", 24)
    ]
    ((host, guest),) = frozen.run["links"]
    outside = frozen.links()[host]
    assert guest == "eth0"
    assert outside["master"].startswith("virbr") and "UP" in outside["flags"]


def _state_is_on_disk(frozen: Frozen) -> None:
    assert frozen.status["name"] == "netted" and frozen.status["state"] == RUNNING
    for who in ("init", "controller"):
        process = frozen.run[who]
        assert start_time(process["pid"]) == process["starttime"]
    assert (frozen.folder / "sock").is_socket()
    assert (frozen.folder / "journal").exists()


def _console_is_readable(frozen: Frozen) -> None:
    with ControllerLink(str(frozen.folder / "sock")) as link:
        hello = link.hello()
        assert hello["init"] == frozen.run["init"] and hello["state"] == "running"
        console = link.console(0)
        seen = b""
        while b"up as netted" not in seen:
            more = console.recv(4096)
            assert more, seen
            seen += more


def test_what_is_on_disk_is_enough_for_another_daemon(lab: FaultLab) -> None:
    """A daemon killed between a start and its answer: the domain runs, and is found."""
    frozen = Frozen(lab)
    lab.instance.kill_daemon()
    lab.instance.start_daemon()
    lab.connect()
    assert "broke" in frozen.start.outcome()
    assert lab.state(lab.refs["netted"])[0] == RUNNING
    assert lab.id(lab.refs["netted"]) == frozen.init
    lab.destroy(lab.refs["netted"])
