"""The calls about virtual networks.

One lock serialises all changes (a start looks at what all other networks hold, and they are rare);
questions read an immutable snapshot and may run on the event loop where marked [fast]. All raise
VirtlxcError only.

A domain's start starts the network that it needs: whoever starts a container on ``default`` wants
it connected, and libvirt's "network is not active" is a question with one answer. A network that
shall stay down is undefined, or not named by a domain.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid as _uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from virtlxc.driver.events import EventBus, NetworkLifecycle
from virtlxc.driver.network_life import NetworkLife, boot_id
from virtlxc.driver.network_state import (
    VALIDATE,
    XML_INACTIVE,
    DhcpLease,
    Listing,
    NetworkEvent,
    NetworkRef,
    NetworkView,
    failed,
    invalid,
    no_network_named,
    no_network_with_uuid,
)
from virtlxc.driver.network_store import NetworkStore
from virtlxc.driver.network_update import changed
from virtlxc.driver.refusals import check_flags
from virtlxc.errors import Code, From, KernelRefused, VirtlxcError
from virtlxc.host.network import allocate, dnsmasq
from virtlxc.host.network.facts import read_facts
from virtlxc.host.network.netlink import Netlink
from virtlxc.model.network import Bridge, Dns, Forward, Network
from virtlxc.model.network_document import format_network, parse_network
from virtlxc.paths import Paths

_log = logging.getLogger("virtlxc")

DEFAULT = "default"
AFFECT_LIVE, AFFECT_CONFIG = 1, 2

# (host's link, domain) of every interface of running domains that is on a network.
Interfaces = Callable[[str], Sequence[tuple[str, str]]]


class Networks:
    """The networks of one instance. ``interfaces`` tells who is on a network, by its name."""

    def __init__(
        self,
        paths: Paths,
        events: EventBus,
        *,
        interfaces: Interfaces = lambda name: (),
        new_uuid: Callable[[], str] = lambda: str(_uuid.uuid4()),
        new_mac: Callable[[], str] | None = None,
    ) -> None:
        self._store = NetworkStore(paths)
        self._life = NetworkLife(self._store, paths.instance)
        self._instance = paths.instance
        self._events = events
        self._interfaces = interfaces
        self._new_uuid = new_uuid
        self._new_mac = new_mac or random_mac
        self._lock = threading.RLock()
        self._views: Mapping[str, NetworkView] = {}
        self._no_default = ""  # why there is no network 'default'

    # The instance's start

    def load(self) -> None:
        """Reads the definitions, takes over what runs, makes the default network the first time."""
        with self._lock:
            self._store.prepare()
            for name, xml in self._store.definitions():
                self._load_definition(name, xml)
            self._reconnect()
            self._make_default()

    def autostart_all(self) -> None:
        """Starts what is marked for it, once while the host is up: a network that was destroyed
        stays so when the daemon is restarted. A failure is logged and stops no other."""
        if not self._store.first_autostart(boot_id()):
            return
        for view in self._views.values():
            if view.autostart and not view.active:
                try:
                    self.start(view.ref)
                except VirtlxcError as error:
                    _log.error("autostart: %s", error)

    def _load_definition(self, name: str, xml: str) -> None:
        try:
            network = parse_network(xml)
            if network.name != name or not network.uuid:
                raise failed("the file's name is not the network's, or it has no uuid")
            self._check_unique(network)
        except VirtlxcError as error:
            _log.error("the definition of network '%s' is left out: %s", name, error)
            return
        on = self._store.autostart(name)
        self._publish(NetworkView(name=name, uuid=network.uuid, config=network, autostart=on))

    def _reconnect(self) -> None:
        found: list[tuple[Network, dict[str, Any]]] = []
        now = boot_id()
        for uuid, state in self._store.lives():
            try:
                network = parse_network(state["xml"])
            except (VirtlxcError, KeyError) as error:
                _log.error("the live state of network %s is left out: %s", uuid, error)
                continue
            if state.get("boot_id") != now:
                self._store.remove_live(uuid)
                continue
            found.append((network, state))
        running = [network for network, state in found if state.get("state") == "active"]
        for network, state in found:
            others = [other for other in running if other.uuid != network.uuid]
            if not self._life.recover(network, state, others):
                running = others
                continue
            view = self._views.get(network.uuid)
            view = view or NetworkView(name=network.name, uuid=network.uuid)
            self._publish(replace(view, live=network))
        self._life.refresh_rules(running)

    def _make_default(self) -> None:
        """libvirt's packages bring a network ``default``; ours is made here, once, with the first
        bridge name and subnet that are free on this host."""
        if self._store.default_made or self._by_name(DEFAULT) is not None:
            return
        try:
            facts = read_facts()
            others = self._definitions()
            ip = allocate.default_ip(allocate.free_subnet(facts, others))
            # Without spanning tree a guest's port forwards at once, not after four seconds; and no
            # name server outside is asked, and waited for, about names of guests.
            bridge, dns = Bridge(stp=False, delay=0), Dns(forward_plain_names=False)
            network = Network(
                name=DEFAULT, forward=Forward(mode="nat"), bridge=bridge, dns=dns, ips=(ip,)
            )
            self._define(self._completed(network))
            self._store.mark_default_made()
        except (VirtlxcError, KernelRefused, OSError) as error:
            self._no_default = str(error)
            _log.warning("no network '%s' was defined: %s", DEFAULT, error)

    def _why_none(self, name: str) -> str:
        """What to put behind the words that there is no such network."""
        failed = name == DEFAULT and self._no_default
        return f"; none could be made: {failed}" if failed else ""

    # Questions

    def list_all(self, flags: int = 0) -> list[NetworkRef]:
        """[fast] The networks that pass the filters of Listing, by name."""
        check_flags("networkConnectListAllNetworks", flags, 63)
        pairs: tuple[tuple[int, int, Callable[[NetworkView], bool]], ...] = (
            (Listing.ACTIVE, Listing.INACTIVE, lambda view: view.active),
            (Listing.PERSISTENT, Listing.TRANSIENT, lambda view: view.config is not None),
            (Listing.AUTOSTART, Listing.NO_AUTOSTART, lambda view: view.autostart),
        )
        views = sorted(self._views.values(), key=lambda view: view.name)
        for yes, no, holds in pairs:
            if flags & yes and not flags & no:
                views = [view for view in views if holds(view)]
            elif flags & no and not flags & yes:
                views = [view for view in views if not holds(view)]
        return [view.ref for view in views]

    def lookup_name(self, name: str) -> NetworkRef:
        """[fast] Raises NO_NETWORK when there is none, as the next."""
        view = self._by_name(name)
        if view is None:
            raise no_network_named(name, self._why_none(name))
        return view.ref

    def lookup_uuid(self, uuid: bytes) -> NetworkRef:
        """[fast]"""
        text = str(_uuid.UUID(bytes=uuid))
        if text not in self._views:
            raise no_network_with_uuid(text)
        return self._views[text].ref

    def view(self, ref: tuple[str, bytes]) -> NetworkView:
        """[fast] All about one network at this moment; raises NO_NETWORK."""
        name, uuid = ref
        text = str(_uuid.UUID(bytes=uuid))
        view = self._views.get(text)
        if view is None:
            raise no_network_with_uuid(text, name)
        return view

    def is_active(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).active

    def is_persistent(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).config is not None

    def autostart(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).autostart

    def bridge_name(self, ref: tuple[str, bytes]) -> str:
        """[fast] Raises INTERNAL_ERROR, as libvirt, for a network without bridge."""
        view = self.view(ref)
        name = view.current.bridge.name
        if not name:
            raise VirtlxcError(
                f"network '{view.name}' does not have a bridge name.",
                Code.INTERNAL_ERROR,
                From.NETWORK,
            )
        return name

    def xml(self, ref: tuple[str, bytes], flags: int = 0) -> str:
        """[fast] The running definition, or with XML_INACTIVE that of the next start."""
        check_flags("networkGetXMLDesc", flags, XML_INACTIVE)
        view = self.view(ref)
        if flags & XML_INACTIVE and view.config is not None:
            return format_network(view.config)
        connections = len(self._interfaces(view.name)) if view.active else 0
        return format_network(view.current, connections=connections)

    def messages(self, ref: tuple[str, bytes]) -> tuple[str, ...]:
        """[fast] What the last start had to warn of."""
        return self.view(ref).warnings

    def dhcp_leases(self, ref: tuple[str, bytes], mac: str | None = None) -> list[DhcpLease]:
        """The leases that have not run out, of the guest with ``mac`` or of all."""
        view = self.view(ref)
        network = view.current
        found = []
        for row in dnsmasq.current(self._store.leases(view.uuid), int(time.time())):
            six = ":" in row.address
            hardware = row.mac or dnsmasq.mac_of_duid(row.client_id or "")
            if mac is not None and hardware != mac.lower():
                continue
            lengths = [ip.length for ip in network.ips if (":" in ip.address) == six]
            found.append(
                DhcpLease(
                    iface=network.bridge.name or "",
                    expirytime=row.expiry,
                    type=int(six),
                    mac=hardware,
                    iaid=row.iaid,
                    ipaddr=row.address,
                    prefix=lengths[0] if lengths else (128 if six else 32),
                    hostname=row.hostname,
                    clientid=row.client_id,
                )
            )
        return found

    # Definitions

    def define(self, xml: str, flags: int = 0) -> NetworkRef:
        check_flags("networkDefineXMLFlags", flags, VALIDATE)
        network = self._parsed(xml, flags)
        with self._lock:
            view = self._define(self._completed(network))
        return view.ref

    def undefine(self, ref: tuple[str, bytes]) -> None:
        """Forgets the definition; a running network becomes transient."""
        with self._lock:
            view = self.view(ref)
            if view.config is None:
                raise invalid("can't undefine transient network")
            self._store.remove_definition(view.name)
            if view.active:
                self._publish(replace(view, config=None, autostart=False))
            else:
                self._forget(view)
            self._tell(view, NetworkEvent.UNDEFINED)

    def set_autostart(self, ref: tuple[str, bytes], on: bool) -> None:
        with self._lock:
            view = self.view(ref)
            if view.config is None:
                raise invalid("cannot set autostart for transient network")
            self._store.set_autostart(view.name, on)
            self._publish(replace(view, autostart=on))

    def update(
        self,
        ref: tuple[str, bytes],
        command: int,
        section: int,
        parent_index: int,
        xml: str,
        flags: int,
    ) -> None:
        """``virNetworkUpdate``: changes one part in place, in the running network too."""
        check_flags("networkUpdate", flags, AFFECT_LIVE | AFFECT_CONFIG)
        with self._lock:
            view = self.view(ref)
            if not flags & (AFFECT_LIVE | AFFECT_CONFIG):
                flags = AFFECT_LIVE if view.active else AFFECT_CONFIG
            if flags & AFFECT_LIVE and view.live is None:
                raise invalid("network is not running")
            if flags & AFFECT_CONFIG and view.config is None:
                raise invalid("cannot change persistent config of a transient network")
            live, config = view.live, view.config
            if flags & AFFECT_LIVE and live is not None:
                live = changed(live, command, section, parent_index, xml)
            if flags & AFFECT_CONFIG and config is not None:
                config = changed(config, command, section, parent_index, xml)
                self._store.write_definition(view.name, format_network(config))
            if flags & AFFECT_LIVE and live is not None:
                self._life.reload(live)
            self._publish(replace(view, live=live, config=config))

    # Life

    def create(self, xml: str, flags: int = 0) -> NetworkRef:
        """Starts a transient network, or one that has a definition with this other one."""
        check_flags("networkCreateXMLFlags", flags, VALIDATE)
        network = self._parsed(xml, flags)
        with self._lock:
            network = self._completed(network)
            view = self._views.get(network.uuid)
            if view is not None and view.active:
                raise invalid(f"network is already active as '{view.name}'")
            view = view or NetworkView(name=network.name, uuid=network.uuid)
            return self._start(view, network).ref

    def start(self, ref: tuple[str, bytes]) -> tuple[str, ...]:
        """Starts a defined network; the warnings that its user should see."""
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise invalid("network is already active")
            assert view.config is not None
            return self._start(view, view.config).warnings

    def destroy(self, ref: tuple[str, bytes]) -> None:
        with self._lock:
            view = self.view(ref)
            if view.live is None:
                raise invalid(f"network '{view.name}' is not active")
            try:
                self._life.stop(view.live, self._running(without=view.uuid))
            except KernelRefused as error:
                raise failed(f"cannot stop network '{view.name}': {error}") from None
            if view.config is None:
                self._forget(view)
            else:
                self._publish(replace(view, live=None, warnings=()))
            self._tell(view, NetworkEvent.STOPPED)

    def ready(self, name: str) -> str:
        """The bridge of a network that a domain needs now; starts the network if need be.

        Raises VirtlxcError (NO_NETWORK) that lists what there is, or says why it cannot start.
        """
        with self._lock:
            view = self._by_name(name)
            if view is None:
                known = ", ".join(sorted(f"'{one.name}'" for one in self._views.values()))
                raise VirtlxcError(
                    f"there is no network '{name}' (there is: {known or 'none'}; define one: "
                    f"virtlxc net-define FILE){self._why_none(name)}",
                    Code.NO_NETWORK,
                    From.NETWORK,
                )
            if not view.active:
                assert view.config is not None
                view = self._start(view, view.config)
                for warning in view.warnings:
                    _log.warning("%s", warning)
        return self.bridge_name(view.ref)

    def known(self) -> dict[str, tuple[bool, str]]:
        """[fast] (active, bridge) of every network by name, for a plan that shall start nothing."""
        return {
            view.name: (view.active, view.current.bridge.name or "")
            for view in self._views.values()
        }

    # Inside; callers hold the lock

    def _start(self, view: NetworkView, network: Network) -> NetworkView:
        try:
            warnings = self._life.start(network, self._running())
        except KernelRefused as error:
            raise failed(f"cannot start network '{network.name}': {error}") from None
        view = replace(view, live=network, warnings=warnings)
        self._publish(view)
        self._reattach(network)
        self._tell(view, NetworkEvent.STARTED)
        return view

    def _reattach(self, network: Network) -> None:
        """Puts the interfaces of domains that outlived the last bridge into this one."""
        interfaces = self._interfaces(network.name)
        if not interfaces:
            return
        with Netlink() as netlink:
            bridge = netlink.find(network.bridge.name or "")
            for name, domain in interfaces:
                link = netlink.find(name)
                if bridge is None or link is None or link.master:
                    continue
                try:
                    netlink.set_master(link.ifindex, name, bridge.ifindex)
                except KernelRefused as error:
                    _log.warning("network '%s': domain '%s': %s", network.name, domain, error)

    def _parsed(self, xml: str, flags: int) -> Network:
        if flags & VALIDATE:
            from virtlxc import schema

            schema.require_valid(xml, "network")
        return parse_network(xml)

    def _completed(self, network: Network) -> Network:
        """With uuid, bridge name and MAC; written once, so that they never change by themselves."""
        same = self._by_name(network.name)
        if not network.uuid:
            uuid = same.uuid if same is not None else self._new_uuid()
            network = replace(network, uuid=uuid)
        self._check_unique(network)
        if not network.own_bridge:
            return network
        others = [one for one in self._definitions() if one.uuid != network.uuid]
        old = self._views.get(network.uuid)
        if old is not None and not network.mac and old.current.own_bridge:
            network = replace(network, mac=old.current.mac)
        if old is not None and not network.bridge.name and old.current.own_bridge:
            bridge = replace(network.bridge, name=old.current.bridge.name)
            network = replace(network, bridge=bridge)
        return allocate.with_bridge(network, read_facts(), others, self._instance, self._new_mac())

    def _check_unique(self, network: Network) -> None:
        named = self._by_name(network.name)
        if named is not None and named.uuid != network.uuid:
            raise failed(f"network '{network.name}' already exists with uuid {named.uuid}")
        same = self._views.get(network.uuid)
        if same is not None and same.name != network.name:
            raise failed(f"network '{same.name}' is already defined with uuid {same.uuid}")

    def _define(self, network: Network) -> NetworkView:
        old = self._views.get(network.uuid)
        view = old or NetworkView(name=network.name, uuid=network.uuid)
        self._store.write_definition(network.name, format_network(network))
        view = replace(view, config=network)
        self._publish(view)
        self._tell(view, NetworkEvent.DEFINED)
        return view

    def _by_name(self, name: str) -> NetworkView | None:
        return next((view for view in self._views.values() if view.name == name), None)

    def _definitions(self) -> list[Network]:
        """All that holds, or may come to hold, a bridge or subnet."""
        found = []
        for view in self._views.values():
            found += [network for network in (view.live, view.config) if network is not None]
        return found

    def _running(self, without: str = "") -> list[Network]:
        views: Iterable[NetworkView] = self._views.values()
        return [view.live for view in views if view.live is not None and view.uuid != without]

    def _publish(self, view: NetworkView) -> None:
        self._views = {**self._views, view.uuid: view}

    def _forget(self, view: NetworkView) -> None:
        self._store.remove_leases(view.uuid)
        self._views = {uuid: one for uuid, one in self._views.items() if uuid != view.uuid}

    def _tell(self, view: NetworkView, event: int) -> None:
        self._events.emit(NetworkLifecycle((view.name, view.ref.uuid), event))


def random_mac() -> str:
    """A MAC of the block that libvirt uses for its bridges and guests."""
    return "52:54:00:" + _uuid.uuid4().bytes[:3].hex(":")
