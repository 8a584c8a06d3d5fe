"""The host as starts need it: facts that hold until the next boot, and facts for one start."""

from __future__ import annotations

import threading

from virtlxc.driver import files
from virtlxc.driver.core import log
from virtlxc.driver.networks import Networks
from virtlxc.driver.registry import Registry
from virtlxc.errors import VirtlxcError
from virtlxc.host import gather
from virtlxc.host.facts import HostFacts, Network, StartFacts
from virtlxc.host.probe import probe_host
from virtlxc.model import Domain
from virtlxc.paths import Paths


class HostView:
    """The facts of the host, found out once and left for ``virtlxc plan``."""

    def __init__(self, paths: Paths, registry: Registry, networks: Networks) -> None:
        self._paths = paths
        self._registry = registry
        self._networks = networks
        self._lock = threading.Lock()
        self._facts: HostFacts | None = None

    @property
    def facts(self) -> HostFacts:
        with self._lock:
            if self._facts is None:
                self._facts = self._find()
            return self._facts

    def _find(self) -> HostFacts:
        facts = probe_host(cgroup2_beside=f"{self._paths.run}/cgroup2")
        try:
            files.replace(self._paths.facts, facts.to_json().encode(), 0o644)
        except VirtlxcError as error:
            log.warning("%s", error.message)
        return facts

    def start_facts(self, domain: Domain, *, start_networks: bool) -> StartFacts:
        """What a start of ``domain`` finds now.

        ``start_networks``: the virtual networks it needs are started, as a start wants them; else
        they are looked at only. Raises VirtlxcError (NO_NETWORK) for one that does not exist.
        """
        if start_networks:
            for card in domain.interfaces:
                if card.type == "network" and card.source:
                    self._networks.ready(card.source)
        networks = {
            name: Network(active=active, bridge=bridge)
            for name, (active, bridge) in self._networks.known().items()
        }
        by_name = self._registry.snapshot.by_name
        running = {name: view.id for name, view in by_name.items() if view.active}
        around = gather.Surroundings(networks=networks, running=running)
        return gather.start_facts(domain, around)
