"""What a client asks about the host's devices and interfaces; the truth stands in sysfs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from tests import peers
from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError

pytestmark = pytest.mark.interop

NO_NODE_DEVICE, NO_INTERFACE, MULTIPLE_INTERFACES, NO_SUPPORT = 53, 57, 58, 3
CREATED, DELETED = 0, 1
MAC = "52:54:00:99:00:01"
NAME = "net_near0_" + MAC.replace(":", "_")


@pytest.fixture(scope="module")
def library(shared_instance: Instance) -> Iterator[Library]:
    """A host with a pair of links, of which one is up, and a bridge."""
    instance = shared_instance
    instance.run("ip", "link", "add", "near0", "address", MAC, "type", "veth",
                 "peer", "name", "far0").ok()
    for name in ("near0", "far0"):
        instance.run("ip", "link", "set", name, "up").ok()
    instance.bridge("br0")
    made = Library(instance)
    yield made
    made.close()
    instance.run("ip", "link", "del", "near0").ok()


@pytest.mark.proves("CONNECT_LIST_ALL_NODE_DEVICES", "NODE_NUM_OF_DEVICES", "NODE_LIST_DEVICES")
def test_lists_of_devices(library: Library) -> None:
    found = library("[one.name() for one in connection.listAllDevices()]")
    assert "computer" in found
    assert len(found) == library("connection.numOfDevices(None)")
    assert sorted(found) == sorted(library("connection.listDevices(None)"))
    cards = {one.replace(":", "_").replace(".", "_") for one in os.listdir("/sys/bus/pci/devices")}
    flag = "libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV"
    listed = library(f"[one.name() for one in connection.listAllDevices({flag})]")
    assert {f"pci_{one}" for one in cards} == set(listed) == set(
        library("connection.listDevices('pci')")
    )


@pytest.mark.proves(
    "NODE_DEVICE_LOOKUP_BY_NAME", "NODE_DEVICE_GET_XML_DESC", "NODE_DEVICE_GET_PARENT",
    "NODE_DEVICE_NUM_OF_CAPS", "NODE_DEVICE_LIST_CAPS", "NODE_DEVICE_IS_ACTIVE",
    "NODE_DEVICE_IS_PERSISTENT", "NODE_DEVICE_GET_AUTOSTART",
)  # fmt: skip
def test_one_device(library: Library, shared_instance: Instance) -> None:
    library(f"device = connection.nodeDeviceLookupByName('{NAME}')")
    document = etree.fromstring(library("device.XMLDesc()"))
    assert document.findtext("path") == "/sys/devices/virtual/net/near0"
    assert document.xpath("string(capability/link/@state)") == "up"
    assert document.xpath("string(capability/link/@speed)") == "10000", "as the kernel says"
    assert library("[device.parent(), device.listCaps(), device.numOfCaps()]") == [
        "computer", ["net"], 1,
    ]  # fmt: skip
    questions = "[device.isActive(), device.isPersistent(), device.autostart()]"
    assert library(questions) == [1, 0, 0]
    library("device = connection.nodeDeviceLookupByName('computer')")
    assert library(questions) == [1, 1, 1]


def test_what_is_not_there_and_what_cannot_be_done(library: Library) -> None:
    with pytest.raises(LibraryError, match="no node device with matching name 'nope'") as caught:
        library("connection.nodeDeviceLookupByName('nope')")
    assert caught.value.code == NO_NODE_DEVICE
    library("device = connection.nodeDeviceLookupByName('computer')")
    for call in ("device.reset()", "device.dettach()", "connection.interfaceDefineXML('<a/>', 0)"):
        with pytest.raises(LibraryError, match="this function is not supported by") as caught:
            library(call)
        assert caught.value.code == NO_SUPPORT


@pytest.mark.proves("NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN", refused=True)
def test_no_fibre_channel_here(library: Library) -> None:
    assert not Path("/sys/class/fc_host").exists() or not os.listdir("/sys/class/fc_host")
    with pytest.raises(LibraryError) as caught:
        library("connection.nodeDeviceLookupSCSIHostByWWN('20000000c9831b4b', '1' * 16)")
    assert caught.value.code == NO_NODE_DEVICE


@pytest.mark.proves(
    "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY", "CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY",
    "NODE_DEVICE_EVENT_LIFECYCLE",
)  # fmt: skip
def test_devices_that_come_and_go_are_told(shared_instance: Instance) -> None:
    client = Library(shared_instance)
    client("number = connection.nodeDeviceEventRegisterAny(None, 0, hear, None)")
    only = f"connection.nodeDeviceLookupByName('{NAME}')"
    client(f"other = connection.nodeDeviceEventRegisterAny({only}, 0, hear, None)")
    shared_instance.run("ip", "link", "add", "c0", "address", "52:54:00:99:00:0a", "type", "veth",
                        "peer", "name", "c1", "address", "52:54:00:99:00:0b").ok()
    names = [f"net_c{at}_52_54_00_99_00_0{letter}" for at, letter in enumerate("ab")]
    wait_for("both to come", lambda: len(client("events")) >= len(names))
    shared_instance.run("ip", "link", "del", "c0").ok()
    wait_for("both to go", lambda: len(client("events")) >= 2 * len(names))
    told = [event[:2] for event in client("events")]
    assert sorted(told) == sorted([name, event] for name in names for event in (CREATED, DELETED))
    client("connection.nodeDeviceEventDeregisterAny(number)")
    client("connection.nodeDeviceEventDeregisterAny(other)")
    client.close()


@pytest.mark.proves(
    "CONNECT_LIST_ALL_INTERFACES", "CONNECT_NUM_OF_INTERFACES", "CONNECT_LIST_INTERFACES",
    "CONNECT_NUM_OF_DEFINED_INTERFACES", "CONNECT_LIST_DEFINED_INTERFACES",
)  # fmt: skip
def test_lists_of_interfaces(library: Library, shared_instance: Instance) -> None:
    run = shared_instance.run
    assert "near0" in library("connection.listInterfaces()")
    assert library("connection.numOfInterfaces()") == len(library("connection.listInterfaces()"))
    run("ip", "link", "set", "near0", "down").ok()
    assert "near0" in library("connection.listDefinedInterfaces()")
    assert library("connection.numOfDefinedInterfaces()") == len(
        library("connection.listDefinedInterfaces()")
    )
    up = "[one.name() for one in connection.listAllInterfaces(2)]"
    assert "near0" not in library(up)
    run("ip", "link", "set", "near0", "up").ok()
    wait_for("the link", lambda: "near0" in library(up))
    # A bridge's port is its bridge's.
    run("ip", "link", "set", "near0", "master", "br0").ok()
    assert "near0" not in library("[one.name() for one in connection.listAllInterfaces()]")
    library("iface = connection.interfaceLookupByName('br0')")
    document = etree.fromstring(library("iface.XMLDesc()"))
    assert [one.get("name") for one in document.iterfind("bridge/interface")] == ["near0"]
    run("ip", "link", "set", "near0", "nomaster").ok()


@pytest.mark.proves(
    "INTERFACE_LOOKUP_BY_NAME", "INTERFACE_LOOKUP_BY_MAC_STRING", "INTERFACE_GET_XML_DESC",
    "INTERFACE_IS_ACTIVE",
)  # fmt: skip
def test_one_interface(library: Library, shared_instance: Instance) -> None:
    library(f"iface = connection.interfaceLookupByMACString('{MAC.upper()}')")
    assert library("[iface.name(), iface.MACString()]") == ["near0", MAC]
    assert library("connection.interfaceLookupByName('near0').MACString()") == MAC
    shared_instance.run("ip", "link", "set", "near0", "mtu", "1400").ok()
    document = etree.fromstring(library("iface.XMLDesc()"))
    assert document.get("type") == "ethernet"
    assert document.xpath("string(mtu/@size)") == "1400"
    wait_for("the link", lambda: library("iface.isActive()") == 1)
    shared_instance.run("ip", "link", "set", "near0", "down").ok()
    wait_for("the link", lambda: library("iface.isActive()") == 0)
    shared_instance.run("ip", "link", "set", "near0", "up").ok()
    shared_instance.run("ip", "link", "set", "far0", "address", MAC).ok()
    with pytest.raises(LibraryError, match="matches multiple interfaces") as caught:
        library(f"connection.interfaceLookupByMACString('{MAC}')")
    assert caught.value.code == MULTIPLE_INTERFACES
    for call in ("interfaceLookupByName('no0')", "interfaceLookupByMACString('52:54:00:0:0:0')"):
        with pytest.raises(LibraryError, match="Interface not found: couldn't find") as caught:
            library(f"connection.{call}")
        assert caught.value.code == NO_INTERFACE


DOCUMENTS = Path(__file__).parent.parent / "data" / "nodedev"


def schema(name: str) -> etree.RelaxNG:
    return etree.RelaxNG(file=str(peers.virsh().root / f"usr/share/libvirt/schemas/{name}.rng"))


def test_documents_are_what_libvirts_schema_takes(library: Library) -> None:
    """Those of this host, and those of hosts with more in them."""
    devices = library("[one.XMLDesc() for one in connection.listAllDevices()]")
    devices += (DOCUMENTS / "documents.xml").read_text().split("\n\n")
    rules = schema("nodedev")
    for text in devices:
        rules.assertValid(etree.fromstring(text))
    found = library("[one.XMLDesc() for one in connection.listAllInterfaces()]")
    found += (DOCUMENTS / "interfaces.xml").read_text().split("\n\n")
    rules = schema("interface")
    for text in found:
        rules.assertValid(etree.fromstring(text))
