"""Networks after failures and kills: nothing is left, and what runs is found again."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.netlab import ip, run, take_lease
from tests.host.network_host import Host, leftovers, network_host, xml
from virtlxc.errors import VirtlxcError
from virtlxc.host import programs
from virtlxc.host.network import perform, plan
from virtlxc.host.network.facts import read_facts

pytestmark = pytest.mark.host


@pytest.fixture
def host() -> Iterator[Host]:
    with network_host() as made:
        yield made


def test_a_failure_after_every_step_leaves_nothing(host: Host) -> None:
    network = host.networks.view(host.default).current
    tools = plan.Tools(
        files=host.networks._store.dnsmasq_files(network.uuid),
        nft=programs.require("nft", "test"),
        dnsmasq=programs.require("dnsmasq", "test"),
        user="nobody",
        instance=host.paths.instance,
    )
    fault = plan.Step(
        name="fault",
        op="write",
        args={"path": "/nonexistent/x", "data": ""},
        text="fails",
        ends="never",
    )
    facts = read_facts()
    steps = plan.plan_start(network, facts, (), tools)
    for after in range(len(steps) + 1):
        with pytest.raises(VirtlxcError, match="No such file or directory"):
            perform.perform([*steps[:after], fault])
        assert leftovers(host) == [], f"after {after} steps"
        assert read_facts().forwarding == facts.forwarding


def test_a_daemon_killed_after_every_step_leaves_nothing(host: Host) -> None:
    network = host.networks.view(host.default).current
    life = host.networks._life
    steps = plan.plan_start(network, read_facts(), (), life._tools(network, "test"))
    for after in range(len(steps) + 1):
        life._save(network, "starting", steps)
        for step in steps[:after]:
            perform.OPS[step.op](**step.args)
        host.networks = host.daemon()
        assert not host.networks.is_active(host.default)
        assert leftovers(host) == [], f"after {after} steps"


def test_next_daemon_finds_it_running(host: Host) -> None:
    host.networks.start(host.default)
    before = host.dnsmasq(host.default)
    assert before is not None
    host.networks = host.daemon()
    assert host.networks.is_active(host.default)
    assert host.dnsmasq(host.default) == before
    with pytest.raises(VirtlxcError, match="already active"):
        host.networks.start(host.default)


def test_next_daemon_replaces_a_dead_dnsmasq(host: Host, tmp_path: Path) -> None:
    host.networks.start(host.default)
    before = host.dnsmasq(host.default)
    assert before is not None
    handle = os.pidfd_open(before)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)
    host.networks = host.daemon()
    after = host.dnsmasq(host.default)
    assert after not in (None, before)
    take_lease(host.guest(host.networks.bridge_name(host.default)), tmp_path)


@pytest.mark.parametrize("state", ["starting", "stopping"])
def test_next_daemon_ends_what_was_cut_off(host: Host, state: str) -> None:
    host.networks.start(host.default)
    live = Path(host.paths.run) / "network" / f"{host.default.uuid_text}.json"
    live.write_text(live.read_text().replace('"state":"active"', f'"state":"{state}"'))
    host.networks = host.daemon()
    assert not host.networks.is_active(host.default)
    assert leftovers(host) == []
    host.networks.start(host.default)


def test_state_of_another_boot_is_forgotten(host: Host) -> None:
    host.networks.start(host.default)
    live = Path(host.paths.run) / "network" / f"{host.default.uuid_text}.json"
    text = live.read_text()
    host.networks.destroy(host.default)
    start = text.index('"boot_id":"') + len('"boot_id":"')
    live.write_text(text[:start] + "x" * 36 + text[start + 36 :])
    host.networks = host.daemon()
    assert not host.networks.is_active(host.default)
    assert leftovers(host) == []


def test_a_bridge_deleted_by_others_ends_the_network(host: Host) -> None:
    host.networks.start(host.default)
    ip("link", "delete", host.networks.bridge_name(host.default))
    host.networks = host.daemon()
    assert not host.networks.is_active(host.default)
    assert leftovers(host) == []


def test_stop_does_not_touch_anothers_bridge_of_the_same_name(host: Host) -> None:
    host.networks.start(host.default)
    bridge = host.networks.bridge_name(host.default)
    ip("link", "delete", bridge)
    ip("link", "add", bridge, "type", "bridge")
    host.networks.destroy(host.default)
    ip("link", "show", bridge)
    ip("link", "delete", bridge)


def test_two_networks_share_the_table_and_stop_apart(host: Host) -> None:
    ref = host.networks.define(xml("two", "10.84.0", "nat"))
    host.networks.start(host.default)
    host.networks.start(ref)
    host.networks.destroy(host.default)
    table = run("nft", "list", "table", "inet", f"virtlxc_{host.paths.instance}")
    assert "10.84.0.0/24" in table and "192.168.122.0/24" not in table
    assert host.dnsmasq(ref) is not None
