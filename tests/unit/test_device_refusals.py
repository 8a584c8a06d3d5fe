"""Starts that cannot be for the sake of a device, a card or a file system: one message each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.plan_scenes import BRIDGED, ROOT, SHIFTED, START, domain, plan
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.facts import Nic, Source
from virtlxc.model import (
    Bandwidth,
    BlkioDevice,
    BlkioTune,
    Container,
    Disk,
    Domain,
    Filesystem,
    FilesystemExtra,
    Hostdev,
    Interface,
)
from virtlxc.model.bandwidth import Rate
from virtlxc.model.disk import IoTune

FACTS = replace(
    START,
    sources=(
        *START.sources,
        Source(path="/dev/sda", kind="block", device=(8, 0)),
        Source(path="/dev/sda1", kind="block", device=(8, 1), whole="/dev/sda", holds="ext4"),
        Source(path="/dev/empty", kind="block", device=(8, 2)),
        Source(path="/dev/parts", kind="block", device=(8, 3), holds="partitions"),
        Source(path="/dev/fuse", kind="char", device=(10, 229)),
        Source(path="/srv/free.img", kind="file", holds="ext4"),
        Source(path="/srv/busy.img", kind="file", holds="ext4", loop="/dev/loop3"),
        Source(path="/srv/q.qcow2", kind="file", holds="qcow2"),
        Source(path="/srv/old.vdi", kind="file", holds="vdi"),
        Source(path="/srv/socket", kind="socket"),
        Source(path="/srv/quota", kind="dir", fstype="ext4", quota=True),
        Source(path="/dev/bus/usb/001/004", kind="char", device=(189, 3)),
    ),
    nics={
        "eth1": Nic(mac="02:00:00:00:00:01", mtu=1500, up=True),
        "eth2": Nic(mac="02:00:00:00:00:02", mtu=1500, up=False),
    },
    usb={
        "046d:c52b": (),
        "0529:0001": ("/dev/bus/usb/001/004", "/dev/bus/usb/002/007"),
        "bus 1 device 4": ("/dev/bus/usb/001/004",),
    },
)


def _disk(**fields: Any) -> Domain:
    return domain(disks=(Disk(**({"target": "vda"} | fields)),))


def _misc(path: str, kind: str = "misc") -> Domain:
    return domain(hostdevs=(Hostdev(mode="capabilities", type=kind, source=path),))


def _usb(**fields: Any) -> Domain:
    return domain(hostdevs=(Hostdev(type="usb", **fields),))


def _direct(**fields: Any) -> Domain:
    base: dict[str, Any] = {"type": "direct", "source": "eth1", "source_mode": "bridge"}
    return domain(interfaces=(Interface(**(base | fields)),))


def _data(kind: str, source: str, **extra: Any) -> Domain:
    extras = (FilesystemExtra(target="/data", **extra),) if extra else ()
    return domain(
        filesystems=(ROOT, Filesystem(type=kind, source=source, target="/data")),
        container=Container(filesystems=extras),
    )


def _limit(path: str) -> Domain:
    return domain(blkiotune=BlkioTune(devices=(BlkioDevice(path=path, read_iops_sec=5),)))


# The domain, and the text behind "cannot start domain 'web1': ".
REFUSED: tuple[tuple[Domain, str], ...] = (
    (
        domain(blkiotune=BlkioTune(devices=(BlkioDevice(path="/dev/sda", weight=300),))),
        "limit the traffic with /dev/sda: nothing shares '/dev/sda' by weight: its scheduler is "
        "not BFQ, and io.cost is off (echo bfq > /sys/dev/block/8:0/queue/scheduler)",
    ),
    (
        _disk(type="block", source="/dev/gone"),
        "make /dev/vda: there is no '/dev/gone' (plug it in, or mend its <source>)",
    ),
    (_disk(type="block", source="/dev/fuse"), "make /dev/vda: '/dev/fuse' is no block device"),
    (
        _disk(type="block", source="/srv/free.img"),
        "make /dev/vda: '/srv/free.img' is a file (use type='file')",
    ),
    (
        _disk(type="file", source="/dev/sda"),
        "make /dev/vda: '/dev/sda' is a block device (use type='block')",
    ),
    (
        _disk(type="file", source="/srv/none.img"),
        "make /dev/vda: there is no '/srv/none.img' (create it, or mend its <source>)",
    ),
    (
        _disk(type="file", source="/srv/socket"),
        "make /dev/vda: '/srv/socket' is no file, but a socket",
    ),
    (
        _disk(type="file", source="/srv/busy.img"),
        "make /dev/vda: '/srv/busy.img' is in use through /dev/loop3 (losetup -d /dev/loop3, or "
        "add <readonly/>)",
    ),
    (
        _disk(type="file", source="/srv/q.qcow2"),
        "make /dev/vda: '/srv/q.qcow2': it is a qcow2 image (say <driver type='qcow2'/>)",
    ),
    (
        _disk(type="file", source="/srv/old.vdi"),
        "make /dev/vda: '/srv/old.vdi': it is a vdi image (qemu-img convert -O raw /srv/old.vdi "
        "..., or say <driver type='raw'/>)",
    ),
    (
        _disk(type="file", source="/srv/q.qcow2", driver_name="nbd", driver_format="qcow2"),
        "make /dev/vda: images of the format 'qcow2' need the program 'qemu-storage-daemon' "
        "(install it: apt install qemu-system-common, dnf install qemu-img, zypper install "
        "qemu-tools, apk add qemu)",
    ),
    (
        _disk(type="file", source="/srv/q.qcow2", driver_name="loop", driver_format="qcow2"),
        "make /dev/vda: driver 'loop' shows raw images only, not qcow2 (say <driver name='qemu' "
        "type='qcow2'/>)",
    ),
    (
        _disk(type="block", source="/dev/sda", driver_name="qemu", driver_format="qcow2"),
        "make /dev/vda: a block device is shown as it is, not as the qcow2 image in it (say "
        "<driver type='raw'/>)",
    ),
    (
        _disk(type="file", source="/srv/q.qcow2", driver_format="qed"),
        "keep the promises of its XML: /domain/devices/disk/driver/@type has no effect: raw "
        "images are shown by a loop device, qcow2, vmdk and vpc by QEMU beneath it (take it out, "
        "or start with --ignore driver)",
    ),
    (
        _disk(type="file", source="/srv/q.qcow2", driver_name="tap", driver_format="raw"),
        "keep the promises of its XML: /domain/devices/disk/driver/@name has no effect: loop or "
        "qemu can show images (nbd means the same as qemu) (take it out, or start with --ignore "
        "driver)",
    ),
    (
        _disk(type="network", source="x"),
        "keep the promises of its XML: /domain/devices/disk/@type has no effect: only block and "
        "file can be shown (take it out, or start with --ignore disk)",
    ),
    (_disk(type="file"), "make /dev/vda: it has no <source> (name its device or image)"),
    (
        _disk(type="file", source="/srv/free.img", target="../x"),
        "make /dev/../x: '../x' cannot be the name of a device",
    ),
    (
        _disk(type="file", source="/srv/free.img", target="null"),
        "make /dev/null: two devices, or one and a file of /dev itself, have this name",
    ),
    (
        _disk(type="file", source="/srv/free.img", iotune=IoTune(total_bytes_sec=5)),
        "keep the promises of its XML: /domain/devices/disk/iotune/total_bytes_sec has no effect: "
        "the kernel limits reading and writing apart: use read_... and write_... (take it out, or "
        "start with --ignore total_bytes_sec)",
    ),
    (
        _disk(type="block", source="/dev/sda1", iotune=IoTune(read_iops_sec=5)),
        "limit the traffic with /dev/sda1: it is a partition, and the kernel limits whole disks "
        "(use /dev/sda)",
    ),
    (
        _limit("/dev/sda1"),
        "limit the traffic with /dev/sda1: it is a partition, and the kernel limits whole disks "
        "(use /dev/sda)",
    ),
    (
        _limit("/dev/gone"),
        "limit the traffic with /dev/gone: there is no '/dev/gone' (plug it in, or mend its "
        "<source>)",
    ),
    (
        _misc("/srv/free.img"),
        "make /srv/free.img: '/srv/free.img' is not below /dev (mend <hostdev><source>)",
    ),
    (_misc("/dev/sda"), "make /dev/sda: '/dev/sda' is no character device"),
    (_misc("/dev/fuse", "storage"), "make /dev/fuse: '/dev/fuse' is no block device"),
    (
        _misc("/dev/kvm"),
        "make /dev/kvm: there is no '/dev/kvm' (plug it in, or mend its <source>)",
    ),
    (
        domain(hostdevs=(Hostdev(mode="subsystem", type="pci"),)),
        "keep the promises of its XML: /domain/devices/hostdev/@type has no effect: only usb, "
        "storage, misc and net are devices that a container can use (take it out, or start with "
        "--ignore hostdev)",
    ),
    (
        _usb(vendor=0x046D, product=0xC52B),
        "make the node of USB device 046d:c52b: no such device is plugged in (plug it in, or add "
        "<source startupPolicy='optional'>)",
    ),
    (
        _usb(vendor=0x0529, product=1),
        "make the node of USB device 0529:0001: 2 of them are plugged in: /dev/bus/usb/001/004, "
        "/dev/bus/usb/002/007 (choose one by <address bus=... device=.../>)",
    ),
    (
        _misc("lo", "net"),
        "lend lo: 'lo' belongs to every network namespace, and cannot be lent",
    ),
    (
        _misc("eth9", "net"),
        "lend eth9: the host has no network interface 'eth9' (see ip link, and whether another "
        "container has it)",
    ),
    (
        replace(_misc("eth1", "net"), interfaces=(replace(BRIDGED, guest="eth1"),)),
        "make eth1: two interfaces are named 'eth1' inside (change <guest dev>)",
    ),
    (
        _direct(source="eth9"),
        "make eth0: the host has no network interface 'eth9' (mend <source dev>, see ip link)",
    ),
    (_direct(source="eth2"), "make eth0: the host's 'eth2' is down (ip link set eth2 up)"),
    (
        _direct(mtu=9000),
        "make eth0: its mtu 9000 is more than that of the host's 'eth1', 1500 (ip link set eth1 "
        "mtu 9000, or mend <mtu>)",
    ),
    (
        _direct(bandwidth=Bandwidth(inbound=Rate(average=5))),
        "make eth0: a macvlan has no end on the host where <bandwidth> could hold (use a bridge, "
        "or start with --ignore bandwidth)",
    ),
    (
        _data("block", "/dev/gone"),
        "mount /dev/gone for /data: there is no '/dev/gone' (plug it in, or mend its <source>)",
    ),
    (
        _data("block", "/dev/empty"),
        "mount /dev/empty for /data: no file system is known that '/dev/empty' has in it (see "
        "blkid /dev/empty; make one by mkfs)",
    ),
    (
        _data("block", "/dev/parts"),
        "mount /dev/parts for /data: '/dev/parts': it has a partition table, and no file system "
        "of its own",
    ),
    (
        _data("file", "/srv/q.qcow2"),
        "mount /srv/q.qcow2 for /data: '/srv/q.qcow2': it is a qcow2 image",
    ),
    (
        _data("file", "/srv/busy.img"),
        "mount /srv/busy.img for /data: '/srv/busy.img' is in use through /dev/loop3 (losetup -d "
        "/dev/loop3, or add <readonly/>)",
    ),
    (
        domain(
            filesystems=(
                ROOT,
                Filesystem(type="file", source="/x", target="/d", driver_format="qcow2"),
            )
        ),
        "keep the promises of its XML: /domain/devices/filesystem[2]/driver/@format has no effect: "
        "only raw images can be mounted (take it out, or start with --ignore driver)",
    ),
    (
        _data("mount", "/srv/data", options=("noexec", "subvol=x")),
        "set attributes of /data: a folder of the host's cannot be mounted with the option "
        "'subvol=x' (it can have noatime, nodev, nodiratime, noexec, nosuid, nosymfollow, "
        "relatime, ro, strictatime)",
    ),
    (
        domain(filesystems=(replace(ROOT, space_hard_limit_bytes=1 << 30),)),
        "limit the space of /srv/web1: its file system (ext4) keeps no project quotas (mount it "
        "with the option prjquota)",
    ),
    (
        domain(
            filesystems=(
                ROOT,
                Filesystem(source="/srv/quota", target="/q", space_soft_limit_bytes=1 << 30),
            )
        ),
        "limit the space of /srv/quota: root in this container may exceed every quota (add an "
        "<idmap>, or <capabilities><sys_resource state='off'/>)",
    ),
    (
        domain(
            filesystems=(
                ROOT,
                Filesystem(
                    type="block", source="/dev/sda1", target="/b", space_hard_limit_bytes=9999
                ),
            )
        ),
        "limit the space of /dev/sda1: a file system of type 'block' has the size it has (take "
        "<space_hard_limit> and <space_soft_limit> out)",
    ),
    (
        _data("mount", "/srv/data", overlay="/srv/none"),
        "lay an overlay over /data: there is no '/srv/none' (mkdir -p /srv/none)",
    ),
    (
        _data("mount", "/srv/data", overlay="/srv/free.img"),
        "lay an overlay over /data: no folder is '/srv/free.img' (mkdir -p /srv/free.img)",
    ),
    (
        _data("mount", "/etc/motd", overlay="ram"),
        "lay an overlay over /data: '/etc/motd' is not a folder",
    ),
    (
        _data("ram", "", overlay="ram"),
        "lay an overlay over /data: a file system of type 'ram' cannot be below one (take "
        "overlay= out)",
    ),
    (
        domain(
            idmap=SHIFTED,
            container=Container(filesystems=(FilesystemExtra(target="/", overlay="ram"),)),
        ),
        "lay an overlay over /: the ids of its source are to be translated, which cannot be done "
        "below an overlay (chown -R /srv/web1 to the id map's range)",
    ),
)


@pytest.mark.parametrize(("what", "text"), REFUSED, ids=[row[1][:60] for row in REFUSED])
def test_refused(what: Domain, text: str) -> None:
    with pytest.raises(VirtlxcError) as caught:
        plan(what, start=FACTS)
    assert caught.value.message == f"cannot start domain 'web1': {text}"
    assert caught.value.code == Code.CONFIG_UNSUPPORTED


def test_a_share_that_nobody_promises_has_libvirts_own_code() -> None:
    what = domain(interfaces=(replace(BRIDGED, bandwidth=Bandwidth(inbound=Rate(floor=5))),))
    with pytest.raises(VirtlxcError) as caught:
        plan(what, start=FACTS)
    assert caught.value.message == (
        "cannot start domain 'web1': keep the promises of its XML: "
        "/domain/devices/interface/bandwidth/inbound/@floor has no effect: no share of a network "
        "is promised to anybody (take it out, or start with --ignore inbound)"
    )
    assert caught.value.code == Code.OPERATION_UNSUPPORTED


@pytest.mark.parametrize(
    "what",
    [
        _usb(vendor=0x046D, product=0xC52B, startup_policy="optional"),
        _usb(bus=1, device=4),
        _disk(type="file", source="/srv/busy.img", readonly=True),
        _disk(type="file", source="/srv/q.qcow2", driver_format="raw"),
        _direct(source="eth2", link_state="down"),
        _data("block", "/dev/gone", optional=True),
        _data("block", "/dev/sda1", options=("data=journal",)),
    ],
)
def test_not_refused(what: Domain) -> None:
    assert plan(what, start=FACTS).steps


def test_a_missing_device_that_is_optional_leaves_no_step() -> None:
    names = {
        step.name for step in plan(_data("block", "/dev/gone", optional=True), start=FACTS).steps
    }
    assert not any("/data" in name for name in names)
    usb = plan(_usb(vendor=0x046D, product=0xC52B, startup_policy="optional"), start=FACTS)
    assert not any("usb" in step.name for step in usb.steps)
