"""Steps of init, and the reasons why nothing of them has to be undone."""

from __future__ import annotations

from virtlxc.plan.steps import Args, Step

FREED = "freed with its last descriptor or mount"
WITH_MOUNTS = "goes with the mount namespace"
WITH_DEV = "goes with /dev"


def step(name: str, op: str, args: Args, text: str, kernel: str = WITH_MOUNTS) -> Step:
    """What init does in every boot."""
    return Step(name=name, side="init", op=op, args=args, text=text, boot=True, kernel=kernel)


def mount(
    fstype: str,
    target: str,
    text: str,
    attrs: list[str],
    *,
    source: str | None = None,
    options: list[list[str]] | None = None,
    create: str | None = None,
    **more: bool,
) -> Step:
    """A file system of the kernel's at ``target``; ``more`` are arguments of the operation."""
    args = {
        "fstype": fstype,
        "target": target,
        "source": source or fstype,
        "options": options or [],
        "attrs": attrs,
        "create": create,
        **more,
    }
    return step(f"mount {target}", "mount", args, text)
