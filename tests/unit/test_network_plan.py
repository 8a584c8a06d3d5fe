"""A network's start as text: steps, nft rules, dnsmasq's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from virtlxc.host.network import dnsmasq, perform, plan, rules
from virtlxc.host.network.facts import NetworkFacts
from virtlxc.model.network import Forward, Network
from virtlxc.model.network_document import parse_network

DATA = Path(__file__).parent.parent / "data" / "network"
FILES = dnsmasq.Files(
    conf="/run/n.conf",
    dhcp_hosts="/run/n.dhcp-hosts",
    dns_hosts="/run/n.dns-hosts",
    leases="/var/n.leases",
    pid="/run/n.pid",
)
TOOLS = plan.Tools(files=FILES, nft="/sbin/nft", dnsmasq="/sbin/dnsmasq", user="dnsmasq")
FACTS = NetworkFacts(forwarding={4: False, 6: False})
NAMES = ["nat", "nat-pool", "isolated", "route", "limited"]
Golden = Callable[[str, str], None]


def load(name: str) -> Network:
    return parse_network((DATA / f"{name}-in.xml").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_steps(name: str, golden: Golden) -> None:
    steps = plan.plan_start(load(name), FACTS, (), TOOLS)
    golden(f"network/{name}.plan", plan.describe(steps))


@pytest.mark.parametrize("name", NAMES)
def test_rules(name: str, golden: Golden) -> None:
    golden(f"network/{name}.nft", rules.ruleset([load(name)]))


@pytest.mark.parametrize("name", NAMES)
def test_dnsmasq_files(name: str, golden: Golden) -> None:
    network = load(name)
    text = dnsmasq.config(network, FILES, "dnsmasq")
    text += "--- dhcp hosts\n" + dnsmasq.dhcp_hosts(network)
    text += "--- dns hosts\n" + dnsmasq.dns_hosts(network)
    golden(f"network/{name}.dnsmasq", text)


def test_rules_of_several_networks_are_one_table(golden: Golden) -> None:
    networks = [load(name) for name in reversed(NAMES)]
    golden("network/all.nft", rules.ruleset(networks, "1a2b"))
    assert rules.ruleset(networks, "1a2b") == rules.ruleset(networks[::-1], "1a2b")


def test_without_networks_the_table_goes() -> None:
    assert rules.ruleset([]) == "table inet virtlxc { }\ndelete table inet virtlxc\n"


def test_every_effect_has_an_undo_or_says_why_not() -> None:
    for name in NAMES:
        for step in plan.plan_start(load(name), FACTS, (), TOOLS):
            assert (step.undo is None) == bool(step.ends), step
            assert step.op in perform.OPS
            assert step.undo is None or step.undo["op"] in perform.OPS


def test_forwarding_that_is_on_is_no_step() -> None:
    on = NetworkFacts(forwarding={4: True, 6: True})
    steps = plan.plan_start(load("nat"), on, (), TOOLS)
    assert not any(step.args.get("key") == "net/ipv4/ip_forward" for step in steps)


def test_a_kernel_without_ipv6_has_no_step_for_it() -> None:
    facts = NetworkFacts(forwarding={4: False}, ipv6=False)
    steps = plan.plan_start(load("nat"), facts, (), TOOLS)
    assert not any("ipv6" in str(step.args) for step in steps)


def test_a_bridge_of_others_needs_no_step() -> None:
    assert plan.plan_start(load("bridge"), FACTS, (), TOOLS) == ()
    assert plan.plan_stop(load("bridge"), (), TOOLS) == ()


def test_mode_open_has_no_rules() -> None:
    ip = "<ip address='10.0.0.1' prefix='24'/>"
    network = parse_network(f"<network><name>o</name><forward mode='open'/>{ip}</network>")
    assert network.forward == Forward(mode="open")
    assert not rules.needs_rules(network)


def test_failed_undo_and_stop_restore_the_rules_of_the_others() -> None:
    other, network = load("route"), load("nat")
    (step,) = (s for s in plan.plan_start(network, FACTS, [other], TOOLS) if s.op == "nft")
    assert step.undo is not None
    assert step.undo["args"]["text"] == rules.ruleset([other])
    (stop,) = (u for u in plan.plan_stop(network, [other], TOOLS) if u["op"] == "nft")
    assert stop["args"]["text"] == rules.ruleset([other])


def test_reverse_zones() -> None:
    def zones(address: str, prefix: int) -> list[str]:
        text = f"<network><name>n</name><ip address='{address}' prefix='{prefix}'/></network>"
        return dnsmasq.reverse_zones(parse_network(text).ips[0])

    assert zones("192.168.122.1", 24) == ["122.168.192.in-addr.arpa"]
    assert zones("10.1.2.3", 8) == ["10.in-addr.arpa"]
    assert zones("10.2.0.1", 15) == ["2.10.in-addr.arpa", "3.10.in-addr.arpa"]
    assert zones("10.0.0.9", 32) == ["9.0.0.10.in-addr.arpa"]
    assert zones("fd00:1::1", 32) == ["1.0.0.0.0.0.d.f.ip6.arpa"]


LEASES = """\
1700000000 52:54:00:AA:00:01 192.168.122.10 web1 01:52:54:00:aa:00:01
0 06-52:54:00:aa:00:02 192.168.122.11 * *
1700000000 52:54:00:aa:00:03 192.168.122.12
duid 00:01:00:01:2c:00:00:00:52:54:00:00:00:01
1700000000 T7339 fd00::5 web2 00:03:00:01:52:54:00:aa:00:04
"""


def test_leases() -> None:
    rows = dnsmasq.parse_leases(LEASES)
    assert [(row.mac, row.address, row.hostname) for row in rows] == [
        ("52:54:00:aa:00:01", "192.168.122.10", "web1"),
        ("52:54:00:aa:00:02", "192.168.122.11", None),
        (None, "fd00::5", "web2"),
    ]
    assert rows[2].iaid == "7339"
    assert [row.address for row in dnsmasq.current(rows, 1700000001)] == ["192.168.122.11"]


def test_mac_of_a_duid() -> None:
    assert dnsmasq.mac_of_duid("00:03:00:01:52:54:00:AA:00:04") == "52:54:00:aa:00:04"
    with_time = "00:01:00:01:2c:00:00:00:52:54:00:00:00:01"
    assert dnsmasq.mac_of_duid(with_time) == "52:54:00:00:00:01"
    assert dnsmasq.mac_of_duid("00:02:00:00:ab:11") is None
