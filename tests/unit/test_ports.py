"""``<vlan>`` and ``<virtualport>``: read, checked, merged, planned, changed, and refused."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.domains import completed, xml
from tests.unit.plan_scenes import (
    BRIDGED,
    HOSTS,
    PORT_FACTS,
    PORTS,
    START,
    UUID,
    domain,
    options,
    plan,
)
from virtlxc.driver.named import NamedRef
from virtlxc.driver.network import ports
from virtlxc.driver.network.ports import PortRef
from virtlxc.errors import VirtlxcError
from virtlxc.host.facts import Network, StartFacts
from virtlxc.model import Interface, Port, VirtualPort, Vlan, VlanTag, check, parse_domain, unserved
from virtlxc.model.network_document import parse_network
from virtlxc.model.port import merge
from virtlxc.plan import Plan, start
from virtlxc.plan.changes import AtStartOnly, Change, beyond, difference
from virtlxc.plan.scene import Scene
from virtlxc.plan.steps import Step
from virtlxc.runtime import netlink
from virtlxc.runtime.service import FEATURES

SEVEN = Vlan(tags=(VlanTag(id=7),))
OVS = VirtualPort(type="openvswitch")


def trunk(*ids: int, native: int = -1, mode: str = "untagged") -> Vlan:
    tags = tuple(VlanTag(id=one, native_mode=mode if one == native else None) for one in ids)
    return Vlan(trunk=True, tags=tags)


@pytest.mark.parametrize(
    ("vlan", "native", "tagged"),
    [
        (SEVEN, 7, ()),
        (Vlan(tags=(VlanTag(id=7, native_mode="tagged"),)), 7, (7,)),
        (trunk(9, 7), None, (7, 9)),
        (trunk(9), None, (9,)),
        (trunk(9, 7, native=7), 7, (9,)),
        (trunk(9, 7, native=7, mode="tagged"), 7, (7, 9)),
        (trunk(9, 9, 7), None, (7, 9)),
    ],
)
def test_what_a_vlan_means(vlan: Vlan, native: int | None, tagged: tuple[int, ...]) -> None:
    assert (vlan.native.id if vlan.native else None, vlan.tagged) == (native, tagged)


@pytest.mark.parametrize(
    ("inner", "kind", "message"),
    [
        ("<vlan/>", "bridge", "<vlan> names no VLAN; add a <tag id='7'/>"),
        (
            "<vlan trunk='no'><tag id='5'/><tag id='6'/></vlan>",
            "bridge",
            "<vlan trunk='no'> has more than one tag",
        ),
        (
            "<vlan trunk='no'><tag id='5' nativeMode='tagged'/></vlan>",
            "bridge",
            "<vlan trunk='no'> has a native VLAN",
        ),
        (
            "<vlan><tag id='5' nativeMode='tagged'/><tag id='6' nativeMode='tagged'/></vlan>",
            "bridge",
            "<vlan> has 2 tags with nativeMode; one VLAN can be native",
        ),
        ("<virtualport/>", "bridge", "<virtualport> has no type"),
        ("<virtualport type='openvswitch'/>", "ethernet", "not possible with type='ethernet'"),
        (
            "<virtualport type='openvswitch'><parameters managerid='1'/></virtualport>",
            "network",
            "<virtualport type='openvswitch'> has no parameter managerid; take it out",
        ),
        (
            "<virtualport type='openvswitch'/><port isolated='yes'/>",
            "bridge",
            "Open vSwitch isolates no ports",
        ),
    ],
)
def test_what_libvirt_refuses_to_define(inner: str, kind: str, message: str) -> None:
    source = "" if kind == "ethernet" else f"<source {kind}='x0'/>"
    text = xml(f"<interface type='{kind}'>{source}{inner}</interface>")
    with pytest.raises(VirtlxcError, match=r"web1.*interface 1: ") as raised:
        check(parse_domain(text))
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("<vlan><tag id='4096'/></vlan>", "a whole number from 0 to 4095"),
        ("<vlan><tag id='0x7'/></vlan>", "a whole number from 0 to 4095"),
        ("<vlan><tag/></vlan>", "id"),
        ("<virtualport type='ovs'/>", "openvswitch"),
        (
            "<virtualport type='openvswitch'><parameters interfaceid='zz'/></virtualport>",
            "32 hexadecimal digits",
        ),
    ],
)
def test_values_that_cannot_be(inner: str, message: str) -> None:
    text = xml(f"<interface type='bridge'><source bridge='x0'/>{inner}</interface>")
    with pytest.raises(VirtlxcError, match=message):
        parse_domain(text)


def test_other_types_of_ports_are_told_of() -> None:
    (card,) = completed(
        xml(
            "<interface type='direct'><source dev='eth0'/><virtualport type='802.1Qbg'>"
            "<parameters managerid='11' typeid='0x010203'/></virtualport></interface>"
        )
    ).interfaces
    assert card.virtualport is not None and card.virtualport.type_id == 0x10203
    told = {item.path.rpartition("virtualport/")[2]: item.protects for item in
            unserved(domain(interfaces=(card,)))}  # fmt: skip
    assert told["@type"] and told["parameters/@managerid"] is False


def test_the_id_of_a_port_is_made_once_for_all() -> None:
    text = xml(
        "<interface type='bridge'><mac address='52:54:00:00:00:09'/><source bridge='x0'/>"
        "<virtualport type='openvswitch'/></interface>"
    )
    once, again = completed(text), completed(text)
    assert once == again and once.interfaces[0].virtualport != OVS
    other = text.replace(":09", ":0a")
    assert completed(other).interfaces[0].virtualport != once.interfaces[0].virtualport


def test_what_a_card_says_comes_first() -> None:
    group = VirtualPort(type="openvswitch", profile_id="guests")
    mine = VirtualPort(interface_id=UUID)
    assert merge(mine, group) == VirtualPort(
        type="openvswitch", interface_id=UUID, profile_id="guests"
    )
    assert merge(None, group) == group and merge(mine, None) == mine


NETWORK = """<network><name>lan</name><forward mode='bridge'/><bridge name='br0'/>
<vlan><tag id='7'/></vlan><virtualport type='openvswitch'><parameters profileid='all'/>
</virtualport>
<portgroup name='guests'><vlan trunk='yes'><tag id='9'/></vlan>
<virtualport type='openvswitch'><parameters profileid='guests'/></virtualport></portgroup>
<portgroup name='plain' default='yes'/></network>"""


def test_port_groups_stand_before_their_network() -> None:
    network = parse_network(NETWORK)
    assert network.port.vlan == SEVEN
    assert network.ports["guests"] == Port(
        vlan=trunk(9), virtualport=VirtualPort(type="openvswitch", profile_id="guests")
    )
    assert network.ports["plain"] == network.ports[""] == network.port


def test_types_of_ports_that_contradict_each_other() -> None:
    text = NETWORK.replace(
        "<virtualport type='openvswitch'><parameters profileid='guests'/>",
        "<virtualport type='802.1Qbh'><parameters profileid='guests'/>",
    )
    with pytest.raises(VirtlxcError, match="<virtualport> of port group 'guests' has another type"):
        parse_network(text)


def test_the_port_of_a_network_says_what_it_is() -> None:
    card = Interface(
        type="network", source="lan", mac=BRIDGED.mac, bridge="br0",
        vlan=trunk(9, 7, native=7), virtualport=replace(OVS, interface_id=UUID),
    )  # fmt: skip
    network = parse_network(NETWORK)
    ref = PortRef(NamedRef("lan", uuid.UUID(UUID).bytes), uuid.UUID(UUID).bytes)
    text = ports.xml(network, ref, ports.Plugged("vnet0", "web1", UUID, card))
    assert re.sub(r"\n *", "", text).partition("cc'/>")[2].startswith(
        f"<virtualport type='openvswitch'><parameters interfaceid='{UUID}'/></virtualport>"
        "<vlan trunk='yes'><tag id='9'/><tag id='7' nativeMode='untagged'/></vlan>"
        "<plug type='bridge' bridge='br0'/>"
    )


# The plan


def steps(made: Plan, *ops: str) -> list[Step]:
    return [step for step in made.steps if step.op in ops]


def ported(**fields: Any) -> Plan:
    return plan(domain(interfaces=(replace(BRIDGED, **fields),)), start=PORT_FACTS)


def test_nothing_passes_before_the_port_is_in_its_vlan() -> None:
    made = ported(vlan=SEVEN)
    found = steps(made, "link-veth", "link-vlan", "link-up")
    assert [(step.op, step.side) for step in found] == [
        ("link-veth", "controller"),
        ("link-vlan", "controller"),
        ("link-up", "controller"),
        ("link-up", "init"),
    ]
    assert found[0].args["up"] is False and found[0].args["bridge"] == "br0"
    assert found[1].name == "put eth0 into VLAN 7"
    assert "link-up" not in [
        step.op for step in ported(vlan=SEVEN, link_state="down").steps if step.side != "init"
    ]


@pytest.mark.parametrize(
    ("vlan", "columns"),
    [
        (None, {}),
        (SEVEN, {"tag": 7}),
        (trunk(9, 7), {"trunks": [7, 9]}),
        (
            trunk(9, 7, native=7),
            {"tag": 7, "vlan_mode": "native-untagged", "trunks": [7, 9]},
        ),
        # Without trunks this port would carry every VLAN.
        (
            Vlan(tags=(VlanTag(id=7, native_mode="tagged"),)),
            {"tag": 7, "vlan_mode": "native-tagged", "trunks": [7]},
        ),
    ],
)
def test_what_open_vswitch_is_told(vlan: Vlan | None, columns: dict[str, Any]) -> None:
    port = replace(OVS, interface_id=UUID, profile_id="web")
    made = ported(source="ovs0", vlan=vlan, virtualport=port)
    (told,) = steps(made, "ovs-port")
    host = made.links[0][0]
    ids = {"attached-mac": BRIDGED.mac, "iface-id": UUID, "vm-id": UUID, "port-profile": "web"}
    program = "/usr/bin/ovs-vsctl"
    assert told.args == {"program": program, "bridge": "ovs0", "host": host, "ids": ids} | columns
    assert told.undo is not None and told.boot
    assert (told.undo.op, told.undo.args) == (
        "ovs-port-away",
        {"program": program, "host": host, "vm": UUID},
    )
    (veth,) = steps(made, "link-veth")
    assert veth.args["bridge"] is None and veth.args["quiet"] and not veth.args["up"]
    assert steps(made, "link-vlan") == []


def of_network(port: Port, **groups: Port) -> StartFacts:
    network = Network(active=True, bridge="br0", port=port, ports=groups)
    return replace(PORT_FACTS, networks={"lan": network})


def test_a_network_puts_its_cards_into_vlans() -> None:
    facts = of_network(Port(vlan=SEVEN), guests=Port(vlan=trunk(9)))
    assert StartFacts.from_json(facts.to_json()) == facts
    card = Interface(type="network", source="lan", mac=BRIDGED.mac)
    cases = (
        (card, "VLAN 7"),
        (replace(card, portgroup="guests"), "VLAN 9"),
        (replace(card, portgroup="unknown"), "VLAN 7"),
        (replace(card, vlan=trunk(5, 6, 4)), "VLANs 4, 5 and 6"),
    )
    for one, name in cases:
        (step,) = steps(plan(domain(interfaces=(one,)), start=facts), "link-vlan")
        assert step.name == f"put eth0 into {name}"


LOST = replace(PORT_FACTS, vsctl="")
KERNEL = replace(PORT_FACTS, filtering={"br0": None})
OFF = replace(PORT_FACTS, filtering={"br0": False})
DIRECT = {"type": "direct", "source": "eth1"}
REFUSED: tuple[tuple[dict[str, Any], StartFacts, str, str], ...] = (
    (
        {"vlan": SEVEN},
        OFF,
        "put eth0 into VLAN 7: bridge 'br0' keeps no VLANs apart (ip link set br0 type bridge "
        "vlan_filtering 1, or start with --ignore vlan)",
        "vlan",
    ),
    (
        {"vlan": SEVEN},
        KERNEL,
        "put eth0 into VLAN 7: bridges of this kernel keep no VLANs apart "
        "(CONFIG_BRIDGE_VLAN_FILTERING) (use one over a VLAN device of the host, or start with "
        "--ignore vlan)",
        "vlan",
    ),
    (
        {"vlan": trunk(4095, 1)},
        PORT_FACTS,
        "put eth0 into VLANs 1 and 4095: 4095 is the number of no VLAN (use one of 1 to 4094, or "
        "start with --ignore vlan)",
        "vlan",
    ),
    (
        {**DIRECT, "vlan": SEVEN},
        PORT_FACTS,
        "put eth0 into VLAN 7: on a macvlan, <vlan> needs a virtual function of an SR-IOV card, "
        "and containers get none (use a bridge, or the host's VLAN device as <source dev>, or "
        "start with --ignore vlan)",
        "vlan",
    ),
    (
        {"type": "ethernet", "source": None, "vlan": SEVEN},
        PORT_FACTS,
        "put eth0 into VLAN 7: it has no bridge that could do that (use type='bridge', or start "
        "with --ignore vlan)",
        "vlan",
    ),
    (
        {**DIRECT, "virtualport": OVS},
        PORT_FACTS,
        "attach eth0 to its bridge: a macvlan has no virtual port (use a bridge of Open "
        "vSwitch's)",
        "virtualport",
    ),
    (
        {"source": "ovs0", "virtualport": OVS},
        LOST,
        "attach eth0 to its bridge: Open vSwitch's program 'ovs-vsctl' is not on this host "
        "(install it: apt install openvswitch-switch, dnf install openvswitch, zypper install "
        "openvswitch, apk add openvswitch)",
        "",
    ),
    (
        {"virtualport": OVS},
        PORT_FACTS,
        "attach eth0 to its bridge: 'br0' is a bridge of the kernel, not of Open vSwitch (take "
        "<virtualport> out, or name another bridge: ovs-vsctl list-br)",
        "",
    ),
    (
        {"source": "ovs9", "virtualport": OVS},
        PORT_FACTS,
        "attach eth0 to its bridge: there is no bridge 'ovs9' (ovs-vsctl add-br ovs9, while Open "
        "vSwitch runs)",
        "",
    ),
    (
        {"source": "ovs0"},
        PORT_FACTS,
        "attach eth0 to its bridge: 'ovs0' is a bridge of Open vSwitch (add <virtualport "
        "type='openvswitch'/> to the interface)",
        "",
    ),
)


@pytest.mark.parametrize(("fields", "facts", "message", "ignore"), REFUSED)
def test_ports_that_cannot_be(
    fields: dict[str, Any], facts: StartFacts, message: str, ignore: str
) -> None:
    made = domain(interfaces=(replace(BRIDGED, **fields),))
    with pytest.raises(VirtlxcError) as raised:
        plan(made, start=facts)
    assert raised.value.message == f"cannot start domain 'web1': {message}"
    if ignore:
        without = plan(made, start=facts, ignore=frozenset({ignore}))
        assert steps(without, "link-vlan", "ovs-port") == []


def test_what_can_be_is_not_ignored() -> None:
    made = plan(
        domain(interfaces=(replace(BRIDGED, vlan=SEVEN),)),
        start=PORT_FACTS,
        ignore=frozenset({"vlan", "virtualport"}),
    )
    assert len(steps(made, "link-vlan")) == 1


def test_a_port_without_any_type_is_told_of() -> None:
    card = Interface(type="network", source="default", virtualport=VirtualPort(profile_id="x"))
    made = plan(domain(interfaces=(card,)), start=START)
    told = "<virtualport> has no type, and network 'default' none, ignored"
    assert told in made.warnings and steps(made, "ovs-port") == []


# Changes of what runs

CARD = replace(BRIDGED, target="vnet0", guest="eth0")
SECOND = replace(CARD, mac="52:54:00:00:00:02", target="vnet1", guest="eth1")


def change(before: Interface | None, after: Interface | None) -> Change:
    plans = [
        tuple(
            start.steps(
                Scene(
                    domain(interfaces=(CARD, *([one] if one else []))),
                    HOSTS["v2"],
                    PORT_FACTS,
                    options(leaf="/machine/x"),
                )
            )
        )
        for one in (before, after)
    ]
    return difference(plans[0], plans[1], (4711, 99))


def test_a_port_comes_and_goes_with_its_card() -> None:
    card = replace(SECOND, vlan=SEVEN)
    assert [step.op for step in change(None, card).additions] == [
        "open-ns", "link-veth", "link-vlan", "link-up", "link-up",
    ]  # fmt: skip
    assert [record["op"] for record in change(card, None).taken] == ["link-delete"]
    switch = replace(SECOND, source="ovs0", virtualport=OVS)
    found = change(None, switch)
    assert [record["op"] for record in found.undo] == ["link-delete", "ovs-port-away"]
    assert found.lasting == found.undo
    assert [one["op"] for one in change(switch, None).taken] == ["link-delete", "ovs-port-away"]


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        ({"vlan": SEVEN}, {"vlan": trunk(9)}, "put eth1 into VLAN 9"),
        ({}, {"vlan": SEVEN}, "put eth1 into VLAN 7"),
        ({"vlan": SEVEN}, {"vlan": SEVEN, "source": "virbr0"}, "put eth1 into VLAN 7"),
        ({}, {"source": "ovs0", "virtualport": OVS}, "attach eth1 to its bridge"),
        ({"source": "ovs0", "virtualport": OVS}, {}, "attach eth1 to its bridge"),
    ],
)
def test_a_port_does_not_change(before: dict[str, Any], after: dict[str, Any], step: str) -> None:
    with pytest.raises(AtStartOnly) as raised:
        change(replace(SECOND, **before), replace(SECOND, **after))
    assert raised.value.step.name == step


def test_the_carrier_of_a_port_is_the_hosts_to_give() -> None:
    card = replace(SECOND, vlan=SEVEN)
    down = change(card, replace(card, link_state="down"))
    assert [(step.op, step.args) for step in down.additions if step.side == "controller"] == [
        ("link-up", {"link": "vnet1", "state": "down"})
    ]


def test_earlier_controllers_get_no_ports_that_they_cannot_boot() -> None:
    boot = change(None, replace(SECOND, vlan=SEVEN)).boot
    step = beyond(boot, set(FEATURES) - {"link-vlan"})
    assert step is not None and step.name == "put eth1 into VLAN 7"
    assert beyond(boot, FEATURES) is None


# The request


def test_a_port_leaves_all_vlans_before_it_is_put_into_its_own() -> None:
    # As iproute2 writes "bridge vlan del vid 1-4094" and "bridge vlan add vid 7 pvid untagged".
    assert netlink.vlan_request(3, 7, [9]).hex() == (
        "34000000110005000000000000000000" "07000000030000000000000000000000"
        "14001a80" "0800020008000100" "080002001000fe0f"
        "34000000130005000000000000000000" "07000000030000000000000000000000"
        "14001a80" "0800020000000900" "0800020006000700"
    )  # fmt: skip
    native_tagged = netlink.vlan_request(3, 7, [7, 9])
    assert native_tagged.endswith(bytes.fromhex("0800020002000700" "0800020000000900"))  # fmt: skip
    assert PORTS.interfaces[0].vlan is not None
