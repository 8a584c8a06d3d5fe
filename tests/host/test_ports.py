"""Cards in VLANs of the kernel's bridges: seen in the bridge, and by what frames pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.host.changelab import CONFIG, LIVE, ChangeLab
from tests.host.lifelab import Ref
from tests.host.netlab import Peer, ip, own_network, run
from virtlxc.errors import Code
from virtlxc.runtime.ops import ports
from virtlxc.runtime.ops.context import Context, StepError

pytestmark = [pytest.mark.host, pytest.mark.vlans]

MAC = "52:54:00:71:a4:0{number}"
CARD = """<interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/>{vlan}
<target dev='{host}'/><guest dev='lan'/><ip address='10.70.0.{number}' family='ipv4' prefix='24'/>
</interface>"""
UNTAGGED = ("Egress Untagged", "PVID")
SEVEN, NINE = "<vlan><tag id='7'/></vlan>", "<vlan><tag id='9'/></vlan>"
TRUNK = "<vlan trunk='yes'><tag id='9'/><tag id='7' nativeMode='{mode}'/></vlan>"
NETWORK = """<network><name>lan</name><forward mode='bridge'/><bridge name='brv'/>
<vlan><tag id='7'/></vlan>
<portgroup name='guests'><vlan><tag id='9'/></vlan></portgroup></network>"""


def card(number: int, vlan: str = "", bridge: str = "brv") -> str:
    mac = MAC.format(number=number)
    return CARD.format(mac=mac, number=number, vlan=vlan, bridge=bridge, host=f"port{number}")


def vlans_of(shown: Any, host: str) -> dict[int, tuple[str, ...]]:
    return {
        one["vlan"]: tuple(sorted(one.get("flags", ())))
        for port in shown
        if port["ifname"] == host
        for one in port["vlans"]
    }


class PortLab(ChangeLab):
    """Domains on the bridges brv, which keeps VLANs apart, and br0, which does not."""

    def vlans(self, host: str) -> dict[int, tuple[str, ...]]:
        """What the bridge says of a port: the flags of each of its VLANs."""
        shown = self.instance.run("bridge", "-j", "vlan", "show", "dev", host).ok()
        return vlans_of(json.loads(shown), host)

    def pings(self, ref: Ref, address: str) -> bool:
        return ", 0% packet loss" in self.inside(ref, "/bin/ping", "-c1", "-W1", address)

    def reaches(self, ref: Ref, address: str) -> None:
        wait_for(f"an answer of {address}", lambda: self.pings(ref, address))


@pytest.fixture(scope="module")
def lab() -> Iterator[PortLab]:
    instance = Instance()
    instance.bridge("br0", "10.9.0.1/24")
    instance.bridge("brv", "10.69.0.1/24")
    instance.run("ip", "link", "set", "brv", "type", "bridge", "vlan_filtering", "1").ok()
    try:
        yield PortLab(instance)
    finally:
        instance.close()


@pytest.fixture
def domains(lab: PortLab) -> Iterator[Any]:
    """Starts domains with these devices; they end with the test."""
    made: list[Ref] = []

    def start(**devices: str) -> list[Ref]:
        refs = [lab.define(name, devices=text) for name, text in devices.items()]
        made.extend(refs)
        return [lab.start(ref) for ref in refs]

    yield start
    for ref in made:
        if lab.id(ref) >= 0:
            lab.destroy(ref)
        lab.call("DOMAIN_UNDEFINE", dom=ref)


@pytest.mark.kernel
def test_the_kernel_keeps_a_port_in_its_vlans() -> None:
    """The operation by itself, without a daemon: quick enough for an emulated processor."""
    with own_network():
        ip("link", "add", "brv", "type", "bridge", "vlan_filtering", "1")
        ip("link", "set", "brv", "up")
        peers = [Peer(f"port{number}", bridge="brv") for number in (1, 2, 3)]
        try:
            for number, (native, tagged) in enumerate(((7, []), (7, [9]), (9, [7, 9])), start=1):
                ports.vlan(
                    Context("controller", {}),
                    host=f"port{number}", bridge="brv", native=native, tagged=tagged,
                )  # fmt: skip
                own = ("ip", "address", "add", f"10.70.0.{number}/24", "dev", "eth0")
                peers[number - 1].run(*own).ok()
            shown = json.loads(run("bridge", "-j", "vlan", "show"))
            assert vlans_of(shown, "port1") == {7: UNTAGGED}, "not in the bridge's VLAN 1"
            assert vlans_of(shown, "port2") == {7: UNTAGGED, 9: ()}
            assert vlans_of(shown, "port3") == {7: (), 9: ("PVID",)}
            assert peers[0].run("busybox", "ping", "-c1", "-W5", "10.70.0.2").code == 0
            assert peers[0].run("busybox", "ping", "-c1", "-W1", "10.70.0.3").code != 0
            ip("link", "set", "brv", "type", "bridge", "vlan_filtering", "0")
            with pytest.raises(StepError, match="bridge 'brv' keeps no VLANs apart"):
                ports.vlan(
                    Context("controller", {}), host="port1", bridge="brv", native=9, tagged=[]
                )
        finally:
            for peer in peers:
                peer.close()


def test_frames_stay_in_their_vlan(lab: PortLab, domains: Any) -> None:
    one, _, other, trunk = domains(
        one=card(1, SEVEN),
        two=card(2, SEVEN),
        other=card(3, NINE),
        trunk=card(4, TRUNK.format(mode="untagged")),
    )
    assert lab.vlans("port1") == lab.vlans("port2") == {7: UNTAGGED}, "not in the bridge's VLAN 1"
    assert lab.vlans("port3") == {9: UNTAGGED}
    assert lab.vlans("port4") == {7: UNTAGGED, 9: ()}
    lab.reaches(one, "10.70.0.2")
    lab.reaches(trunk, "10.70.0.1")
    assert not lab.pings(one, "10.70.0.3") and not lab.pings(other, "10.70.0.2")
    lab.reboot(one)
    wait_for("its card", lambda: "10.70.0.1/24" in lab.inside(one, "/bin/ip", "address"))
    assert lab.vlans("port1") == {7: UNTAGGED}
    lab.reaches(one, "10.70.0.2")


def test_a_bridge_that_does_not_keep_vlans_apart_is_refused(lab: PortLab) -> None:
    ref = lab.define("apart", devices=card(1, SEVEN, bridge="br0"))
    try:
        message = lab.refused(Code.CONFIG_UNSUPPORTED, "start", ref)
        assert message == (
            "cannot start domain 'apart': put lan into VLAN 7: bridge 'br0' keeps no VLANs apart "
            "(ip link set br0 type bridge vlan_filtering 1, or start with --ignore vlan)"
        )
        lab.instance.virtlxc("start", "apart", "--ignore", "vlan").ok()
        assert lab.vlans("port1") == {1: UNTAGGED}
        lab.destroy(ref)
        # What was so at the start is looked at again, since a guest may boot a year later.
        lab.instance.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1").ok()
        lab.start(ref)
        assert lab.vlans("port1") == {7: UNTAGGED}
        lab.instance.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "0").ok()
        lab.call("DOMAIN_REBOOT", dom=ref, flags=0)
        wait_for("its end", lambda: lab.id(ref) == -1)
        assert "keeps no VLANs apart" in lab.instance.virtlxc("dominfo", "apart").ok() + (
            lab.instance.daemon_messages()
        )
    finally:
        lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_a_card_that_comes_and_goes(lab: PortLab, domains: Any) -> None:
    one, _ = domains(one="<interface type='ethernet'/>", two=card(2, SEVEN))
    text = card(1, TRUNK.format(mode="tagged"))
    lab.attach(one, text, LIVE | CONFIG)
    assert lab.vlans("port1") == {7: ("PVID",), 9: ()}
    lab.detach(one, text, LIVE | CONFIG)
    assert "port1" not in lab.instance.links()
    lab.attach(one, card(1, SEVEN))
    lab.reaches(one, "10.70.0.2")
    lab.restart_daemon()
    lab.instance.virtlxc("domif-setlink", "one", "port1", "down").ok()
    assert not lab.pings(one, "10.70.0.2")
    lab.instance.virtlxc("domif-setlink", "one", "port1", "up").ok()
    assert lab.vlans("port1") == {7: UNTAGGED}
    lab.reaches(one, "10.70.0.2")
    for changed, what in ((NINE, "vlan"), ("", "vlan")):
        message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", one, card(1, changed))
        assert message.endswith(f"while the container runs: {what}")
    # Another bridge would be another VLAN 7.
    other = card(1, SEVEN, bridge="br0")
    lab.instance.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1").ok()
    message = lab.refused(Code.OPERATION_UNSUPPORTED, "update", one, other)
    assert "put lan into VLAN 7: this cannot be done while the container runs" in message
    assert lab.vlans("port1") == {7: UNTAGGED}
    lab.reboot(one)
    wait_for("its card", lambda: "10.70.0.1/24" in lab.inside(one, "/bin/ip", "address"))
    assert lab.vlans("port1") == {7: UNTAGGED}


def test_what_a_network_says_of_its_ports(lab: PortLab, domains: Any) -> None:
    """The card's own comes first, then its port group's, then the network's."""
    lab.instance.virtlxc("net-define", lab.instance.write("net.xml", NETWORK)).ok()
    lab.instance.virtlxc("net-start", "lan").ok()

    def of_network(number: int, group: str = "", vlan: str = "") -> str:
        source = f"<source network='lan'{group}/>"
        text = card(number, vlan).replace("type='bridge'", "type='network'")
        return text.replace("<source bridge='brv'/>", source)

    (one,) = domains(
        one=of_network(1)
        + of_network(2, " portgroup='guests'").replace("dev='lan'", "dev='lan2'")
        + of_network(3, " portgroup='guests'", "<vlan><tag id='5'/></vlan>").replace(
            "<guest dev='lan'/>", ""
        )
    )
    assert lab.vlans("port1") == {7: UNTAGGED}
    assert lab.vlans("port2") == {9: UNTAGGED}
    assert lab.vlans("port3") == {5: UNTAGGED}
    assert lab.xml(one).count("<vlan>") == 3, "what runs says what holds for it"
    # What holds for it is that, whatever becomes of the network.
    lab.instance.virtlxc("net-destroy", "lan").ok()
    lab.instance.virtlxc("net-undefine", "lan").ok()
    lab.reboot(one)
    wait_for("its cards", lambda: "port3" in lab.instance.links())
    assert lab.vlans("port2") == {9: UNTAGGED}
