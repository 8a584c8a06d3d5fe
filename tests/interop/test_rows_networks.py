"""Virtual networks by libvirt-python; read back from links, from the disk and from dnsmasq."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError
from tests.interop.virsh import DOMAIN

pytestmark = pytest.mark.interop

XML = """<network><name>{name}</name><bridge name='{name}br'/>
<ip address='10.77.{third}.1' netmask='255.255.255.0'>
<dhcp><range start='10.77.{third}.100' end='10.77.{third}.150'/></dhcp></ip></network>"""
ADD_FIRST, DHCP_HOST, LIVE, CONFIG = 4, 4, 1, 2


class Nets:
    """A client, and what the kernel says of its bridges."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.client = Library(instance)

    def on(self, name: str, call: str) -> Any:
        return self.client(f"connection.networkLookupByName({name!r}).{call}")

    def file(self, name: str) -> Path:
        return Path(self.instance.paths.networks) / f"{name}.xml"

    def bridge(self, name: str) -> str:
        """The addresses of a bridge; empty when there is none."""
        return self.instance.run("ip", "-o", "-4", "address", "show", "dev", f"{name}br").stdout


@pytest.fixture(scope="module")
def nets(shared_instance: Instance) -> Iterator[Nets]:
    made = Nets(shared_instance)
    yield made
    made.client.close()


@pytest.fixture
def lab(nets: Nets) -> Iterator[str]:
    """A network that is defined and does not run."""
    nets.client(f"connection.networkDefineXML({XML.format(name='lab', third=1)!r})")
    yield "lab"
    for call in ("destroy()", "undefine()"):
        try:
            nets.on("lab", call)
        except LibraryError:
            continue


@pytest.mark.proves("NETWORK_DEFINE_XML", "NETWORK_UNDEFINE", "NETWORK_LOOKUP_BY_NAME",
                    "NETWORK_LOOKUP_BY_UUID", "NETWORK_GET_XML_DESC")  # fmt: skip
def test_define_and_undefine(nets: Nets) -> None:
    nets.client(f"connection.networkDefineXML({XML.format(name='one', third=2)!r})")
    text = nets.file("one").read_text()
    uuid = nets.on("one", "UUIDString()")
    assert f"<uuid>{uuid}</uuid>" in text
    assert nets.client(f"connection.networkLookupByUUID({UUID(uuid).bytes!r}).name()") == "one"
    assert "10.77.2.1" in nets.on("one", "XMLDesc(0)")
    nets.on("one", "undefine()")
    assert not nets.file("one").exists()
    with pytest.raises(LibraryError, match="no network with matching name 'one'") as caught:
        nets.on("one", "name()")
    assert caught.value.code == 43


@pytest.mark.proves("NETWORK_DEFINE_XML_FLAGS", "NETWORK_CREATE_XML_FLAGS")
def test_with_validation(nets: Nets) -> None:
    xml = XML.format(name="two", third=3)
    wrong = xml.replace("<dhcp>", "<dhhcp>").replace("</dhcp>", "</dhhcp>")
    for call in ("networkDefineXMLFlags", "networkCreateXMLFlags"):
        with pytest.raises(LibraryError, match="dhhcp"):
            nets.client(f"connection.{call}({wrong!r}, 1)")
    nets.client(f"connection.networkDefineXMLFlags({xml!r}, 1)")
    assert nets.file("two").exists()
    nets.on("two", "undefine()")
    nets.client(f"connection.networkCreateXMLFlags({xml!r}, 1)")
    assert "10.77.3.1/24" in nets.bridge("two")
    assert not nets.file("two").exists()
    nets.on("two", "destroy()")


@pytest.mark.proves("NETWORK_CREATE", "NETWORK_DESTROY", "NETWORK_IS_ACTIVE",
                    "NETWORK_GET_BRIDGE_NAME")  # fmt: skip
def test_start_and_destroy(nets: Nets, lab: str) -> None:
    assert [nets.bridge(lab), nets.on(lab, "isActive()")] == ["", 0]
    nets.on(lab, "create()")
    assert f"{nets.on(lab, 'bridgeName()')} " in nets.bridge(lab)
    assert nets.on(lab, "isActive()") == 1
    nets.on(lab, "destroy()")
    assert [nets.bridge(lab), nets.on(lab, "isActive()")] == ["", 0]


