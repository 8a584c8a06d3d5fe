"""Devices that this host has not got, from a tree that looks like sysfs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from virtlxc.driver.events import EventBus
from virtlxc.driver.node.devices import INACTIVE, NodeDevices
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.devices import inventory
from virtlxc.host.devices.interfaces import Interfaces

Golden = Callable[[str, str], None]
UUID = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
PCI = "/sys/devices/pci0000:00/0000:00:1c.0"
CARD = f"{PCI}/0000:02:00.0"
USB = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1"
SCSI = "/sys/devices/pci0000:00/0000:00:1f.2/host3"
DISK = f"{SCSI}/target3:0:0/3:0:0:0"
CHANNEL = "/sys/devices/pci0000:00/0000:00:03.0/host5"
MDEV = f"{PCI}/0000:02:00.1/d069d019-36ea-4111-8f0a-8c9a70e21366"


def express_config() -> bytes:
    """A PCI Express card: 8 lanes of 8 GT/s it could, 4 of 5 GT/s it does, port 2."""
    config = bytearray(4096)
    config[0x06] = 0x10
    config[0x34] = 0x40
    config[0x40:0x42] = bytes((0x10, 0))
    struct.pack_into("<I", config, 0x4C, 2 << 24 | 8 << 4 | 3)
    struct.pack_into("<H", config, 0x52, 4 << 4 | 2)
    return bytes(config)


class Tree:
    """Files, folders and links below a folder of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, path: str, data: str | bytes) -> None:
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(data if isinstance(data, bytes) else data.encode() + b"\n")

    def link(self, path: str, to: str) -> None:
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.symlink_to(self.root / to.lstrip("/"))

    def device(self, path: str, subsystem: str, uevent: str, **attributes: str | bytes) -> None:
        """A device, and where its bus or class lists it."""
        buses = ("pci", "usb", "scsi", "mdev")
        (self.root / f"sys/{subsystem}").mkdir(parents=True, exist_ok=True)
        self.link(f"{path}/subsystem", f"/sys/{subsystem}")
        self.file(f"{path}/uevent", uevent)
        for name, text in attributes.items():
            self.file(f"{path}/{name}", text)
        listed = (
            f"bus/{subsystem}/devices" if subsystem in buses else f"class/{subsystem}"
        )
        self.link(f"/sys/{listed}/{path.rpartition('/')[2]}", path)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    made.device(PCI, "pci", "DRIVER=pcieport\nPCI_CLASS=60400", vendor="0x8086", device="0x8c10",
                config=bytes(14) + b"\x81" + bytes(241), **{"class": "0x060400"})
    made.device(CARD, "pci", "DRIVER=igb\nPCI_CLASS=20000", vendor="0x8086", device="0x10c9",
                numa_node="0", sriov_totalvfs="7", config=express_config(),
                **{"class": "0x020000"})
    made.device(f"{PCI}/0000:02:00.1", "pci", "DRIVER=nvidia\nPCI_CLASS=30000", vendor="0x10de",
                device="0x13f2", numa_node="-1", **{"class": "0x030000"})
    made.link(f"{CARD}/virtfn0", f"{PCI}/0000:02:10.0")
    made.device(f"{PCI}/0000:02:10.0", "pci", "PCI_CLASS=20000", vendor="0x8086",
                device="0x10ca", **{"class": "0x020000"})
    made.link(f"{PCI}/0000:02:10.0/physfn", CARD)
    made.link(f"{PCI}/0000:02:10.0/iommu_group", "/sys/kernel/iommu_groups/12")
    for name in ("0000:02:10.0", "0000:02:10.1"):
        made.file(f"/sys/kernel/iommu_groups/12/devices/{name}", "")
    made.file("/usr/share/misc/pci.ids", "8086  Intel Corporation\n\t10c9  82576 Gigabit Network"
              " Connection\n\t\t8086 0001  not this\n10de  NVIDIA\nC 01  Mass storage")
    made.device(f"{CARD}/net/enp2s0", "net", "INTERFACE=enp2s0\nIFINDEX=3",
                address="a0:36:9f:00:11:22", operstate="up", speed="1000")
    made.device("/sys/devices/virtual/net/wlan0", "net", "DEVTYPE=wlan\nINTERFACE=wlan0",
                address="00:13:02:b9:f9:d3", operstate="dormant")
    made.device("/sys/devices/virtual/net/br0", "net", "DEVTYPE=bridge\nINTERFACE=br0",
                address="52:54:00:00:00:01", operstate="up", mtu="1500")
    made.device(USB, "usb", "DEVTYPE=usb_device\nDRIVER=usb\nBUSNUM=001\nDEVNUM=002\nMAJOR=189\n"
                "MINOR=1\nDEVNAME=bus/usb/001/002", idVendor="0951", idProduct="1666",
                manufacturer="Kingston", product="DataTraveler <3.0>")
    made.device(f"{USB}/1-1:1.0", "usb", "DEVTYPE=usb_interface\nDRIVER=usb-storage",
                bInterfaceNumber="00", bInterfaceClass="08", bInterfaceSubClass="06",
                bInterfaceProtocol="50")
    made.device(SCSI, "scsi", "DEVTYPE=scsi_host")
    made.file("/sys/class/scsi_host/host3/unique_id", "4")
    made.device(f"{SCSI}/target3:0:0", "scsi", "DEVTYPE=scsi_target")
    made.device(DISK, "scsi", "DEVTYPE=scsi_device\nDRIVER=sd", type="0",
                vendor="ATA     ", model="Samsung SSD 860 ")
    made.device(f"{DISK}/block/sda", "block", "MAJOR=8\nMINOR=0\nDEVNAME=sda\nDEVTYPE=disk",
                size="976773168")
    made.file(f"{DISK}/block/sda/queue/logical_block_size", "512")
    made.link(f"{DISK}/block/sda/device", DISK)
    made.file("/run/udev/data/b8:0", "S:disk/by-id/ata-Samsung_860_S3Z\nE:ID_BUS=ata\n"
              "E:ID_TYPE=disk\nE:ID_SERIAL=Samsung_860_S3Z")
    made.device(f"{DISK}/block/sda/sda1", "block", "DEVNAME=sda1\nDEVTYPE=partition")
    made.device(f"{DISK}/scsi_generic/sg0", "scsi_generic", "MAJOR=21\nMINOR=0\nDEVNAME=sg0")
    made.device("/sys/devices/pci0000:00/sr/block/sr0", "block",
                "MAJOR=11\nMINOR=0\nDEVNAME=sr0\nDEVTYPE=disk", size="2097151")
    made.file("/run/udev/data/b11:0", "E:ID_CDROM=1\nE:ID_TYPE=cd\nE:ID_CDROM_MEDIA=1\n"
              "E:ID_FS_LABEL=a label")
    made.file("/sys/devices/pci0000:00/sr/block/sr0/queue/logical_block_size", "2048")
    made.device("/sys/devices/virtual/block/loop0", "block",
                "MAJOR=7\nMINOR=0\nDEVNAME=loop0\nDEVTYPE=disk", size="0")
    made.device(CHANNEL, "scsi", "DEVTYPE=scsi_host")
    for name, text in (("node_name", "0x20000000c9831b4b"), ("port_name", "0x10000000c9831b4b"),
                       ("fabric_name", "0x2001000dec9877c1"), ("max_npiv_vports", "127"),
                       ("npiv_vports_inuse", "0"), ("vport_create", "")):
        made.file(f"/sys/class/fc_host/host5/{name}", text)
    made.device(f"{PCI}/0000:02:00.1/drm/renderD128", "drm",
                "MAJOR=226\nMINOR=128\nDEVNAME=dri/renderD128\nDEVTYPE=drm_minor")
    base = f"{PCI}/0000:02:00.1/mdev_supported_types/nvidia-11"
    for name, text in (("name", "GRID M60-0B"), ("device_api", "vfio-pci"),
                       ("available_instances", "16")):
        made.file(f"{base}/{name}", text)
    made.device(MDEV, "mdev", "DRIVER=vfio_mdev")
    made.link(f"{MDEV}/mdev_type", base)
    made.link(f"{MDEV}/iommu_group", "/sys/kernel/iommu_groups/12")
    for name, text in (("sys_vendor", "LENOVO"), ("product_name", "20ABC & co"),
                       ("product_version", "ThinkPad T60p"), ("product_serial", "123123"),
                       ("bios_vendor", "LENOVO"), ("bios_version", "79ETE1WW (2.21 )"),
                       ("bios_date", "02/05/2008")):
        made.file(f"{inventory.DMI}/{name}", text)
    return made


