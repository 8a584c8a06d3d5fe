"""What has to be undone, on disk before it is done.

The journal of a start is one file, ``{"proto": 1, "kill": {mount, path} | null, "undo": [RECORD]}``
with RECORD = {"step", "op", "args", "late"?}, in the order of the plan, written in one write. The
controller undoes it itself when it ends; the daemon replays it when the controller was killed.
``"controller": {pid, starttime}`` says whose it is, while that one lives.
Replaying is idempotent, and every undo checks that what it removes is what was made.
"""

from __future__ import annotations

import os
import time

from .disk import replace
from .lean import parse, unparse
from .protocol import PROTO, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Failures that patience may mend are tried again for this long, in seconds.
_PATIENCE = 1.0


def undo_records(
    plan: dict[str, Any], pids: dict[str, int], steps: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The undo of every step that has one, in the order of the steps (default: all of the plan).

    Undos that name a process not known yet are left out: that process can only have been killed.
    """
    records = []
    for step in plan["steps"] if steps is None else steps:
        undo = step.get("undo")
        if not undo:
            continue
        args = resolve(undo.get("args", {}), pids)
        if any(isinstance(value, str) and "\0" in value for value in args.values()):
            continue
        record = {"step": step["name"], "op": undo["op"], "args": args}
        if undo.get("late"):
            record["late"] = True
        records.append(record)
    return records


def write_journal(
    path: str,
    records: list[dict[str, Any]],
    kill: dict[str, str] | None = None,
    controller: dict[str, int] | None = None,
) -> None:
    """Write the journal, or remove it when nothing is left to undo."""
    if records:
        data = {"proto": PROTO, "controller": controller, "kill": kill, "undo": records}
        replace(path, unparse(data))
    else:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return


def undo(records: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Perform undo records in reverse; returns those refused, with the reason."""
    from .ops import OPS
    from .ops.context import Context, StepError

    ctx = Context("undo", {})
    refused = []
    for record in reversed(records):
        try:
            OPS[record["op"]](ctx, **record["args"])
        except (OSError, StepError) as error:
            refused.append((record, str(error)))
        except (KeyError, TypeError) as error:
            refused.append((record, f"cannot be undone by this version: {error!r}"))
    refused.reverse()
    return refused


def read_journal(path: str) -> dict[str, Any] | None:
    """The journal at ``path``; None when there is none."""
    try:
        with open(path, "rb") as file:
            data = parse(file.read())
    except FileNotFoundError:
        return None
    return data if isinstance(data, dict) else None


def replay_journal(path: str) -> list[str]:
    """Undo what a killed or finished controller left, for the daemon; idempotent.

    Only to be called when the controller is gone: its domain ends with it, so whatever runs in its
    payload cgroup is killed first. Returns what was refused, one line each; the journal then keeps
    those records, and is removed when there are none.
    """
    journal = read_journal(path)
    if journal is None:
        return []
    kill = journal.get("kill")
    if kill:
        _end_processes(kill)
    records = journal.get("undo", [])
    refused = undo(records)
    deadline = time.monotonic() + _PATIENCE
    while refused and time.monotonic() < deadline:
        time.sleep(0.02)
        refused = undo([record for record, _ in refused])
    write_journal(path, [record for record, _ in refused], kill)
    return [f"{record['step']}: {reason}" for record, reason in refused]


def _end_processes(kill: dict[str, str]) -> None:
    from .ops.cgroups import await_empty, kill_tree

    folder = kill["mount"] + kill["path"]
    if kill_tree(folder):
        await_empty(folder, _PATIENCE)
