"""The calls about virtual networks.

A domain's start starts the network that it needs: whoever starts a container on ``default`` wants
it connected, and libvirt's "network is not active" is a question with one answer. A network that
shall stay down is undefined, or not named by a domain.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from virtlxc.driver import refusals
from virtlxc.driver.events import EventBus, NetworkLifecycle
from virtlxc.driver.named import VALIDATE, XML_INACTIVE, Definitions, Kind, Listing, NamedRef
from virtlxc.driver.network import ports
from virtlxc.driver.network.life import NetworkLife
from virtlxc.driver.network.ports import Plugged, PortRef
from virtlxc.driver.network.state import DhcpLease, NetworkView
from virtlxc.driver.network.store import NetworkStore
from virtlxc.driver.network.update import changed
from virtlxc.driver.refusals import check_flags
from virtlxc.errors import Code, From, KernelRefused, VirtlxcError
from virtlxc.host.facts import Network as NetworkFact
from virtlxc.host.network import allocate, dnsmasq
from virtlxc.host.network.facts import read_facts
from virtlxc.host.network.netlink import Netlink
from virtlxc.model.complete import random_mac
from virtlxc.model.network import Bridge, Dns, Forward, Network
from virtlxc.model.network_document import format_network, parse_network
from virtlxc.paths import Paths
from virtlxc.runtime.protocol import boot_id

_log = logging.getLogger("virtlxc")
_refuse = refusals.NETWORK

DEFAULT = "default"
AFFECT_LIVE, AFFECT_CONFIG = 1, 2

# Every interface of running domains that is on a network.
Interfaces = Callable[[str], Sequence[Plugged]]


class Networks(Definitions[Network, NetworkView]):
    """The networks of one instance. ``interfaces`` tells who is on a network, by its name."""

    kind = Kind(
        noun="network",
        refuse=_refuse,
        running="network is already active",
        stopped="network '{name}' is not active",
        list_call="networkConnectListAllNetworks",
        list_flags=Listing.ALL,
        event=NetworkLifecycle,
    )

    def __init__(
        self,
        paths: Paths,
        events: EventBus,
        *,
        interfaces: Interfaces = lambda name: (),
        new_uuid: Callable[[], str] | None = None,
        new_mac: Callable[[], str] | None = None,
    ) -> None:
        self._store = NetworkStore(paths)
        super().__init__(self._store, events, new_uuid)
        self._life = NetworkLife(self._store, paths.instance)
        self._instance = paths.instance
        self._interfaces = interfaces
        self._new_mac = new_mac or random_mac
        self._no_default = ""  # why there is no network 'default'

    # The instance's start

    def load(self) -> None:
        """Reads the definitions, takes over what runs, makes the default network the first time."""
        with self._lock:
            self._store.prepare()
            self._load_definitions()
            self._reconnect()
            self._make_default()

    def autostart_all(self) -> None:
        """Starts what is marked for it, once while the host is up: a network that was destroyed
        stays so when the daemon is restarted."""
        if self._store.first_autostart(boot_id()):
            self._start_marked()

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
            self._publish(replace(self._view_of(network), live=network))
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
            self._define(network)
            self._store.mark_default_made()
        except (VirtlxcError, KernelRefused, OSError) as error:
            self._no_default = str(error)
            _log.warning("no network '%s' was defined: %s", DEFAULT, error)

    # Questions

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

    def ports(self, ref: tuple[str, bytes]) -> list[PortRef]:
        """[fast] One for every card that is plugged into the network."""
        net = self.view(ref).ref
        return [PortRef(net, ports.uuid_of(net, one)) for one in self._interfaces(net.name)]

    def port_lookup(self, ref: tuple[str, bytes], uuid: bytes) -> PortRef:
        """[fast]"""
        return self._port(PortRef(self.view(ref).ref, uuid))[0]

    def port_xml(self, port: PortRef, flags: int = 0) -> str:
        """[fast]"""
        check_flags("networkPortGetXMLDesc", flags)
        ref, one = self._port(port)
        return ports.xml(self.view(ref.network).current, ref, one)

    def _port(self, port: PortRef) -> tuple[PortRef, Plugged]:
        net = self.view(port.network).ref
        for one in self._interfaces(net.name):
            if ports.uuid_of(net, one) == port.uuid:
                return PortRef(net, port.uuid), one
        raise ports.missing(port.uuid)

    # Definitions

    def define(self, xml: str, flags: int = 0) -> NamedRef:
        check_flags("networkDefineXMLFlags", flags, VALIDATE)
        return self._define(self._parsed(xml, flags)).ref

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
                raise _refuse.invalid("network is not running")
            if flags & AFFECT_CONFIG and view.config is None:
                raise _refuse.invalid("cannot change persistent config of a transient network")
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

    def create(self, xml: str, flags: int = 0) -> NamedRef:
        """Starts a transient network, or one that has a definition with this other one."""
        check_flags("networkCreateXMLFlags", flags, VALIDATE)
        return self._create(self._parsed(xml, flags)).ref

    def start(self, ref: tuple[str, bytes]) -> tuple[str, ...]:
        """Starts a defined network; the warnings that its user should see."""
        return self._start(ref).warnings

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
                view = self._run(view, view.config)
                for warning in view.warnings:
                    _log.warning("%s", warning)
        return self.bridge_name(view.ref)

    def known(self) -> dict[str, tuple[bool, str]]:
        """[fast] (active, bridge) of every network by name, for a plan that shall start nothing."""
        return {
            view.name: (view.active, view.current.bridge.name or "")
            for view in self._views.values()
        }

    def facts(self) -> dict[str, NetworkFact]:
        """[fast] Every network by name, as starts and plans look at it."""
        return {
            view.name: NetworkFact(
                active=view.active,
                bridge=view.current.bridge.name or "",
                port_limits=view.current.port_limits,
                port=view.current.port,
                ports=view.current.ports,
            )
            for view in self._views.values()
        }

    # Inside; callers hold the lock

    def _started(self, view: NetworkView, thing: Network) -> NetworkView:
        try:
            warnings = self._life.start(thing, self._running())
        except KernelRefused as error:
            raise _refuse.failed(f"cannot start network '{thing.name}': {error}") from None
        self._reattach(thing)
        return replace(view, warnings=warnings)

    def _stop(self, view: NetworkView) -> NetworkView:
        assert view.live is not None
        try:
            self._life.stop(view.live, self._running(without=view.uuid))
        except KernelRefused as error:
            raise _refuse.failed(f"cannot stop network '{view.name}': {error}") from None
        return replace(view, live=None, warnings=())

    def _reattach(self, network: Network) -> None:
        """Puts the interfaces of domains that outlived the last bridge into this one.

        But for those that may not be just put into a bridge: they had a port of their own there.
        """
        interfaces = [
            one
            for one in self._interfaces(network.name)
            if one.card.vlan is None and one.card.virtualport is None
        ]
        if not interfaces:
            return
        with Netlink() as netlink:
            bridge = netlink.find(network.bridge.name or "")
            for name, domain, _uuid, _card in interfaces:
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
        return self._parse(xml)

    def _parse(self, xml: str) -> Network:
        return parse_network(xml)

    def _format(self, thing: Network) -> str:
        return format_network(thing)

    def _new_view(self, name: str, uuid: str) -> NetworkView:
        return NetworkView(name=name, uuid=uuid)

    def _completed(self, thing: Network) -> Network:
        """With uuid, bridge name and MAC; written once, so that they never change by themselves."""
        network, same = thing, self._by_name(thing.name)
        if not network.uuid:
            uuid = same.uuid if same is not None else self._new_uuid()
            network = replace(network, uuid=uuid)
        self._check(network)
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

    def _check_undefine(self, view: NetworkView) -> None:
        if not view.persistent:
            raise _refuse.invalid("can't undefine transient network")

    def _autostart_refused(self) -> VirtlxcError:
        return _refuse.invalid("cannot set autostart for transient network")

    def _why_none(self, name: str) -> str:
        failed = name == DEFAULT and self._no_default
        return f"; none could be made: {failed}" if failed else ""

    def _definitions(self) -> list[Network]:
        """All that holds, or may come to hold, a bridge or subnet."""
        found = []
        for view in self._views.values():
            found += [network for network in (view.live, view.config) if network is not None]
        return found

    def _running(self, without: str = "") -> list[Network]:
        views = self._views.values()
        return [view.live for view in views if view.live is not None and view.uuid != without]

    def _forget(self, view: NetworkView) -> None:
        self._store.remove_leases(view.uuid)
        super()._forget(view)


