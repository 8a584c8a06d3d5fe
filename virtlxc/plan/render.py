"""A plan as text, for ``virtlxc plan`` and for the golden files."""

from __future__ import annotations

from virtlxc.plan.steps import Plan, Step, describe_args, printable


def render(plan: Plan, *, facts: str = "") -> str:
    """The steps, numbered and grouped by side. ``facts`` says where the host's facts are from.

    Each step takes two or three lines: what it does, the operation, and its undo if it has one. A
    ``+`` marks those that a reboot from inside performs again.
    """
    lines = [f"plan of domain '{plan.name}'" + (f", with facts {facts}" if facts else "")]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    number = 0
    for phase, (side, steps) in enumerate(plan.phases()):
        lines += ["", f"phase {phase}: {side}"]
        for step in steps:
            number += 1
            lines += _step(number, step)
    return "\n".join(lines) + "\n"


def _step(number: int, step: Step) -> list[str]:
    mark = "+" if step.boot else " "
    lines = [
        f"{number:4}{mark} {step.name}: {printable(step.text)}",
        f"        {step.op} {describe_args(step.args)}".rstrip(),
    ]
    if step.undo is not None:
        late = "later, " if step.undo.late else ""
        lines.append(f"        undo: {late}{step.undo.op} {describe_args(step.undo.args)}".rstrip())
    return lines
