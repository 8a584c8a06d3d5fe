"""A domain as the driver knows it: definitions, run state, and the lock for changes.

Everything that is read is frozen and replaced as a whole, so that a query sees one moment of a
domain without taking a lock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from virtlxc.driver.constants import Reason, State
from virtlxc.driver.jobs import Job
from virtlxc.driver.ref import Ref, make_ref
from virtlxc.host.facts import Source, StartFacts
from virtlxc.model import Aliases, Domain
from virtlxc.plan.steps import Group, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for a later one: pid and start time in clock ticks."""

    pid: int
    starttime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one start made. A boot from inside changes ``init`` and counts ``boots`` up.

    ``leaf`` is the domain's group on cgroup2, ``v1`` the one of each controller of cgroup v1;
    ``links`` are (name on the host, name inside) in the order of the definition's interfaces, and
    ``bridges`` those of the virtual networks they are on (None for other interfaces);
    ``ptys`` the host's names of the consoles; ``aliases`` the names of its devices; ``fds`` counts
    the descriptors that init inherited; ``changes`` how often devices were changed since the start;
    ``sources`` and ``usb`` are what lay at the host's paths that its devices name, and which nodes
    USB devices had, when they were given to it: the host may lose or renumber them;
    ``undo`` takes back the daemon's own steps, and those of such changes.
    """

    controller: Process
    init: Process
    boot_id: str
    started: float
    booted: float
    boots: int = 1
    leaf: Group
    v1: Mapping[str, Group] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    bridges: tuple[str | None, ...] = ()
    ptys: tuple[str, ...] = ()
    aliases: Aliases = field(default_factory=Aliases)
    fds: int = 0
    changes: int = 0
    sources: tuple[Source, ...] = ()
    usb: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    autodestroy: bool = False
    undo: tuple[dict[str, Any], ...] = ()

    @property
    def payload(self) -> Group:
        """The group with the limits, the freezer and the kill switch."""
        return self.leaf.below("payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of a domain.

    ``config`` is the persistent definition, None for a transient domain; ``live`` is the one that
    runs. ``status`` is the sentence of ``domstate --reason``; ``warnings`` are what its define or
    start had to say. ``waiting`` is the definition that a crashed domain will be restarted from.
    """

    name: str
    uuid: str
    config: Domain | None = None
    live: Domain | None = None
    waiting: Domain | None = None
    run: Run | None = None
    state: int = State.SHUTOFF
    reason: int = Reason.UNKNOWN
    autostart: bool = False
    updated: bool = False
    status: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.run is not None

    @property
    def persistent(self) -> bool:
        return self.config is not None

    @property
    def id(self) -> int:
        return self.run.init.pid if self.run else -1

    @property
    def ref(self) -> Ref:
        return make_ref(self.name, self.uuid, self.id)

    @property
    def current(self) -> Domain:
        """The definition that a question without flags is about."""
        definition = self.live or self.config or self.waiting
        assert definition is not None
        return definition

    def stopped(self, reason: int, status: str, state: int = State.SHUTOFF) -> View:
        """This domain after its run."""
        return replace(
            self, run=None, live=None, state=state, reason=reason, status=status, updated=False
        )


@dataclass(slots=True)
class PlanMemo:
    """The last plan of a domain, and what it was made of."""

    given: tuple[Any, ...] = ()
    plan: Plan | None = None
    facts: StartFacts | None = None


class Entry:
    """The place of one domain: its view, its job, and what only the running daemon knows."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.job = Job()
        self.owner: object = None
        self.asked: Process | None = None
        self.backoff = Backoff()
        self.memo = PlanMemo()

    @property
    def gone(self) -> bool:
        """Whether nothing holds this domain in the list any more."""
        view = self.view
        return not (view.active or view.persistent or view.waiting)


class Backoff:
    """How long a crashed domain waits before its next start: 1, 2, 4 .. 60 seconds.

    A run of a minute or more counts as healthy: the next crash begins at one second again.
    """

    FIRST = 1.0
    LONGEST = 60.0
    HEALTHY = 60.0

    def __init__(self) -> None:
        self._last = 0.0

    def next(self, uptime: float) -> float:
        """The wait after a crash that came ``uptime`` seconds after the last boot."""
        if uptime >= self.HEALTHY or self._last == 0.0:
            self._last = self.FIRST
        else:
            self._last = min(self._last * 2, self.LONGEST)
        return self._last

    def reset(self) -> None:
        self._last = 0.0


def now() -> float:
    """Seconds since the epoch, as live state has them."""
    return time.time()
