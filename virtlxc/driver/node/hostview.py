"""The host as starts need it: facts that hold until the next boot, and facts for one start."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial

from virtlxc.driver import files
from virtlxc.driver.core import doing, log
from virtlxc.driver.domain.registry import Registry
from virtlxc.driver.network.networks import Networks
from virtlxc.errors import VirtlxcError
from virtlxc.host import dbus, gather, systemd
from virtlxc.host.cgroup import layout
from virtlxc.host.facts import HostFacts, StartFacts
from virtlxc.host.probe import probe_host
from virtlxc.model import Domain
from virtlxc.paths import Paths
from virtlxc.plan.steps import CONTROLLER
from virtlxc.runtime.ops.loops import follow

# How long groups are made without systemd once it could not be asked.
_NO_SCOPE_SECONDS = 10.0


class HostView:
    """The facts of the host, found out once and left for ``virtlxc plan``."""

    def __init__(self, paths: Paths, registry: Registry, networks: Networks) -> None:
        self._paths = paths
        self._registry = registry
        self._networks = networks
        self._instance = paths.instance
        self._lock = threading.Lock()
        self.bus = dbus.Bus()
        self._scopes: bool | None = None
        self._no_scope_until = 0.0
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
                    with doing("attach its interfaces"):
                        self._networks.ready(card.source)
        networks = self._networks.facts()
        by_name = self._registry.snapshot.by_name
        running = {name: view.id for name, view in by_name.items() if view.active}
        around = gather.Surroundings(
            networks=networks, running=running, contained=self.facts.user_namespace
        )
        return gather.start_facts(domain, around)

    def loops(self) -> dict[str, tuple[int, int]]:
        """The numbers of the loop devices in use, by tag: a running domain has them already."""
        return gather.loops()

    def loop_resized(self, tag: str) -> None:
        """The image behind a loop device has another size now."""
        follow(tag)

    # Where systemd runs, a domain's group is a scope of its own

    def scope_leaf(self, domain: Domain) -> str | None:
        """The group that systemd will make for the controller; None where we make it ourselves."""
        if self._scopes is None:
            self._scopes = self.facts.systemd and systemd.available()
        if not self._scopes or time.monotonic() < self._no_scope_until:
            return None
        return systemd.scope_path(
            domain.name, CONTROLLER, partition=domain.partition, instance=self._instance
        )

    def expect_scope(self, domain: Domain) -> None:
        """Begins, beside all else that a start does, what systemd would wait for."""
        if self.scope_leaf(domain) is not None:
            foresee = partial(systemd.foresee_move, self.facts.cgroup.mount)
            # A start that cannot have one more thread goes on without.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=foresee, name="foresee", daemon=True).start()

    def make_scope(self, domain: Domain, controller: int, group: str) -> None:
        """Has systemd put the controller into its scope; ``group`` is the folder that this makes.

        Raises NoScopeError when it does not (no bus, no policy): for a while groups are made
        without systemd, and the start is to be planned again. Raises ScopeTakenError for a name
        that is in use, and VirtlxcError when the scope got less than the domain needs.
        """
        unit = systemd.scope_name(domain.name, str(controller), self._instance)
        slice = systemd.slice_name(domain.partition)
        try:
            systemd.start_scope(self.bus, unit, slice, controller, f"Container {domain.name}")
        except systemd.NoScopeError as error:
            self._no_scope_until = time.monotonic() + _NO_SCOPE_SECONDS
            log.warning(
                "%s; groups are made without systemd for %.0f s", error.message, _NO_SCOPE_SECONDS
            )
            raise
        has = self.facts.cgroup.controllers
        systemd.check_delegated(group, unit, [name for name in layout.DELEGATED if name in has])

    @property
    def machined(self) -> bool:
        """Whether systemd-machined may be asked to register what runs."""
        return self.facts.systemd and systemd.available()
