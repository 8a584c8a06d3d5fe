"""The driver: everything below the wire, put together."""

from __future__ import annotations

from virtlxc.config import Config
from virtlxc.driver.domains import Domains
from virtlxc.driver.events import EventBus
from virtlxc.paths import Paths


class Driver:
    """One instance of virtlxc on a host.

    ``domains``, ``networks``, ``images`` and ``host`` hold the calls of their subjects; ``events``
    tells what happens. Calls may come from any thread once :meth:`start` has returned.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        self.paths = paths
        self.config = config
        self.events = EventBus()
        self.domains = Domains()

    def start(self) -> None:
        """Takes over what runs, loads the definitions, starts what is marked for autostart."""
        raise NotImplementedError

    def stop(self) -> None:
        """Lets go of everything; containers keep running."""
        raise NotImplementedError