@pytest.fixture
def devices(tree: Tree) -> NodeDevices:
    return NodeDevices(EventBus(), lambda: UUID, str(tree.root))


def test_names_parents_and_capabilities(devices: NodeDevices, golden: Golden) -> None:
    lines = [
        f"{name} on {devices.parent(name)}: {', '.join(devices.capabilities(name))}\n"
        for name in devices.list_all()
    ]
    golden("nodedev/list.txt", "".join(lines))


def test_every_device_has_its_document(devices: NodeDevices, golden: Golden) -> None:
    golden("nodedev/documents.xml", "\n".join(devices.xml(name) for name in devices.list_all()))


def test_filters(devices: NodeDevices) -> None:
    bits = {name: 1 << bit for bit, name in enumerate(inventory.CAPABILITIES)}
    assert devices.list_all(bits["fc_host"]) == devices.list_all(bits["vports"]) == ["scsi_host5"]
    assert devices.list_all(bits["mdev_types"]) == ["pci_0000_02_00_1"]
    assert len(devices.list_all(bits["usb"] | bits["usb_device"])) == 2
    assert devices.names("drm") == ["drm_renderD128"]
    assert devices.list_all(INACTIVE) == []
    assert devices.names("nonsense") == []
    with pytest.raises(VirtlxcError, match=r"unsupported flags \(0x400000\) in function "
                       r"nodeConnectListAllNodeDevices"):
        devices.list_all(1 << 22)


