"""What every part of the driver works with, and how a change of a domain begins."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from virtlxc.config import Config
from virtlxc.driver import refusals
from virtlxc.driver.domain.domain import Entry, Process, View
from virtlxc.driver.domain.registry import Registry
from virtlxc.driver.domain.store import Store
from virtlxc.driver.events import EventBus, Lifecycle
from virtlxc.driver.jobs import Ticket
from virtlxc.driver.ref import Ref
from virtlxc.errors import KernelRefused, VirtlxcError
from virtlxc.paths import Paths

if TYPE_CHECKING:
    from virtlxc.driver.life.departed import Departed
    from virtlxc.driver.life.monitor import Monitor
    from virtlxc.driver.life.restarts import Restarts
    from virtlxc.driver.life.spawning import Spawning
    from virtlxc.driver.network.networks import Networks
    from virtlxc.driver.node.hostview import HostView

log = logging.getLogger("virtlxc")


class Core:
    """The parts of one driver; set by :class:`virtlxc.driver.driver.Driver` before any call."""

    spawning: Spawning
    monitor: Monitor
    restarts: Restarts
    departed: Departed
    host: HostView
    networks: Networks

    host_ends = False
    """While everything is being stopped: what ends is not started again."""

    def __init__(self, paths: Paths, config: Config) -> None:
        self.paths = paths
        self.config = config
        self.store = Store(paths)
        self.registry = Registry()
        self.events = EventBus()
        # The controllers of containers that nothing else is known of, by UUID; see life/lost.py.
        self.lost: dict[str, Process] = {}

    def view(self, ref: Ref) -> View:
        return self.registry.view(ref)

    def active(self, ref: Ref) -> View:
        """The domain, which must run; raises OPERATION_INVALID."""
        view = self.registry.view(ref)
        if not view.active:
            raise refusals.not_running()
        return view

    @contextlib.contextmanager
    def changing(self, ref: Ref, what: str) -> Iterator[tuple[Entry, Ticket]]:
        """Holds the job of an existing domain for ``what``, a word for messages."""
        entry = self.registry.entry(ref)
        with entry.job.hold(what, entry.view.name) as ticket:
            if not self.registry.holds(entry):
                raise refusals.no_domain_with_uuid(ref.uuid_text, ref.name)
            yield entry, ticket

    @contextlib.contextmanager
    def claiming(self, view: View, what: str) -> Iterator[tuple[Entry, Ticket]]:
        """Holds the job of the domain with ``view``'s name and UUID, new or not.

        A new one that is not published inside leaves nothing behind.
        """
        while True:
            entry, new = self.registry.claim(view)
            with entry.job.hold(what, view.name) as ticket:
                if not new and not self.registry.holds(entry):
                    continue
                try:
                    yield entry, ticket
                finally:
                    self.registry.release(entry)
                return

    def tell(self, view: View, event: int, detail: int) -> None:
        self.events.emit(Lifecycle(view.ref, event, detail))


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Puts ``what`` ("cannot start domain 'web1'") before the cause of what fails inside."""
    try:
        yield
    except VirtlxcError as error:
        if error.message.startswith(what):
            raise
        text = f"{what}: {error.message}"
        raise VirtlxcError(text, error.code, error.domain, error.errno) from None
    except KernelRefused as error:
        raise VirtlxcError(f"{what}: {error}") from None
