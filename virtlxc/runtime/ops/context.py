"""What an operation works on: the process that performs it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..lean import Socket
    from .tracing import Tracee


class StepError(Exception):
    """One step was refused: errno (0 when no system call is to blame), path and a sentence."""

    def __init__(self, errno: int, path: str = "", text: str = "") -> None:
        super().__init__(errno, path, text)
        self.errno = errno
        self.path = path
        self.text = text


class Context:
    """The state that operations of one process share; a fork copies it.

    ``keys`` names descriptors (all close-on-exec) that later steps use. ``pids``: host pids of the
    processes of this start by side. ``plan``: the whole plan; ``channel``: the packet socket to the
    child (controller) or to the controller (stage, init); ``report``: the performer's to the
    controller, which no child may hold open. ``enter`` is what a forked child
    calls with its side: it goes on with that side's steps and never comes back. ``phase``: the
    segment being performed. ``again``: the step is one of the boot half, and what it makes is made
    again at a reboot from inside. ``tracee``: init, while the controller traces it.
    """

    def __init__(self, side: str, plan: dict[str, Any]) -> None:
        self.side = side
        self.plan = plan
        self.keys: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self.masters: list[int] = []
        self.channel: Socket | None = None
        self.report: Socket | None = None
        self.listener: Socket | None = None
        self.messages: Socket | None = None
        self.enter: Callable[[Context, str], None] | None = None
        self.phase = 0
        self.stage_fd = -1
        self.is_init = False
        self.forked_last = True
        self.executed: Callable[[], None] | None = None
        self.journalled: Callable[[], None] | None = None
        self.scoped: Callable[[], None] | None = None
        self.boot_keys: set[str] = set()
        self.again = False
        self.title: list[str] = []
        self.tracee: Tracee | None = None

    def put(self, key: str, fd: int) -> None:
        """Keep a descriptor for later steps; one of the same name is closed."""
        old = self.keys.get(key)
        if old is not None:
            os.close(old)
        self.keys[key] = fd
        if self.again:
            self.boot_keys.add(key)

    def key(self, name: str) -> int:
        """The descriptor called ``name``; raises StepError when no step made it."""
        fd = self.keys.get(name)
        if fd is None:
            raise StepError(0, name, f"no earlier step made '{name}'")
        return fd
