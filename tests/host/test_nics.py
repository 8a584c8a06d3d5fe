"""Network cards beside plain veth pairs: macvlans, lent interfaces, limits, isolation."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import wait_for
from tests.host.netlab import Peer, ip, run
from tests.host.startlab import SHIFT, SHIFTED, Ground
from tests.rootfs import give_to
from virtlxc.model import Bandwidth, Domain, Hostdev, IdMap, Interface, Ip, Route
from virtlxc.model.bandwidth import Rate
from virtlxc.plan import Plan
from virtlxc.runtime.journal import replay_journal

pytestmark = pytest.mark.host

MAC = "52:54:00:aa:bb:0a"


@pytest.fixture
def uplink(ground: Ground) -> Iterator[Peer]:
    """A host's card "up0", with somebody at its other end who has the address 10.7.0.1."""
    peer = Peer("up0", mac="02:00:00:00:00:07")
    peer.run("ip", "address", "add", "10.7.0.1/24", "dev", "eth0").ok()
    try:
        yield peer
    finally:
        peer.close()


def _macvlan(mode: str, **fields: Any) -> Interface:
    base: dict[str, Any] = {
        "type": "direct",
        "source": "up0",
        "source_mode": mode,
        "mac": MAC,
        "ips": (Ip(address="10.7.0.2", prefix=24),),
    }
    return Interface(**(base | fields))


@pytest.mark.parametrize("mode", ["bridge", "vepa", "private", "passthrough"])
def test_a_macvlan_reaches_the_outside(ground: Ground, uplink: Peer, mode: str) -> None:
    before = json.loads(ip("-j", "link", "show", "up0"))[0]["address"]
    out = Route(address="0.0.0.0", gateway="10.7.0.1")
    card = _macvlan(mode, guest="lan0", mtu=1300, routes=(out,))
    more = """
say card "$(ip address show lan0 | tr '\\n' ' ')"
say route "$(ip route | tr '\\n' ' ')"
say ping "$(ping -c 1 -W 5 10.7.0.1 | grep -c 'bytes from')"
"""
    seen: dict[str, Any] = {}

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        assert plan.links == (("", "lan0"),)
        inside = run("nsenter", f"--net=/proc/{pids['init']}/ns/net", "ip", "-d", "-j", "link")
        (link,) = [link for link in json.loads(inside) if link["ifname"] == "lan0"]
        seen.update(link["linkinfo"], mac=link["address"])

    said, _ = ground.run(ground.domain(interfaces=(card,), more=more), meanwhile=meanwhile)
    assert seen["info_kind"] == "macvlan" and seen["mac"] == MAC
    assert seen["info_data"]["mode"] == {"passthrough": "passthru"}.get(mode, mode)
    assert "10.7.0.2/24" in said["card"] and "mtu 1300" in said["card"]
    assert "default via 10.7.0.1 dev lan0" in said["route"]
    assert said["ping"] == "1"
    links = {link["ifname"]: link["address"] for link in json.loads(ip("-j", "link"))}
    assert set(links) == {"lo", "br0", "up0"}, "it went with its namespace"
    assert links["up0"] == before, "a passthrough had it for a while"


def test_two_macvlans_of_a_bridge_see_each_other_and_private_ones_do_not(
    ground: Ground, uplink: Peer
) -> None:
    other = "52:54:00:aa:bb:0b"
    more = "say ping $(ping -c 1 -W 1 10.7.0.9 | grep -c 'bytes from')"
    for mode, expected in (("bridge", "1"), ("private", "0")):
        (ground.folder / "console.log").unlink(missing_ok=True)
        neighbour = Peer("spare")
        ip(
            "link",
            "add",
            "link",
            "up0",
            "name",
            "mv9",
            "address",
            other,
            "type",
            "macvlan",
            "mode",
            mode,
        )
        ip("link", "set", "mv9", "netns", str(neighbour.spaces.pid))
        neighbour.run("ip", "address", "add", "10.7.0.9/24", "dev", "mv9").ok()
        neighbour.run("ip", "link", "set", "mv9", "up").ok()
        try:
            said, _ = ground.run(ground.domain(interfaces=(_macvlan(mode),), more=more))
        finally:
            neighbour.close()
        assert said["ping"] == expected, mode
        wait_for("its link to go", lambda: "spare" not in ip("link"))


