"""A driver of its own whose starts wait at a FIFO: run by tests inside an instance's namespaces.

``python -m tests.host.held_start ROOT SIDE [forever]``: defines a domain, starts it in one thread,
destroys it from another while the start waits, and prints how both ended as JSON. With ``forever``
it destroys nothing: the caller kills us.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests import rootfs
from tests.host.lifelab import document
from virtlxc import plan as planning
from virtlxc.config import Config
from virtlxc.driver.driver import Driver
from virtlxc.driver.life import starting
from virtlxc.errors import VirtlxcError
from virtlxc.paths import Paths
from virtlxc.plan.steps import Plan, Step


def hold(plan: Plan, side: str, fifo: str) -> Plan:
    """The plan with a step that waits for a writer, before the first one of ``side``."""
    at = min(index for index, step in enumerate(plan.steps) if step.side == side)
    step = Step(
        name="wait",
        side=side,
        op="open",
        args={"key": "held", "path": fifo, "flags": "r"},
        text="for a writer",
        kernel="a test's",
    )
    return replace(plan, steps=(*plan.steps[:at], step, *plan.steps[at:]))


def descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from descendants(child)


def stands(pid: int) -> bool:
    """Whether a process waits for the other side of a FIFO."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text() == "wait_for_partner"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main(root: str, side: str, forever: str = "") -> None:
    fifo = f"{root}/fifo"
    os.mkfifo(fifo)
    tree = rootfs.make_busybox(Path(root, "held"))
    driver = Driver(Paths(root), Config())
    driver.start()
    plan_start = planning.plan_start
    vars(starting)["plan_start"] = lambda *given: hold(plan_start(*given), side, fifo)
    ref = driver.domains.define(document("held", tree, "/sbin/init", "")).ref
    found: dict[str, Any] = {}

    def start() -> None:
        try:
            driver.domains.start(ref)
            found["start"] = "ok"
        except VirtlxcError as error:
            found["start"] = error.message

    thread = threading.Thread(target=start)
    thread.start()
    while not any(map(stands, descendants(os.getpid()))):
        assert "start" not in found, found
        time.sleep(0.01)
    if forever:
        print("held", flush=True)
        signal.pause()
    driver.domains.destroy(ref)
    thread.join(60)
    found["state"] = driver.domains.state(ref)
    found["run"] = [name for name in os.listdir(driver.paths.run) if name.count("-") == 4]
    driver.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
