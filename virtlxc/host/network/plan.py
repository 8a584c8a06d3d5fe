"""A network's start as a list of steps: plain data, made by a pure function, performed in order.

Every effect of a start is a step with one line that tells a person what it does, and an undo; where
none is needed the step says why (``ends``). Undos are idempotent and check that what they take
away is ours, because they are also performed by a daemon that finds them in a journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtlxc.host.network import dnsmasq, rates, rules
from virtlxc.host.network.facts import FORWARDING, NetworkFacts
from virtlxc.model.bandwidth import Bandwidth
from virtlxc.model.network import Network

Undo = Mapping[str, Any]
WITH_BRIDGE = "goes with the bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One effect: operation ``op`` of :mod:`perform` with ``args``; ``undo`` is {"op", "args"}."""

    name: str
    op: str
    args: Mapping[str, Any]
    text: str
    undo: Undo | None = None
    ends: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a start needs beside the network: programs' paths, files, dnsmasq's user."""

    files: dnsmasq.Files
    nft: str = "nft"
    dnsmasq: str = "dnsmasq"
    user: str = "nobody"
    instance: str = ""


def plan_start(
    network: Network, facts: NetworkFacts, active: Iterable[Network], tools: Tools
) -> tuple[Step, ...]:
    """The steps that start a complete network beside those that are active. Pure."""
    if not network.own_bridge:
        return ()
    active = tuple(active)
    return (
        *_bridge_steps(network, facts),
        *_forward_steps(network, facts),
        *_rule_steps(network, active, tools),
        *_dnsmasq_steps(network, tools),
    )


def _bridge_steps(network: Network, facts: NetworkFacts) -> Iterable[Step]:
    bridge = network.bridge
    name = bridge.name or ""
    yield Step(
        name=f"create bridge {name}",
        op="bridge-create",
        args={
            "name": name,
            "mac": network.mac or "",
            "stp": bridge.stp is not False,
            "delay": bridge.delay or 0,
            "mtu": network.mtu,
        },
        text=f"make the bridge {name} with MAC {network.mac}",
        undo={"op": "bridge-delete", "args": {"name": name, "mac": network.mac or ""}},
    )
    if facts.ipv6:
        yield from _ipv6_steps(network, name)
    for ip in network.ips:
        yield Step(
            name=f"address {ip.interface}",
            op="address",
            args={"link": name, "address": str(ip.interface)},
            text=f"give {name} the address {ip.interface}",
            ends=WITH_BRIDGE,
        )
    yield Step(
        name=f"set {name} up",
        op="link-up",
        args={"link": name},
        text=f"set {name} up",
        ends=WITH_BRIDGE,
    )
    yield from _rate_steps(network, name)
    for route in network.routes:
        yield Step(
            name=f"route to {route.subnet}",
            op="route",
            args={
                "link": name,
                "subnet": str(route.subnet),
                "gateway": route.gateway,
                "metric": route.metric,
            },
            text=f"reach {route.subnet} through {route.gateway} on {name}",
            ends=WITH_BRIDGE,
        )


def _rate_steps(network: Network, name: str) -> Iterable[Step]:
    """What goes from the host and beyond to guests, and back, passes the bridge's own device."""
    asked = network.bandwidth or Bandwidth()
    inbound, outbound = rates.inbound(asked), rates.outbound(asked)
    told = [
        f"{way} {rate.average} KiB/s"
        for way, rate in (("inbound", asked.inbound), ("outbound", asked.outbound))
        if rate is not None and rate.average
    ]
    if told:
        yield Step(
            name=f"limit the traffic of {name}",
            op="link-rate",
            args={"link": name, "inbound": inbound, "outbound": outbound},
            text=f"limit the traffic with the host and beyond: {', '.join(told)}",
            ends=WITH_BRIDGE,
        )


