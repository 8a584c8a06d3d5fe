"""Taking back what a run left: the daemon's own steps, and the journal of its controller."""

from __future__ import annotations

from typing import Any

from virtlxc.driver.core import log
from virtlxc.driver.domain.domain import Process
from virtlxc.plan.steps import Plan
from virtlxc.runtime import journal

Records = tuple[dict[str, Any], ...]


def undo_records(plan: Plan, controller: int) -> Records:
    """How the daemon's own steps are taken back, in the order of the plan."""
    own = [step.to_json() for step in plan.steps if step.side == "daemon"]
    return tuple(journal.undo_records({}, {"controller": controller}, own))


def take_back(records: Records, name: str) -> None:
    """Performs undo records, the last first; one that fails does not stop the rest."""
    for record, reason in journal.undo(list(records)):
        log.warning("domain '%s': cannot undo '%s': %s", name, record["step"], reason)


def controller_of(folder: str) -> Process | None:
    """Whose journal is in a folder of live state; None when there is none, or it does not say."""
    found = (journal.read_journal(f"{folder}/journal") or {}).get("controller")
    return Process(pid=found["pid"], starttime=found["starttime"]) if found else None


def replay(folder: str, name: str) -> None:
    """Takes back what a controller, which is gone, has left in its journal."""
    for line in journal.replay_journal(f"{folder}/journal"):
        log.warning("domain '%s': cannot undo '%s'", name, line)