LENT = Hostdev(
    mode="capabilities",
    type="net",
    source="up0",
    ips=(Ip(address="10.7.0.5", prefix=24),),
    routes=(Route(address="10.99.0.0", prefix=16, gateway="10.7.0.1"),),
)


def _link(name: str) -> dict[str, Any] | None:
    found = [link for link in json.loads(ip("-j", "address")) if link["ifname"] == name]
    return found[0] if found else None


@pytest.mark.parametrize("idmap", [None, SHIFTED], ids=["root", "userns"])
def test_an_interface_is_lent_and_comes_back(
    ground: Ground, uplink: Peer, idmap: IdMap | None
) -> None:
    if idmap:
        give_to(ground.root, SHIFT)
    ip("link", "set", "up0", "mtu", "1400")
    before = _link("up0")
    assert before is not None
    # The guest renames it and changes all that it can: it comes back as it was.
    more = """
say card "$(ip address show up0 | tr '\\n' ' ')"
say route "$(ip route | tr '\\n' ' ')"
say ping "$(ping -c 1 -W 5 10.7.0.1 | grep -c 'bytes from')"
ip link set up0 down; ip link set up0 name hidden; ip link set hidden mtu 900
ip link set hidden address 02:11:22:33:44:55
say hidden "$(ip link show hidden | grep -c hidden)"
"""

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        assert _link("up0") is None

    said, _ = ground.run(
        ground.domain(interfaces=(), hostdevs=(LENT,), idmap=idmap, more=more),
        meanwhile=meanwhile,
    )
    assert "10.7.0.5/24" in said["card"]
    assert "10.99.0.0/16 via 10.7.0.1 dev up0" in said["route"]
    assert (said["ping"], said["hidden"]) == ("1", "1")
    after = _link("up0")
    assert after is not None
    assert (after["mtu"], after["address"]) == (1400, before["address"])
    assert "UP" in after["flags"]


def _start(ground: Ground, domain: Domain) -> tuple[Plan, int]:
    plan = ground.plan(domain)
    with ground.spawner.start_controller(plan.to_json()) as channel:
        controller: int = channel.controller(20)["pid"]
        channel.go()
        channel.result(60)
    return plan, controller


def test_a_lent_interface_survives_whatever_is_killed(ground: Ground, uplink: Peer) -> None:
    plan, controller = _start(ground, ground.domain(interfaces=(), hostdevs=(LENT,)))
    group = Path(plan.payload.mount + ground.real(plan.payload.path, controller))
    os.kill(controller, signal.SIGKILL)
    (group / "cgroup.kill").write_text("1")
    wait_for("all to be gone", lambda: "populated 0" in (group / "cgroup.events").read_text())
    assert _link("up0") is None, "it waits in the pinned namespace"
    assert replay_journal(f"{plan.run}/journal") == []
    after = _link("up0")
    assert after is not None and "UP" in after["flags"]
    assert not Path(plan.run, "net").exists()


def test_a_lent_interface_comes_back_when_the_start_fails(ground: Ground, uplink: Peer) -> None:
    bad = Hostdev(
        mode="capabilities",
        type="net",
        source="up0",
        routes=(Route(address="10.99.0.0", prefix=16, gateway="192.0.2.1"),),
    )
    plan = ground.plan(ground.domain(interfaces=(), hostdevs=(bad,)))
    with (
        ground.spawner.start_controller(plan.to_json()) as channel,
        pytest.raises(Exception, match=r"route 10\.99\.0\.0/16"),
    ):
        channel.controller(20)
        channel.go()
        channel.result(60)
    replay_journal(f"{plan.run}/journal")
    assert _link("up0") is not None


def test_a_lent_interface_is_lent_again_at_a_reboot(ground: Ground, uplink: Peer) -> None:
    more = """
[ -e /second ] || { touch /second; reboot -f; }
say card "$(ip address show up0 | tr '\\n' ' ')"
"""
    said, _ = ground.run(ground.domain(interfaces=(), hostdevs=(LENT,), more=more))
    assert "10.7.0.5/24" in said["card"]
    assert _link("up0") is not None