def _ipv6_steps(network: Network, name: str) -> Iterable[Step]:
    """A guest's router announcements must not configure the host; and without an IPv6 address of
    its own the host is not reachable from guests by a link-local one."""
    used = network.ipv6 or any(ip.interface.version == 6 for ip in network.ips)
    values = {"disable_ipv6": "0" if used else "1", "accept_ra": "0", "autoconf": "0"}
    if network.ipv6 and not any(ip.interface.version == 6 for ip in network.ips):
        values["disable_ipv6"] = "1"
    for key, value in values.items():
        yield Step(
            name=f"{name} {key}={value}",
            op="sysctl",
            args={"key": f"net/ipv6/conf/{name}/{key}", "value": value},
            text=f"net.ipv6.conf.{name}.{key} = {value}",
            ends=WITH_BRIDGE,
        )


def forwarded_versions(network: Network) -> list[int]:
    """The IP versions that the host must forward for the network."""
    if network.mode == "none":
        return []
    return sorted({ip.interface.version for ip in network.ips})


def _forward_steps(network: Network, facts: NetworkFacts) -> Iterable[Step]:
    """Forwarding stays on after the network's end: by then others may rely on it."""
    for version in forwarded_versions(network):
        if not facts.forwarding.get(version, True):
            key = FORWARDING[version]
            yield Step(
                name=f"forward IPv{version}",
                op="sysctl",
                args={"key": key, "value": "1"},
                text=f"{key.replace('/', '.')} = 1",
                undo={"op": "sysctl", "args": {"key": key, "value": "0"}},
            )


def _rule_steps(network: Network, active: Sequence[Network], tools: Tools) -> Iterable[Step]:
    if rules.needs_rules(network):
        before = rules.ruleset(active, tools.instance)
        after = rules.ruleset([*active, network], tools.instance)
        table = rules.table_name(tools.instance)
        yield Step(
            name="firewall rules",
            op="nft",
            args={"program": tools.nft, "text": after},
            text=f"replace the nft table inet {table}",
            undo={"op": "nft", "args": {"program": tools.nft, "text": before}},
        )


def _dnsmasq_steps(network: Network, tools: Tools) -> Iterable[Step]:
    if not dnsmasq.needs_dnsmasq(network):
        return
    files = tools.files
    texts = (
        (files.conf, dnsmasq.config(network, files, tools.user)),
        (files.dhcp_hosts, dnsmasq.dhcp_hosts(network)),
        (files.dns_hosts, dnsmasq.dns_hosts(network)),
    )
    for path, data in texts:
        yield Step(
            name=f"write {path}",
            op="write",
            args={"path": path, "data": data},
            text=f"write {path} ({len(data.splitlines())} lines)",
            undo={"op": "unlink", "args": {"path": path}},
        )
    yield Step(
        name="start dnsmasq",
        op="dnsmasq-start",
        args={"program": tools.dnsmasq, "conf": files.conf},
        text=f"serve DHCP and DNS on {network.bridge.name}, as user {tools.user}",
        undo={"op": "dnsmasq-stop", "args": {"conf": files.conf, "pid_file": files.pid}},
    )


def plan_stop(network: Network, others: Iterable[Network], tools: Tools) -> tuple[Undo, ...]:
    """The undos that end a network, in the order of a start: they are performed backwards.

    Forwarding is left on: by now others may rely on it. Pure.
    """
    if not network.own_bridge:
        return ()
    files = tools.files
    args = {"name": network.bridge.name or "", "mac": network.mac or ""}
    undos: list[Undo] = [{"op": "bridge-delete", "args": args}]
    if rules.needs_rules(network):
        text = rules.ruleset(others, tools.instance)
        undos.append({"op": "nft", "args": {"program": tools.nft, "text": text}})
    for path in (files.conf, files.dhcp_hosts, files.dns_hosts):
        undos.append({"op": "unlink", "args": {"path": path}})
    stop = {"conf": files.conf, "pid_file": files.pid}
    undos.append({"op": "dnsmasq-stop", "args": stop})
    return tuple(undos)


def describe(steps: Iterable[Step]) -> str:
    """The steps for a person, one a line with the undo behind it."""
    lines = []
    for number, step in enumerate(steps, 1):
        end = f"undo: {step.undo['op']}" if step.undo else step.ends
        lines.append(f"{number:2}  {step.text}  [{end}]\n")
    return "".join(lines)
