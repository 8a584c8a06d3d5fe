"""Starting and stopping one network: from its definition to steps, and the steps performed.

Callers hold the lock of the network driver.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from virtlxc.driver.network.store import NetworkStore
from virtlxc.driver.refusals import NETWORK
from virtlxc.errors import Code, From, KernelRefused, VirtlxcError
from virtlxc.host import programs
from virtlxc.host.network import (
    allocate,
    dnsmasq,
    firewall,
    iptables,
    perform,
    process,
    rules,
)
from virtlxc.host.network.facts import NetworkFacts, read_facts
from virtlxc.host.network.netlink import Netlink
from virtlxc.host.network.plan import (
    Step,
    Tools,
    forwarded_versions,
    plan_start,
    plan_stop,
)
from virtlxc.model.network import Network
from virtlxc.model.network_document import format_network
from virtlxc.model.port import OPENVSWITCH
from virtlxc.runtime.protocol import boot_id

_log = logging.getLogger("virtlxc")

_FORWARDING_MEND = "sysctl -w net.ipv6.conf.{link}.accept_ra=2"


class NetworkLife:
    """Performs starts and stops on this host."""

    def __init__(self, store: NetworkStore, instance: str) -> None:
        self._store = store
        self._instance = instance

    def start(self, network: Network, active: Sequence[Network]) -> tuple[str, ...]:
        """Starts a complete network beside the active ones; the warnings it has to give.

        Raises VirtlxcError that says what and why; then nothing is left.
        """
        doing = f"cannot start network '{network.name}'"
        _check_supported(network, doing)
        facts = read_facts()
        if not network.own_bridge:
            _check_bridge(network, facts, doing)
            self._save(network, "active")
            return ()
        allocate.check_free(network, facts, active)
        _check_announced(network, facts, doing)
        steps = plan_start(network, facts, active, self._tools(network, doing))
        self._save(network, "starting", steps)
        try:
            perform.perform(steps)
        except VirtlxcError as error:
            self._store.remove_live(network.uuid)
            raise VirtlxcError(f"{doing}: {error.message}", error.code, error.domain) from None
        except BaseException:
            self._store.remove_live(network.uuid)
            raise
        self._save(network, "active")
        return self._warnings(network, facts)

    def stop(self, network: Network, others: Sequence[Network]) -> None:
        """Stops it; ``others`` are the networks that stay active."""
        if network.own_bridge:
            self._save(network, "stopping")
            perform.undo_all(plan_stop(network, others, self._found_tools(network)))
        self._store.remove_live(network.uuid)

    def recover(self, network: Network, state: dict[str, Any], others: Sequence[Network]) -> bool:
        """Takes over a network of a daemon that ended; False: it is not active (any more).

        A start or stop that was cut off is undone to its end. A running network whose dnsmasq has
        died gets another one.
        """
        if state.get("state") == "active" and self._is_there(network):
            self._revive(network)
            return True
        undos = plan_stop(network, others, self._found_tools(network))
        if not others:
            undos += tuple(undo for undo in state.get("undos", ()) if undo["op"] == "sysctl")
        perform.undo_all(undos)
        self._store.remove_live(network.uuid)
        return False

    def refresh_rules(self, active: Sequence[Network]) -> None:
        """Puts the rules of all active networks in force again."""
        if any(rules.needs_rules(network) for network in active):
            nft = programs.find("nft")
            if nft is not None:
                try:
                    perform.nft(nft, rules.ruleset(active, self._instance))
                except VirtlxcError as error:
                    _log.error("%s", error)

    def reload(self, network: Network) -> None:
        """Has dnsmasq read changed hosts; ranges and options take a new process."""
        files = self._store.dnsmasq_files(network.uuid)
        texts = {
            files.conf: dnsmasq.config(network, files, self._user()),
            files.dhcp_hosts: dnsmasq.dhcp_hosts(network),
            files.dns_hosts: dnsmasq.dns_hosts(network),
        }
        try:
            with open(files.conf, encoding="utf-8") as file:
                same = file.read() == texts[files.conf]
            for path, text in texts.items():
                perform.write(path, text)
        except (OSError, KernelRefused) as error:
            raise NETWORK.failed(f"network '{network.name}': {error}") from None
        if not (same and process.reload(files.conf, files.pid)):
            process.stop(files.conf, files.pid)
            process.start(programs.require("dnsmasq", "serve DHCP and DNS"), files.conf)
        self._save(network, "active")

    def _save(self, network: Network, state: str, steps: Iterable[Step] = ()) -> None:
        undos = [dict(step.undo) for step in steps if step.undo is not None]
        self._store.write_live(
            network.uuid,
            {
                "state": state,
                "name": network.name,
                "xml": format_network(network),
                "boot_id": boot_id(),
                "undos": undos,
            },
        )

    def _user(self) -> str:
        return process.choose_user((self._store.run, self._store.lib))

    def _tools(self, network: Network, doing: str) -> Tools:
        """The programs that this network needs; raises naming the package of a missing one."""
        needs_nft = rules.needs_rules(network)
        needs_dnsmasq = dnsmasq.needs_dnsmasq(network)
        return Tools(
            files=self._store.dnsmasq_files(network.uuid),
            nft=programs.require("nft", f"{doing}: firewall rules") if needs_nft else "",
            dnsmasq=programs.require("dnsmasq", f"{doing}: DHCP and DNS") if needs_dnsmasq else "",
            user=self._user(),
            instance=self._instance,
        )

    def _found_tools(self, network: Network) -> Tools:
        """For a stop, which goes as far as it can without a program that is gone."""
        return Tools(
            files=self._store.dnsmasq_files(network.uuid),
            nft=programs.find("nft") or "nft",
            instance=self._instance,
        )

    def _is_there(self, network: Network) -> bool:
        with Netlink() as netlink:
            link = netlink.find(network.bridge.name or "")
        if not network.own_bridge:
            return link is not None
        return link is not None and link.mac == network.mac

    def _revive(self, network: Network) -> None:
        files = self._store.dnsmasq_files(network.uuid)
        if not dnsmasq.needs_dnsmasq(network) or process.find(files.conf, files.pid) is not None:
            return
        _log.warning("network '%s': its dnsmasq is gone; starting another", network.name)
        try:
            process.start(programs.require("dnsmasq", "DHCP and DNS"), files.conf)
        except VirtlxcError as error:
            _log.error("network '%s': %s", network.name, error)

    def _warnings(self, network: Network, facts: NetworkFacts) -> tuple[str, ...]:
        """What other firewalls would drop of this network's traffic."""
        bridge = network.bridge.name or ""
        wanted = firewall.packets(
            bridge,
            facts.uplink,
            forwarding=bool(forwarded_versions(network)),
            serving=dnsmasq.needs_dnsmasq(network),
            filtered=facts.bridge_filtered,
        )
        own = rules.table_name(self._instance)
        return tuple(
            firewall.warning(network.name, bridge, blocker)
            for ruleset in _read_rulesets()
            for blocker in firewall.blockers(ruleset, wanted, own)
        )


