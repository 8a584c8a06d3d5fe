"""The daemon with one more step in each plan: ``python -m tests.host.faulty_daemon``.

It is the daemon itself, in whose module the planner is replaced from outside. Each start writes its
plan to ROOT/plan.json and takes the extra step from ROOT/fault.json, if that is there; or a mark
behind each step, for an strace. While there is a ROOT/freeze, the daemon stops itself when a start
is done and its caller does not know yet. A change of a running domain takes an extra step from
ROOT/change-fault.json, among its ``additions`` or ``removals``, and leaves its own steps in
ROOT/change.json.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from virtlxc import daemon
from virtlxc.driver.change import changing
from virtlxc.driver.life import starting
from virtlxc.paths import Paths
from virtlxc.plan import changes
from virtlxc.plan.changes import Change
from virtlxc.plan.steps import Plan, Step

STEP = "fault"


def faulty(plan: Plan, fault: dict[str, Any]) -> Plan:
    """The plan with an ``open`` of ``path`` by ``side`` behind the step number ``after``."""
    step = Step(
        name=STEP,
        side=fault["side"],
        op="open",
        args={"key": STEP, "path": fault["path"]},
        text="of a test",
        boot=fault["side"] != "daemon",
        kernel="the descriptor goes with the process",
    )
    at = fault["after"] + 1
    return replace(plan, steps=(*plan.steps[:at], step, *plan.steps[at:]))


def faulty_change(change: Change, fault: dict[str, Any]) -> Change:
    """The change with an ``open`` of ``path`` behind the step number ``after`` of a part of it."""
    steps = getattr(change, fault["part"])
    step = Step(
        name=STEP,
        side=steps[fault["after"]].side,
        op="open",
        args={"key": STEP, "path": fault["path"]},
        text="of a test",
        kernel="the descriptor goes with the process",
    )
    at = fault["after"] + 1
    part: dict[str, Any] = {fault["part"]: (*steps[:at], step, *steps[at:])}
    return replace(change, **part)


def marked(plan: Plan, folder: str) -> Plan:
    """The plan with an ``open`` of ``folder``/NUMBER behind each step, but for the last."""
    steps: list[Step] = []
    for number, step in enumerate(plan.steps):
        side = {"fork-stage": "controller", "fork-init": "init"}.get(step.op, step.side)
        mark = Step(
            name="mark",
            side=side,
            op="open",
            args={"key": f"mark-{side}", "path": f"{folder}/{number}"},
            text="of a test",
            boot=step.boot,
            kernel="the descriptor goes with the process",
        )
        steps += (step, mark) if step.op != "exec" else (step,)
    return replace(plan, steps=tuple(steps))


def main() -> int:
    """Run the daemon of VIRTLXC_ROOT with such plans."""
    paths = Paths()
    wanted = Path(paths.root, "fault.json")
    planner = starting.make_plan

    def make_plan(*given: Any, **named: Any) -> Plan:
        plan = planner(*given, **named)
        if not named["start_networks"]:
            return plan  # somebody only looks
        Path(paths.root, "plan.json").write_text(json.dumps(plan.to_json()))
        fault = json.loads(wanted.read_text()) if wanted.exists() else {}
        if "marks" in fault:
            return marked(plan, fault["marks"])
        return faulty(plan, fault) if fault else plan

    def difference(*given: Any) -> Change:
        change = compare(*given)
        told = {
            part: [step.to_json() for step in getattr(change, part)]
            for part in ("additions", "removals")
        }
        Path(paths.root, "change.json").write_text(json.dumps(told))
        file = Path(paths.root, "change-fault.json")
        fault = json.loads(file.read_text()) if file.exists() else {}
        if not fault or fault["after"] >= len(told[fault["part"]]):
            return change
        return faulty_change(change, fault)

    def start_definition(*given: Any) -> Any:
        view = start(*given)
        if Path(paths.root, "freeze").exists():
            os.kill(os.getpid(), signal.SIGSTOP)
        return view

    start = starting.start_definition
    compare = changes.difference
    vars(changing).update(difference=difference)
    vars(starting).update(make_plan=make_plan, start_definition=start_definition)
    return daemon.main(paths)


if __name__ == "__main__":
    sys.exit(main())
