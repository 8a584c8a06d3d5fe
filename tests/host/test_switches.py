"""Cards on bridges of Open vSwitch: what its database says, what passes, and nothing is left."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import wait_for
from tests.host.changelab import CONFIG, LIVE
from tests.host.lifelab import SHUTOFF, Ref
from tests.host.switchlab import BRIDGE, SwitchLab, WithSwitch
from virtlxc.errors import VirtlxcError

pytestmark = pytest.mark.host

ID = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"
CARD = f"""<interface type='bridge'><mac address='52:54:00:05:00:0{{number}}'/>
<source bridge='{BRIDGE}'/>{{vlan}}<virtualport type='openvswitch'>{{port}}</virtualport>
<target dev='port{{number}}'/><guest dev='lan{{number}}'/>
<ip address='10.71.0.{{number}}' family='ipv4' prefix='24'/></interface>"""
SEVEN, NINE = "<vlan><tag id='7'/></vlan>", "<vlan><tag id='9'/></vlan>"
NETWORK = f"""<network><name>switched</name><forward mode='bridge'/><bridge name='{BRIDGE}'/>
<virtualport type='openvswitch'/>
<portgroup name='guests'><vlan><tag id='7'/></vlan>
<virtualport><parameters profileid='guests'/></virtualport></portgroup></network>"""


def card(number: int, vlan: str = "", port: str = "") -> str:
    return CARD.format(number=number, vlan=vlan, port=port)


@pytest.fixture(scope="module")
def lab() -> Iterator[SwitchLab]:
    try:
        peers.fetch("openvswitch")
    except peers.Unavailable as error:
        pytest.skip(str(error))
    instance = WithSwitch()
    try:
        yield SwitchLab(instance)
    finally:
        instance.close()


@pytest.fixture
def one(lab: SwitchLab) -> Iterator[Ref]:
    """A domain with a port in VLAN 7, defined."""
    port = f"<parameters interfaceid='{ID}' profileid='a \"b\"'/>"
    ref = lab.define("one", devices=card(1, SEVEN, port))
    yield ref
    if lab.id(ref) >= 0:
        lab.destroy(ref)
    lab.call("DOMAIN_UNDEFINE", dom=ref)
    assert lab.ports() == []
    assert lab.instance.vsctl("list", "QoS") == ""


def addressed(lab: SwitchLab, ref: Ref, number: int = 1) -> None:
    wait_for("its card", lambda: f"10.71.0.{number}/24" in lab.inside(ref, "/bin/ip", "address"))


def pings(lab: SwitchLab, ref: Ref, address: str, patience: int = 1) -> bool:
    words = ("/bin/ping", "-c1", f"-W{patience}", address)
    return ", 0% packet loss" in lab.inside(ref, *words)


def test_a_card_is_a_port_of_the_switch(lab: SwitchLab, one: Ref) -> None:
    lab.start(one)
    assert lab.ports() == ["port1"]
    assert lab.column("Port", "port1", "tag") == "7"
    uid = str(uuid.UUID(bytes=one[1]))
    for name, value in (
        ("attached-mac", '"52:54:00:05:00:01"'),
        ("iface-id", f'"{ID}"'),
        ("vm-id", f'"{uid}"'),
        ("iface-status", "active"),
        ("port-profile", r'"a \"b\""'),
    ):
        assert lab.column("Interface", "port1", f"external_ids:{name}") == value
    shown = lab.instance.run("ip", "-6", "address", "show", "port1").ok()
    assert "fe80" not in shown, "the host is not to be reached by the port"
    # The limits of its traffic are the kernel's, and outlive the switch.
    lab.instance.virtlxc("domiftune", "one", "port1", "--inbound", "1000").ok()
    lab.instance.stop("ovs-vswitchd")
    lab.instance.start_switch()
    lab.instance.vsctl("--timeout=20", "set", "Bridge", BRIDGE, "external-ids:seen=yes")
    assert "rate 8192Kbit" in lab.instance.run("tc", "class", "show", "dev", "port1").ok()
    # Two more come: one in this VLAN, one not.
    for number, vlan in ((2, SEVEN), (3, NINE)):
        lab.attach(one, card(number, vlan))
    addressed(lab, one, 3)
    assert set(lab.ports()) == {"port1", "port2", "port3"}
    lab.detach(one, card(3, NINE))
    assert set(lab.ports()) == {"port1", "port2"}
    lab.reboot(one)
    addressed(lab, one, 2)
    assert set(lab.ports()) == {"port1", "port2"}
    assert lab.column("Port", "port2", "tag") == "7"
    lab.destroy(one)
    assert lab.ports() == []


def test_what_passes_between_two_containers(lab: SwitchLab, one: Ref) -> None:
    lab.start(one)
    trunk = "<vlan><tag id='9'/><tag id='7' nativeMode='untagged'/></vlan>"
    others = [
        lab.start(lab.define("two", devices=card(2, trunk))),
        lab.start(lab.define("three", devices=card(3, NINE))),
    ]
    try:
        assert lab.column("Port", "port2", "vlan_mode") == "native-untagged"
        assert lab.column("Port", "port2", "trunks") == "[7, 9]"
        for ref, number in ((one, 1), (others[0], 2), (others[1], 3)):
            addressed(lab, ref, number)
        wait_for("an answer", lambda: pings(lab, one, "10.71.0.2"))
        assert not pings(lab, one, "10.71.0.3")
        lab.reboot(one)
        addressed(lab, one)
        wait_for("an answer after the reboot", lambda: pings(lab, one, "10.71.0.2"))
    finally:
        for ref in others:
            lab.destroy(ref)
            lab.call("DOMAIN_UNDEFINE", dom=ref)


@pytest.mark.parametrize("whose", ["controller", "guest"])
def test_no_port_is_left_however_it_ends(lab: SwitchLab, one: Ref, whose: str) -> None:
    lab.start(one)
    assert lab.ports() == ["port1"]
    os.kill(lab.controller(one) if whose == "controller" else lab.id(one), signal.SIGKILL)
    lab.await_state(one, SHUTOFF)
    wait_for("the port's end", lambda: lab.ports() == [])


def test_a_network_of_the_switch(lab: SwitchLab, one: Ref) -> None:
    lab.instance.virtlxc("net-define", lab.instance.write("net.xml", NETWORK)).ok()
    lab.start(one)
    of_network = """<interface type='network'><mac address='52:54:00:05:00:04'/>
    <source network='switched' portgroup='guests'/><target dev='port4'/></interface>"""
    lab.attach(one, of_network, LIVE | CONFIG)
    assert lab.column("Port", "port4", "tag") == "7"
    assert lab.column("Interface", "port4", "external_ids:port-profile") == "guests"
    assert "profileid='guests'" in lab.xml(one), "what holds for it while it runs"
    assert "profileid='guests'" not in lab.xml(one, 2)
    lab.destroy(one)
    lab.start(one)
    assert set(lab.ports()) == {"port1", "port4"}
    lab.detach(one, of_network, LIVE | CONFIG)
    assert lab.ports() == ["port1"]
    lab.instance.virtlxc("net-destroy", "switched").ok()
    lab.instance.virtlxc("net-undefine", "switched").ok()


def refused(lab: SwitchLab, ref: Ref) -> str:
    with pytest.raises(VirtlxcError) as raised:
        lab.start(ref)
    assert "port1" not in lab.instance.links()
    return raised.value.message


def test_a_switch_that_cannot(lab: SwitchLab, one: Ref) -> None:
    """Each start is refused in words, and leaves nothing."""
    attach = "cannot start domain 'one': attach lan1 to its bridge: "
    other = lab.define("other", devices=card(1).replace(f"'{BRIDGE}'", "'lo'"))
    assert "Open vSwitch has no bridge named lo (ovs-vsctl add-br lo)" in refused(lab, other)
    lab.call("DOMAIN_UNDEFINE", dom=other)
    # A port of somebody else's is not taken away.
    lab.instance.vsctl("--no-wait", "add-port", BRIDGE, "port1")
    message = refused(lab, one)
    assert message.startswith(attach) and "already exists on bridge" in message
    # One that this domain left, unknown to any journal, is.
    uid = str(uuid.UUID(bytes=one[1]))
    lab.instance.vsctl("--no-wait", "set", "Interface", "port1", f"external_ids:vm-id={uid}")
    lab.start(one)
    lab.destroy(one)
    lab.instance.stop("ovs-vswitchd")
    message = refused(lab, one)
    assert message.startswith(attach) and "its switch did not follow within 5 s" in message
    assert lab.ports() == [], "nor does the database have it"
    lab.instance.stop("ovsdb-server")
    message = refused(lab, one)
    assert message.startswith(attach) and "database connection failed" in message
    assert "(start Open vSwitch: systemctl start openvswitch-switch)" in message
    lab.instance.start_database()
    lab.instance.start_switch()
    wait_for("its bridge", lambda: BRIDGE in lab.instance.links())
    lab.start(one)
    assert lab.ports() == ["port1"]


def test_a_database_that_is_away_at_the_end(lab: SwitchLab, one: Ref) -> None:
    """It is told of, with what is to be done; the domain's next start does it itself."""
    lab.start(one)
    lab.instance.stop("ovsdb-server")
    lab.destroy(one)
    told = "database connection failed (Connection refused)"
    mend = "; then: ovs-vsctl --if-exists del-port port1"
    messages = lab.instance.daemon_messages()
    assert told in messages and mend in messages
    lab.instance.start_database()
    assert lab.ports() == ["port1"]
    lab.start(one)
    assert lab.ports() == ["port1"] and lab.column("Port", "port1", "tag") == "7"
