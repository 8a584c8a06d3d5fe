"""The host's own network interfaces, lent to a container for as long as it runs.

A namespace that ends destroys what is virtual in it, such as a VLAN. So the container's is pinned
by a mount: whatever is killed, the interface waits there until it is brought back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from virtlxc.model import Hostdev
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step, Undo

# Indexes inside that nobody else gets: the kernel counts from 1, and a guest cannot change one. An
# interface's follows from its name: it stays, whatever else the container is lent or gives back.
_FIRST_INDEX = 1_000_001
_INDEXES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """One interface: ``name`` on the host and inside, ``index`` inside."""

    name: str
    index: int
    hostdev: Hostdev


def loans(scene: Scene) -> tuple[Loan, ...]:
    """What a domain borrows, in its own order."""
    lent = [
        hostdev
        for hostdev in scene.domain.hostdevs
        if hostdev.mode == "capabilities" and hostdev.type == "net" and hostdev.source
    ]
    return tuple(
        Loan(name=hostdev.source or "", index=index_of(hostdev.source or ""), hostdev=hostdev)
        for hostdev in lent
    )


def index_of(name: str) -> int:
    return _FIRST_INDEX + zlib.crc32(name.encode()) % _INDEXES


def pin_path(scene: Scene) -> str:
    """Where the container's network namespace is mounted, if something of the host's is in it."""
    return f"{scene.options.run}/net"


def move(scene: Scene) -> Iterator[Step]:
    """From the host into the container, whose namespace is open under "netns"."""
    found = loans(scene)
    if not found:
        return
    path = pin_path(scene)
    yield Step(
        name="pin the network namespace",
        side="controller",
        op="pin-ns",
        args={"key": "netns", "path": path},
        text="it must outlive every process: an interface of the host's is in it",
        boot=True,
        undo=Undo(op="unpin-ns", args={"path": path}),
    )
    for loan in found:
        nic = scene.start.nics[loan.name]
        yield Step(
            name=f"lend {loan.name}",
            side="controller",
            op="link-lend",
            args={"name": loan.name, "netns": "netns", "index": loan.index},
            text="the host's interface, which comes back at the end",
            boot=True,
            undo=Undo(
                op="link-return",
                args={
                    "path": path,
                    "index": loan.index,
                    "name": loan.name,
                    "mac": nic.mac,
                    "mtu": nic.mtu,
                    "up": nic.up,
                },
            ),
        )