@pytest.mark.proves("NETWORK_CREATE_XML", "NETWORK_IS_PERSISTENT")
def test_a_transient_network(nets: Nets, lab: str) -> None:
    nets.client(f"connection.networkCreateXML({XML.format(name='brief', third=4)!r})")
    assert "10.77.4.1/24" in nets.bridge("brief")
    assert [nets.on("brief", "isPersistent()"), nets.on(lab, "isPersistent()")] == [0, 1]
    assert not nets.file("brief").exists()
    nets.on("brief", "destroy()")
    assert nets.bridge("brief") == ""


@pytest.mark.proves("NETWORK_SET_AUTOSTART", "NETWORK_GET_AUTOSTART")
def test_autostart(nets: Nets, lab: str) -> None:
    link = nets.file(lab).parent / "autostart" / f"{lab}.xml"
    nets.on(lab, "setAutostart(1)")
    assert link.is_symlink()
    assert nets.on(lab, "autostart()") == 1
    nets.on(lab, "setAutostart(0)")
    assert not link.is_symlink()


@pytest.mark.proves("CONNECT_NUM_OF_NETWORKS", "CONNECT_LIST_NETWORKS", "CONNECT_LIST_ALL_NETWORKS",
                    "CONNECT_NUM_OF_DEFINED_NETWORKS",
                    "CONNECT_LIST_DEFINED_NETWORKS")  # fmt: skip
def test_lists(nets: Nets, lab: str) -> None:
    def lists() -> Any:
        return nets.client(
            "[connection.numOfNetworks(), connection.listNetworks(), "
            "connection.numOfDefinedNetworks(), sorted(connection.listDefinedNetworks()), "
            "[one.name() for one in connection.listAllNetworks(2)]]"
        )

    assert lists() == [0, [], 2, ["default", lab], []]
    nets.on(lab, "create()")
    assert nets.bridge(lab)
    assert lists() == [1, [lab], 1, ["default"], [lab]]


@pytest.mark.proves("NETWORK_UPDATE", "NETWORK_GET_DHCP_LEASES")
def test_a_fixed_address_and_its_lease(nets: Nets, lab: str) -> None:
    """The guest's own client asks dnsmasq, which has heard of the change."""
    host = "<host mac='52:54:00:00:00:99' ip='10.77.1.99'/>"
    nets.on(lab, "create()")
    nets.on(lab, f"update({ADD_FIRST}, {DHCP_HOST}, -1, {host!r}, {LIVE | CONFIG})")
    assert "10.77.1.99" in nets.file(lab).read_text()
    xml = DOMAIN.format(name="guest", root=nets.instance.busybox(), init="/sbin/init")
    card = f"<interface type='network'><mac address='52:54:00:00:00:99'/><source network='{lab}'/>"
    xml = xml.replace("<console", f"{card}</interface><console")
    nets.client(f"guest = connection.createXML({xml!r}, 0)")
    try:
        script = "ip link set eth0 up; udhcpc -i eth0 -n -q -t 5 -s /bin/true"
        nets.instance.virtlxc("exec", "guest", "--", "sh", "-c", script).ok()
        wait_for("the lease", lambda: nets.on(lab, "DHCPLeases()"))
        [lease] = nets.on(lab, "DHCPLeases()")
        assert (lease["mac"], lease["ipaddr"]) == ("52:54:00:00:00:99", "10.77.1.99")
    finally:
        nets.client("guest.destroy()")


CARD = "<interface type='network'><mac address='{mac}'/><source network='lab'/>{more}</interface>"
MACS = ("52:54:00:00:00:a1", "52:54:00:00:00:a2", "52:54:00:00:00:a3")


@pytest.mark.proves("NETWORK_LIST_ALL_PORTS", "NETWORK_PORT_LOOKUP_BY_UUID",
                    "NETWORK_PORT_GET_XML_DESC")  # fmt: skip