def _check_supported(network: Network, doing: str) -> None:
    mode = network.mode
    forward = network.forward
    others = mode == "bridge" and network.bridge.name
    if not network.own_bridge and not others:
        what = f"<forward mode='{mode}'>"
        if mode == "bridge" and forward and forward.dev:
            what += f" with the device '{forward.dev}' (macvtap)"
        raise VirtlxcError(
            f"{doing}: {what} is not supported for containers (use <interface type='direct'> in "
            "the domain, or <forward mode='bridge'/> with <bridge name='...'/>)",
            Code.CONFIG_UNSUPPORTED,
            From.NETWORK,
        )
    protecting = [f"<{kept.path}>" for kept in network.kept if kept.protects]
    if network.bandwidth is not None and others:
        protecting.append("<bandwidth> of somebody else's bridge")
    protecting += _ports_not_kept(network)
    limits = (network.bandwidth, *network.port_limits.values())
    rates = [rate for one in limits if one for rate in (one.inbound, one.outbound) if rate]
    if any(rate.floor for rate in rates):
        protecting.append("the floor of <bandwidth>")
    if protecting:
        names = ", ".join(protecting)
        raise VirtlxcError(
            f"{doing}: {names} would not be in force (remove it: virtlxc net-edit {network.name})",
            Code.CONFIG_UNSUPPORTED,
            From.NETWORK,
        )


def _ports_not_kept(network: Network) -> list[str]:
    """What a network says of its ports that nobody would act on."""
    places = [port for _, port in network.said_of_ports]
    found = []
    if network.own_bridge and any(one.vlan for one in places):
        found.append("<vlan> of a bridge that routes")
    if network.own_bridge and any(one.virtualport for one in places):
        found.append("<virtualport> of a bridge of the kernel's")
    types = [one.virtualport.type for one in places if one.virtualport and one.virtualport.type]
    found += [f"<virtualport type='{other}'>" for other in types if other != OPENVSWITCH]
    return found


def _check_bridge(network: Network, facts: NetworkFacts, doing: str) -> None:
    if network.bridge.name not in facts.links:
        raise VirtlxcError(
            f"{doing}: there is no bridge '{network.bridge.name}' (create it: ip link add "
            f"{network.bridge.name} type bridge)",
            Code.OPERATION_FAILED,
            From.NETWORK,
        )


def _check_announced(network: Network, facts: NetworkFacts, doing: str) -> None:
    """A host that forwards IPv6 forgets the routes that its own router announced to it."""
    if 6 in forwarded_versions(network) and not facts.forwarding.get(6, True) and facts.announced:
        link = facts.announced[0]
        raise VirtlxcError(
            f"{doing}: forward IPv6: interface '{link}' has IPv6 routes from router announcements, "
            f"which the kernel would drop (first: {_FORWARDING_MEND.format(link=link)})",
            Code.OPERATION_FAILED,
            From.NETWORK,
        )


def _read_rulesets() -> list[firewall.Ruleset]:
    """All rules that nft knows, and those of the older iptables; what cannot be read is none."""
    found = []
    listed = _said("nft", "-j", "list", "ruleset")
    if listed is not None:
        with contextlib.suppress(ValueError):
            found.append(firewall.Ruleset(_in_full(json.loads(listed))))
    with contextlib.suppress(OSError):
        with open("/proc/thread-self/net/ip_tables_names", encoding="ascii") as file:
            used = "filter" in file.read().split()
        for name in ("iptables-legacy-save", "iptables-save"):
            saved = _said(name) if used and programs.find(name) else None
            if saved is not None:
                found.append(firewall.Ruleset(iptables.ruleset(saved)))
                break
    return found


def _in_full(listed: iptables.Json) -> iptables.Json:
    """What nft lists, with what it keeps to itself about the rules of today's iptables."""
    saved = _said("iptables-nft-save", "-t", "filter") if iptables.is_opaque(listed) else None
    return listed if saved is None else iptables.explained(listed, saved)


def _said(name: str, *arguments: str) -> str | None:
    program = programs.find(name)
    if program is None:
        return None
    try:
        return subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=perform.NFT_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _log.warning("cannot look for other firewalls: %s: %s", name, error)
        return None
