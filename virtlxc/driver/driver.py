"""The driver: everything below the wire, put together."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from virtlxc.config import Config
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain.domains import Domains
from virtlxc.driver.images import Images
from virtlxc.driver.life import endings, hostend, reconnect
from virtlxc.driver.life.autostart import Autostart
from virtlxc.driver.life.departed import Departed
from virtlxc.driver.life.machines import Machines
from virtlxc.driver.life.monitor import Monitor
from virtlxc.driver.life.restarts import Restarts
from virtlxc.driver.life.spawning import Spawning
from virtlxc.driver.network.networks import Networks
from virtlxc.driver.network.ports import Plugged
from virtlxc.driver.node.devices import NodeDevices
from virtlxc.driver.node.hostview import HostView
from virtlxc.driver.node.interfaces import HostInterfaces
from virtlxc.driver.node.node import Node
from virtlxc.driver.storage.pools import Pools
from virtlxc.driver.storage.volumes import Volumes
from virtlxc.paths import Paths


class Driver:
    """One instance of virtlxc on a host.

    ``domains``, ``networks``, ``pools``, ``volumes``, ``images`` and ``host`` hold the calls of
    their subjects; ``events`` tells what happens. Calls may come from any thread once
    :meth:`start` has returned.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        self.paths = paths
        self.config = config
        core = self._core = Core(paths, config)
        self.events = core.events
        self.networks = Networks(paths, core.events, interfaces=self._interfaces)
        core.networks = self.networks
        self.pools = Pools(paths, core.events)
        self.volumes = Volumes(self.pools)
        core.host = HostView(paths, core.registry, self.networks)
        core.spawning = Spawning()
        core.departed = Departed()
        core.restarts = Restarts(lambda entry: endings.due(core, entry))
        self.machines = Machines(core)
        self._autostart = Autostart(core)
        self.host = Node(core.host)
        self.node_devices = NodeDevices(core.events, lambda: core.host.facts.uuid)
        self.interfaces = HostInterfaces()
        self.domains = Domains(core)
        self.images = Images(
            paths,
            self.domains,
            self.networks,
            self._taken_ids,
            own_ids=lambda: self._core.host.facts.uids,
        )

    def start(self, *, boot: bool = True) -> None:
        """Takes over what runs, loads the definitions, starts what is marked for autostart.

        Autostart goes on in the background: callers are served meanwhile. ``boot``: there is none
        without.
        """
        core = self._core
        core.store.prepare()
        core.spawning.start()
        core.monitor = Monitor(
            lambda uuid, controller, notice: endings.noticed(core, uuid, controller, notice)
        )
        reconnect.load_definitions(core)
        reconnect.take_over(core)
        self.machines.start()
        self.networks.load()
        self.pools.load()
        self.images.load()
        log.debug("kernel %s, cgroups %s", core.host.facts.kernel, core.host.facts.cgroup.layout)
        if boot:
            threading.Thread(target=self._boot, name="autostart", daemon=True).start()

    def _boot(self) -> None:
        for part in (self.networks.autostart_all, self._autostart.boot):
            try:
                part()
            except Exception:
                log.exception("autostart failed")

    def start_guests(self) -> list[str]:
        """Waits for the autostart of this boot, or does it again behind :meth:`stop_guests`.

        A sentence for each domain that does not start.
        """
        return self._autostart.again()

    def stop_guests(self, seconds: float) -> list[str]:
        """Has every domain end, by force after ``seconds``; a sentence for each of those."""
        return hostend.stop_all(self._core, seconds or self.config.shutdown_timeout)

    def stop(self) -> None:
        """Lets go of everything; containers keep running."""
        self._autostart.close()
        self._core.restarts.close()
        self._core.monitor.close()
        self.node_devices.close()
        self.machines.close()
        self._core.host.bus.close()
        self._core.spawning.close()
        self._core.departed.close()

    def _taken_ids(self) -> list[tuple[int, int]]:
        """(first, count) of every range of host ids that some definition uses."""
        definitions = [
            domain
            for view in self._core.registry.snapshot.by_name.values()
            for domain in (view.config, view.live, view.waiting)
            if domain is not None and domain.idmap is not None
        ]
        return [
            (line.target, line.count)
            for domain in definitions
            if domain.idmap is not None
            for line in (*domain.idmap.uids, *domain.idmap.gids)
        ]

    def _interfaces(self, network: str) -> Sequence[Plugged]:
        """Every interface of a running domain that is on ``network``."""
        return [
            Plugged(host, view.name, view.uuid, card)
            for view in self._core.registry.snapshot.by_name.values()
            if view.run is not None and view.live is not None
            for (host, _), card in zip(view.run.links, view.live.interfaces, strict=False)
            if card.type == "network" and card.source == network
        ]