def test_the_ports_of_a_network_are_those_of_its_bridge(nets: Nets, lab: str) -> None:
    """Cards that come and go with domains and in running ones; the kernel has the same ones."""
    nets.on(lab, "create()")

    def ports() -> dict[str, ElementTree.Element]:
        """By the MAC of the card, once the kernel says that they are as many."""
        said = {}
        network = f"connection.networkLookupByName({lab!r})"
        for uuid in nets.client(f"[one.UUIDString() for one in {network}.listAllPorts()]"):
            port = ElementTree.fromstring(
                nets.on(lab, f"portLookupByUUIDString({uuid!r}).XMLDesc(0)")
            )
            assert port.findtext("uuid") == uuid
            mac = port.find("mac")
            assert mac is not None
            said[mac.get("address", "")] = port
        rows = nets.instance.run("ip", "-o", "link", "show", "master", f"{lab}br").ok()
        assert len(rows.splitlines()) == len(said), rows
        return said

    def create(name: str, *cards: str) -> str:
        root = nets.instance.busybox(f"port-{name}")
        xml = DOMAIN.format(name=name, root=root, init="/sbin/init")
        xml = xml.replace("<console", "".join(cards) + "<console")
        uuid: str = nets.client(f"connection.createXML({xml!r}, 0).UUIDString()")
        return uuid

    assert ports() == {}
    limit = "<bandwidth><inbound average='1000' peak='2000' burst='64'/></bandwidth>"
    uuid = create("one", CARD.format(mac=MACS[0], more=limit))
    create("two", CARD.format(mac=MACS[1], more="<port isolated='yes'/>"))
    try:
        found = ports()
        assert list(found) == [MACS[0], MACS[1]]
        first, second = found.values()
        assert (first.findtext("owner/name"), first.findtext("owner/uuid")) == ("one", uuid)
        plug, inbound = first.find("plug"), first.find("bandwidth/inbound")
        assert plug is not None and inbound is not None
        assert plug.attrib == {"type": "network", "bridge": f"{lab}br"}
        assert inbound.attrib == {"average": "1000", "peak": "2000", "burst": "64"}
        assert second.find("bandwidth") is None
        assert second.find("port[@isolated='yes']") is not None
        more = CARD.format(mac=MACS[2], more="")
        nets.client(f"connection.lookupByName('one').attachDeviceFlags({more!r}, 1)")
        assert set(ports()) == set(MACS)
        shown = nets.instance.virtlxc("exec", "one", "--", "cat", "/sys/class/net/eth1/address")
        assert shown.ok().strip() == MACS[2]
        uuids = nets.instance.virtlxc("net-port-list", lab, "--uuid").ok().split()
        assert {one.findtext("uuid") for one in ports().values()} == set(uuids)
        shown = nets.instance.virtlxc("net-port-dumpxml", lab, uuids[0])
        assert f"<uuid>{uuids[0]}</uuid>" in shown.ok()
        nets.client(f"connection.lookupByName('one').detachDeviceFlags({more!r}, 1)")
        assert set(ports()) == {MACS[0], MACS[1]}
        gone = next(iter(found.values())).findtext("uuid")
    finally:
        nets.client("connection.lookupByName('one').destroy()")
        nets.client("connection.lookupByName('two').destroy()")
    wait_for("the end of the links", lambda: f"{lab}br" not in nets.instance.run(
        "ip", "-o", "link", "show", "type", "veth").ok())  # fmt: skip
    assert ports() == {}
    with pytest.raises(LibraryError, match=f"port with UUID {gone} does not exist") as caught:
        nets.on(lab, f"portLookupByUUIDString({gone!r})")
    assert caught.value.code == 107
    refused = nets.instance.virtlxc("net-port-dumpxml", lab, str(gone)).failed()
    assert refused.startswith(f"error: failed to get network port '{gone}'\n")


@pytest.mark.proves("CONNECT_NETWORK_EVENT_REGISTER_ANY", "CONNECT_NETWORK_EVENT_DEREGISTER_ANY",
                    "NETWORK_EVENT_LIFECYCLE")  # fmt: skip
def test_events(nets: Nets) -> None:
    watcher = Library(nets.instance)
    watcher("number = connection.networkEventRegisterAny(None, 0, hear, None)")
    nets.client(f"connection.networkDefineXML({XML.format(name='told', third=5)!r})")
    for call in ("create()", "destroy()", "undefine()"):
        nets.on("told", call)
    wait_for("the last event", lambda: len(watcher("events")) == 4)
    assert [event[:2] for event in watcher("events")] == [
        ["told", 0], ["told", 2], ["told", 3], ["told", 1]
    ]  # fmt: skip
    watcher("connection.networkEventDeregisterAny(number)")
    nets.client(f"connection.networkCreateXML({XML.format(name='untold', third=6)!r}).destroy()")
    assert len(watcher("[connection.getHostname(), events][1]")) == 4
    watcher.close()
