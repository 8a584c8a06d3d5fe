"""Devices that come to a running container and go again: seen from inside, and in the kernel."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.host.changelab import CONFIG, IDMAP, INACTIVE, LIVE, SHIFT, ChangeLab
from tests.host.lifelab import Ref
from virtlxc.errors import Code

pytestmark = pytest.mark.host

NIC = """<interface type='bridge'><mac address='52:54:00:c0:ff:{number:02x}'/>
<source bridge='br0'/><target dev='hot{number}'/>
<ip address='10.9.0.{number}' family='ipv4' prefix='24'/></interface>"""
ROUTE = "<route family='ipv4' address='10.77.0.0' prefix='16' gateway='{}'/></interface>"


@pytest.fixture(scope="module")
def lab() -> Iterator[ChangeLab]:
    instance = Instance()
    instance.bridge("br0", "10.9.0.1/24")
    instance.bridge("br1")
    try:
        yield ChangeLab(instance)
    finally:
        instance.close()


@pytest.fixture(params=["plain", "mapped"])
def ref(lab: ChangeLab, request: pytest.FixtureRequest) -> Iterator[Ref]:
    """A running domain on a private network; its definition goes with the test."""
    name = f"{request.param}"
    more = IDMAP if request.param == "mapped" else ""
    made = lab.start(lab.define(name, more=more))
    yield made
    if lab.id(made) >= 0:
        lab.destroy(made)
    lab.call("DOMAIN_UNDEFINE", dom=made)


def test_an_interface_is_attached_named_addressed_and_up(lab: ChangeLab, ref: Ref) -> None:
    before = lab.files(ref)
    card = NIC.format(number=11).replace("</interface>", ROUTE.format("10.9.0.1"))
    lab.attach(ref, card)
    assert "inet 10.9.0.11/24" in lab.inside(ref, "/bin/ip", "address", "show", "eth0")
    assert "10.77.0.0/16 via 10.9.0.1" in lab.inside(ref, "/bin/ip", "route")
    assert "0% packet loss" in lab.inside(ref, "/bin/ping", "-c1", "-W2", "10.9.0.1")
    assert "master br0" in lab.instance.run("ip", "-o", "link", "show", "hot11").ok()
    xml = lab.xml(ref)
    assert "<target dev='hot11'/>" in xml
    assert "<guest dev='eth0'/>" in xml
    assert "<alias name='net0'/>" in xml
    assert "hot11" not in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    assert lab.xml(ref) == xml
    lab.detach(ref, card)
    assert "hot11" not in lab.instance.links()
    assert "eth0" not in lab.inside(ref, "/bin/ip", "link")
    assert "<interface" not in lab.xml(ref)
    assert lab.files(ref) == before


def test_devices_are_there_again_after_a_reboot_from_inside(lab: ChangeLab, ref: Ref) -> None:
    data = lab.instance.root / f"data-{ref[0]}"
    data.mkdir()
    if ref[0] == "mapped":
        os.chown(data, SHIFT, SHIFT)
    (data / "file").write_text("of the host\n")
    folder = f"<filesystem><source dir='{data}'/><target dir='/srv/data'/></filesystem>"
    lab.attach(ref, NIC.format(number=12))
    lab.attach(ref, NIC.format(number=13))
    lab.attach(ref, folder)
    lab.detach(ref, NIC.format(number=12))
    assert lab.inside(ref, "/bin/cat", "/srv/data/file") == "of the host\n"
    first = lab.id(ref)
    lab.call("DOMAIN_REBOOT", dom=ref, flags=0)
    wait_for("another init", lambda: lab.id(ref) not in (first, -1))
    wait_for("the card", lambda: "10.9.0.13/24" in lab.inside(ref, "/bin/ip", "address"))
    assert "10.9.0.12" not in lab.inside(ref, "/bin/ip", "address")
    assert lab.inside(ref, "/bin/cat", "/srv/data/file") == "of the host\n"
    assert "<alias name='net1'/>" in lab.xml(ref)
    lab.detach(ref, folder)
    assert "No such file" in lab.inside(ref, "/bin/cat", "/srv/data/file")
    lab.detach(ref, NIC.format(number=13))


def test_a_folder_is_attached_and_detached(lab: ChangeLab, ref: Ref) -> None:
    data = lab.instance.root / f"folder-{ref[0]}"
    data.mkdir()
    owner = SHIFT if ref[0] == "mapped" else 0
    os.chown(data, owner, owner)
    xml = (
        f"<filesystem type='mount'><source dir='{data}'/><target dir='/opt/new place'/>"
        "<readonly/></filesystem>"
    )
    lab.attach(ref, xml)
    assert "Read-only" in lab.inside(ref, "/bin/touch", "/opt/new place/x")
    assert "<alias name='fs1'/>" in lab.xml(ref)
    lab.restart_daemon()
    busy = subprocess.Popen(
        ["nsenter", "-t", str(lab.id(ref)), "-m", "/bin/sh", "-c", "cd '/opt/new place'; read x"],
        stdin=subprocess.PIPE,
    )
    try:
        where = Path(f"/proc/{busy.pid}/cwd")
        wait_for("it is there", lambda: os.readlink(where).endswith("new place"))
        message = lab.refused(Code.RESOURCE_BUSY, "detach", ref, xml)
        assert "a process of the container uses /opt/new place" in message
        assert "/opt/new place" in lab.xml(ref)
        assert "Read-only" in lab.inside(ref, "/bin/touch", "/opt/new place/x")
    finally:
        busy.communicate(b"\n")
    lab.detach(ref, xml)
    assert "/opt/new place" not in lab.xml(ref)
    assert "/opt/new place" not in lab.inside(ref, "/bin/cat", "/proc/self/mounts")


def test_a_ram_disk_and_a_bind_come_and_go(lab: ChangeLab, ref: Ref) -> None:
    ram = "<filesystem type='ram'><source usage='2' units='MiB'/><target dir='/ram'/></filesystem>"
    bind = "<filesystem type='bind'><source dir='/etc'/><target dir='/etc2'/></filesystem>"
    lab.attach(ref, ram)
    lab.attach(ref, bind)
    mounts = lab.inside(ref, "/bin/cat", "/proc/self/mounts")
    assert " /ram tmpfs rw,nosuid,nodev,relatime,size=2048k" in mounts
    assert "root:x:0" in lab.inside(ref, "/bin/cat", "/etc2/passwd")
    lab.detach(ref, ram)
    lab.detach(ref, bind)
    mounts = lab.inside(ref, "/bin/cat", "/proc/self/mounts")
    assert "/ram" not in mounts
    assert "/etc2" not in mounts


def test_the_definition_alone_and_both(lab: ChangeLab, ref: Ref) -> None:
    lab.attach(ref, NIC.format(number=21), CONFIG)
    assert "hot21" in lab.xml(ref, INACTIVE)
    assert "hot21" not in lab.xml(ref)
    lab.attach(ref, NIC.format(number=22), LIVE | CONFIG)
    assert "hot22" in lab.xml(ref, INACTIVE)
    assert "hot22" in lab.xml(ref)
    lab.destroy(ref)
    assert "hot22" not in lab.instance.links()
    started = lab.start(ref)
    addresses = lab.inside(started, "/bin/ip", "address")
    assert "10.9.0.21/24" in addresses
    assert "10.9.0.22/24" in addresses
    lab.detach(ref, NIC.format(number=22), LIVE | CONFIG)
    lab.call("DOMAIN_DETACH_DEVICE_ALIAS", dom=ref, alias="net0", flags=LIVE | CONFIG)
    assert "<interface" not in lab.xml(ref) + lab.xml(ref, INACTIVE)


def test_a_link_is_set_down_up_and_into_another_bridge(lab: ChangeLab, ref: Ref) -> None:
    card = NIC.format(number=31)
    lab.attach(ref, card)
    lab.update(ref, card.replace("<source", "<link state='down'/><source"))
    wait_for(
        "no carrier", lambda: "LOWER_UP" not in lab.inside(ref, "/bin/ip", "link", "show", "eth0")
    )
    assert "100% packet loss" in lab.inside(
        ref, "/bin/sh", "-c", "ip link set eth0 up; ping -c1 -W1 10.9.0.1"
    )
    assert "<link state='down'/>" in lab.xml(ref)
    lab.restart_daemon()
    lab.update(ref, card.replace("br0", "br1"))
    assert "master br1" in lab.instance.run("ip", "-o", "link", "show", "hot31").ok()
    wait_for("carrier", lambda: "LOWER_UP" in lab.inside(ref, "/bin/ip", "link", "show", "eth0"))
    message = lab.refused(
        Code.CONFIG_UNSUPPORTED, "update", ref, card.replace("10.9.0.31", "10.9.0.32")
    )
    assert "cannot modify network device net0 while the container runs: ips" in message
    lab.detach(ref, card)


def test_what_cannot_be_is_refused_and_nothing_changes(lab: ChangeLab, ref: Ref) -> None:
    card = NIC.format(number=41)
    lab.attach(ref, card)
    state = (lab.xml(ref), lab.instance.links(), lab.files(ref))
    taken = lab.refused(Code.INVALID_ARG, "attach", ref, card)
    assert taken == (
        "invalid argument: network device with mac 52:54:00:c0:ff:29 already exists"
    )
    other = NIC.format(number=42)
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, other.replace("br0", "br9"))
    assert "there is no bridge 'br9'" in message
    message = lab.refused(
        Code.CONFIG_UNSUPPORTED, "attach", ref, other.replace("hot42", "br1")
    )
    assert "the host has a link 'br1' already" in message
    gone = lab.refused(Code.DEVICE_MISSING, "detach", ref, other)
    assert gone == (
        "device not found: no device found at address '(<null>)' matching MAC address"
        " '52:54:00:c0:ff:2a' and alias '(<null>)'"
    )
    nowhere = "<filesystem><source dir='/nowhere'/><target dir='/x'/></filesystem>"
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, nowhere)
    assert "there is no '/nowhere'" in message
    root = "<filesystem><source dir='/'/><target dir='/'/></filesystem>"
    message = lab.refused(Code.OPERATION_INVALID, "detach", ref, root)
    assert "the root of a running container cannot be detached" in message
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, "<sound model='es1370'/>")
    assert "a running container has no device of type 'sound'" in message
    # A step inside that the kernel refuses: everything before it is taken back.
    far = other.replace("</interface>", ROUTE.format("1.1.1.1"))
    message = lab.refused(Code.OPERATION_FAILED, "attach", ref, far)
    assert "route 10.77.0.0/16 through 1.1.1.1" in message
    assert state == (lab.xml(ref), lab.instance.links(), lab.files(ref))
    assert "eth1" not in lab.inside(ref, "/bin/ip", "link")
    lab.detach(ref, card)


def test_a_container_on_the_hosts_network_gets_no_interface(lab: ChangeLab) -> None:
    ref = lab.define("hostnet")
    xml = lab.xml(ref).replace("<privnet/>", "")
    ref = lab.start(lab.ref_of(lab.call("DOMAIN_DEFINE_XML", xml=xml)))
    message = lab.refused(Code.OPERATION_INVALID, "attach", ref, NIC.format(number=51))
    assert "the container is on the host's network" in message
    lab.attach(ref, NIC.format(number=51), CONFIG)
    lab.destroy(ref)
    assert "10.9.0.51/24" in lab.inside(lab.start(ref), "/bin/ip", "address")
    lab.destroy(ref)
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_events_tell_of_devices(lab: ChangeLab, ref: Ref) -> None:
    for number in (15, 19, 22):
        lab.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=number, dom=ref)
    lab.attach(ref, NIC.format(number=61))
    lab.detach(ref, NIC.format(number=61))
    told = [lab.connection.next_event(5) for _ in range(2)]
    assert [(one.name, one.fields["devAlias"]) for one in told if one] == [
        ("DOMAIN_EVENT_CALLBACK_DEVICE_ADDED", "net0"),
        ("DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED", "net0"),
    ]
    lab.connect()


@pytest.mark.kernel
def test_the_status_on_disk_is_the_new_one(lab: ChangeLab, ref: Ref) -> None:
    lab.attach(ref, NIC.format(number=71))
    run = json.loads((lab.folder(ref) / "status.json").read_text())["run"]
    assert run["changes"] == 1
    assert [record["op"] for record in run["undo"]][-1] == "link-delete"
    lab.detach(ref, NIC.format(number=71))
    run = json.loads((lab.folder(ref) / "status.json").read_text())["run"]
    assert run["changes"] == 2
    assert "link-delete" not in [record["op"] for record in run["undo"]]


def _image(lab: ChangeLab, name: str) -> Path:
    image = lab.instance.root / name
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    return image


def test_an_image_becomes_a_disk_and_goes(lab: ChangeLab, ref: Ref) -> None:
    image = _image(lab, f"{ref[0]}.img")
    disk = (
        f"<disk type='file'><driver name='loop' type='raw'/><source file='{image}'/>"
        "<target dev='vda'/></disk>"
    )
    lab.attach(ref, disk, LIVE | CONFIG)
    assert "<alias name='disk0'/>" in lab.xml(ref)
    read = "dd if=/dev/vda bs=1k count=2 2>/dev/null | wc -c"
    assert lab.run(ref, read) == "2048\n"
    lab.restart_daemon()
    other = disk.replace("vda", "vdb")
    twice = lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, other)
    assert f"'{image}' is in use through /dev/loop" in twice
    taken = lab.refused(Code.INVALID_ARG, "attach", ref, disk)
    assert taken == "invalid argument: target vda already exists."
    first = lab.id(ref)
    lab.call("DOMAIN_REBOOT", dom=ref, flags=0)
    wait_for("another init", lambda: lab.id(ref) not in (first, -1))
    assert lab.run(ref, read) == "2048\n"
    lab.detach(ref, disk, LIVE | CONFIG)
    assert "No such file" in lab.inside(ref, "/bin/ls", "/dev/vda")
    assert str(image) not in subprocess.check_output(["losetup", "-a"], text=True)


def test_a_filesystem_in_an_image_is_mounted(lab: ChangeLab, ref: Ref) -> None:
    if ref[0] == "mapped":
        return
    image = _image(lab, f"fs-{ref[0]}.img")
    xml = (
        f"<filesystem type='file'><driver type='loop' format='raw'/><source file='{image}'/>"
        "<target dir='/mnt/image'/></filesystem>"
    )
    lab.attach(ref, xml)
    assert "lost+found" in lab.inside(ref, "/bin/ls", "/mnt/image")
    first = lab.id(ref)
    lab.call("DOMAIN_REBOOT", dom=ref, flags=0)
    wait_for("another init", lambda: lab.id(ref) not in (first, -1))
    assert "lost+found" in lab.inside(ref, "/bin/ls", "/mnt/image")
    lab.detach(ref, xml)
    assert "lost+found" not in lab.inside(ref, "/bin/ls", "/mnt/image")
    assert str(image) not in subprocess.check_output(["losetup", "-a"], text=True)


def test_a_device_of_the_host_and_its_rule(lab: ChangeLab, ref: Ref) -> None:
    tun = (
        "<hostdev mode='capabilities' type='misc'><source><char>/dev/net/tun</char></source>"
        "</hostdev>"
    )
    look = "mknod /tmp/tun c 10 200; dd if=/dev/net/tun count=0; dd if=/tmp/tun count=0"
    assert "can't open '/dev/net/tun': No such file" in lab.run(ref, look)
    lab.attach(ref, tun)
    assert "<alias name='hostdev0'/>" in lab.xml(ref)
    assert "can't open '/dev/net/tun'" not in lab.run(ref, look)
    again = lab.refused(Code.INVALID_ARG, "attach", ref, tun)
    assert again == "invalid argument: device is already in the domain configuration"
    lab.restart_daemon()
    lab.detach(ref, tun)
    assert "can't open '/dev/net/tun': No such file" in lab.run(ref, look)
    assert "can't open '/tmp/tun'" in lab.run(ref, look)


def test_a_macvlan_comes_down_and_goes(lab: ChangeLab, ref: Ref) -> None:
    card = (
        "<interface type='direct'><mac address='52:54:00:c0:ff:81'/>"
        "<source dev='br1' mode='bridge'/><guest dev='mac0'/>"
        "<ip address='10.8.0.2' family='ipv4' prefix='24'/>{}</interface>"
    )
    lab.attach(ref, card.format(""))
    assert "10.8.0.2/24" in lab.inside(ref, "/bin/ip", "address", "show", "mac0")
    lab.update(ref, card.format("<link state='down'/>"))
    assert ",UP" not in lab.inside(ref, "/bin/ip", "link", "show", "mac0")
    lab.update(ref, card.format("<link state='up'/>"))
    assert ",UP" in lab.inside(ref, "/bin/ip", "link", "show", "mac0")
    lab.detach(ref, card.format(""))
    assert "mac0" not in lab.inside(ref, "/bin/ip", "link")


def test_an_interface_of_the_host_is_lent_and_comes_back(lab: ChangeLab, ref: Ref) -> None:
    name = f"dum{ref[0]}"
    lab.instance.run("ip", "link", "add", name, "type", "veth", "peer", f"{name}1").ok()
    lab.instance.own_links |= {name, f"{name}1"}
    xml = (
        f"<hostdev mode='capabilities' type='net'><source><interface>{name}</interface></source>"
        "<ip address='10.7.0.2' family='ipv4' prefix='24'/></hostdev>"
    )
    lab.attach(ref, xml)
    assert "10.7.0.2/24" in lab.inside(ref, "/bin/ip", "address", "show", name)
    assert name not in lab.instance.links()
    lab.restart_daemon()
    lab.attach(ref, NIC.format(number=82))
    lab.detach(ref, xml)
    assert name in lab.instance.links()
    assert name not in lab.inside(ref, "/bin/ip", "link")
    lab.attach(ref, xml)
    lab.destroy(ref)
    wait_for("it is back", lambda: name in lab.instance.links())
    lab.instance.run("ip", "link", "delete", name).ok()