def _bandwidth(inbound: Rate | None = None, outbound: Rate | None = None) -> Interface:
    return Interface(
        type="bridge",
        source="br0",
        mac="52:54:00:aa:bb:cc",
        ips=(Ip(address="10.9.0.2", prefix=24),),
        bandwidth=Bandwidth(inbound=inbound, outbound=outbound),
    )


SLOW = Rate(average=1024, burst=64)
TRANSFER = """
until nc 10.9.0.1 7001 < /dev/null 2>/dev/null; do sleep 0.1; done
now() { tr -d . < /proc/uptime | cut -d' ' -f1; }
start=$(now)
nc 10.9.0.1 7002 < /dev/null | wc -c > /tmp/got
say inbound $(( $(now) - start ))
start=$(now)
dd if=/dev/zero bs=64k count=32 2>/dev/null | nc 10.9.0.1 7003
say outbound $(( $(now) - start ))
say got "$(cat /tmp/got)"
"""
# By port: to try, to receive from, to send to.
SERVICES = {
    "7001": "true",
    "7002": "dd if=/dev/zero bs=64k count=32",
    "7003": "dd of=/dev/null bs=64k",
}


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_traffic_is_limited(ground: Ground, direction: str) -> None:
    """2 MiB at 1 MiB a second take 2 seconds; nothing judges what is not limited."""
    kinds: set[str] = set()

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        ((host, _),) = plan.links
        queues = json.loads(run("tc", "-j", "qdisc", "show", "dev", host))
        kinds.update(row["kind"] for row in queues)

    outside = Peer("out0", bridge="br0")
    outside.run("ip", "address", "add", "10.9.0.1/24", "dev", "eth0").ok()
    servers = [
        outside.spaces.popen(["busybox", "nc", "-ll", "-p", port, "-e", *command.split()])
        for port, command in SERVICES.items()
    ]
    try:
        said, _ = ground.run(
            ground.domain(interfaces=(_bandwidth(**{direction: SLOW}),), more=TRANSFER),
            meanwhile=meanwhile,
        )
    finally:
        for server in servers:
            server.terminate()
            server.wait()
        outside.close()
    assert said["got"] == str(2 << 20)
    assert int(said[direction]) >= 150, "hundredths of a second"
    limits = {"inbound": "htb", "outbound": "clsact"}
    assert kinds & set(limits.values()) == {limits[direction]}


def test_limits_of_traffic_are_the_kernels(ground: Ground) -> None:
    rates = {"inbound": Rate(average=1000, peak=2000, burst=500), "outbound": Rate(average=128)}
    seen: dict[str, Any] = {}

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        ((host, _),) = plan.links
        seen["class"] = run("tc", "class", "show", "dev", host)
        seen["qdisc"] = run("tc", "qdisc", "show", "dev", host)
        seen["filter"] = run("tc", "filter", "show", "dev", host, "ingress")

    ground.run(ground.domain(interfaces=(_bandwidth(**rates),)), meanwhile=meanwhile)
    assert "class htb 1:1 root" in seen["class"]
    assert "rate 8192Kbit ceil 16384Kbit" in seen["class"]
    assert "clsact" in seen["qdisc"] and "default 0x1" in seen["qdisc"]
    assert "virtlxc-rate direct-action" in seen["filter"]


def test_isolated_ports(ground: Ground) -> None:
    """Two isolated ports of a bridge do not see each other; each sees the rest."""
    other, rest = Peer("iso0", bridge="br0"), Peer("free0", bridge="br0")
    run("bridge", "link", "set", "dev", "iso0", "isolated", "on")
    for peer, address in ((other, "10.9.0.8/24"), (rest, "10.9.0.9/24")):
        peer.run("ip", "address", "add", address, "dev", "eth0").ok()
    more = """
say other "$(ping -c 1 -W 1 10.9.0.8 | grep -c 'bytes from')"
say rest "$(ping -c 1 -W 5 10.9.0.9 | grep -c 'bytes from')"
"""
    card = Interface(
        type="bridge",
        source="br0",
        mac=MAC,
        isolated=True,
        ips=(Ip(address="10.9.0.2", prefix=24),),
    )
    try:
        said, _ = ground.run(ground.domain(interfaces=(card,), more=more))
    finally:
        other.close()
        rest.close()
    assert (said["other"], said["rest"]) == ("0", "1")