def test_an_adapter_by_its_world_wide_names(devices: NodeDevices) -> None:
    assert devices.lookup_scsi_host("20000000c9831b4b", "10000000c9831b4b") == "scsi_host5"
    with pytest.raises(VirtlxcError, match="no node device with matching wwnn '1' and wwpn '2'"):
        devices.lookup_scsi_host("1", "2")


def test_what_came_is_found_and_what_went_is_missed(tree: Tree, devices: NodeDevices) -> None:
    with pytest.raises(VirtlxcError) as caught:
        devices.xml("net_eth9_aa_bb_cc_dd_ee_ff")
    assert caught.value.code == Code.NO_NODE_DEVICE
    assert caught.value.message == (
        "Node device not found: no node device with matching name 'net_eth9_aa_bb_cc_dd_ee_ff'"
    )
    path = "/sys/devices/virtual/net/eth9"
    tree.device(path, "net", "INTERFACE=eth9", address="aa:bb:cc:dd:ee:ff", operstate="down")
    assert "<interface>eth9</interface>" in devices.xml("net_eth9_aa_bb_cc_dd_ee_ff")
    tree.file(f"{path}/address", "aa:bb:cc:dd:ee:00")
    with pytest.raises(VirtlxcError, match="no node device with matching name"):
        devices.lookup("net_eth9_aa_bb_cc_dd_ee_ff")


def test_interfaces_in_each_other(tree: Tree, golden: Golden) -> None:
    virtual = "/sys/devices/virtual/net"
    tree.device(f"{virtual}/bond0", "net", "DEVTYPE=bond\nINTERFACE=bond0", mtu="9000",
                address="52:54:00:00:00:02", operstate="up", speed="2000")
    for name, text in (("mode", "active-backup 1"), ("miimon", "100"), ("downdelay", "10"),
                       ("updelay", "0"), ("use_carrier", "1"), ("slaves", "enp2s0 gone0")):
        tree.file(f"{virtual}/bond0/bonding/{name}", text)
    tree.device(f"{virtual}/v5", "net", "DEVTYPE=vlan\nINTERFACE=v5", mtu="1500",
                address="52:54:00:00:00:03", operstate="lowerlayerdown")
    tree.file("/proc/thread-self/net/vlan/v5", "v5  VID: 5\t REORDER_HDR: 1\nDevice: bond0")
    tree.file(f"{virtual}/br0/bridge/stp_state", "1")
    tree.file(f"{virtual}/br0/bridge/forward_delay", "1500")
    tree.device(f"{virtual}/vnet7", "net", "INTERFACE=vnet7", operstate="up", address="x")
    for port in ("bond0", "v5", "vnet7"):
        tree.file(f"{virtual}/br0/brif/{port}", "")
    tree.file(f"{virtual}/vnet7/brport/state", "3")
    tree.file(f"{virtual}/wlan0/tun_flags", "0x1002")
    host = Interfaces(str(tree.root))
    assert host.names() == ["bond0", "br0", "enp2s0", "v5"]
    assert not host.exists("../net/br0")
    golden("nodedev/interfaces.xml", "\n".join(host.describe(name) for name in ("br0", "bond0")))
