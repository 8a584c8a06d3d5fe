"""What is known of the host's devices: from marks on disk, and from a tree like /sys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from virtlxc.host import blockdevices, superblocks, usb


def _head(*marks: tuple[int, bytes]) -> bytes:
    head = bytearray(superblocks.SIZE)
    for offset, magic in marks:
        head[offset : offset + len(magic)] = magic
    return bytes(head)


EXT = (1024 + 0x38, b"\x53\xef")
BOOT = (510, b"\x55\xaa")
PARTITION = (446, b"\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (_head(), ""),
        (b"", ""),
        (b"too short", ""),
        (_head(EXT), "ext2"),
        (_head(EXT, (1024 + 0x5C, b"\x04")), "ext3"),
        (_head(EXT, (1024 + 0x5C, b"\x04"), (1024 + 0x60, b"\x42")), "ext4"),
        (_head(EXT, (1024 + 0x64, b"\x08")), "ext4"),
        (_head((0, b"XFSB")), "xfs"),
        (_head((0, b"hsqs")), "squashfs"),
        (_head((1024, b"\xe2\xe1\xf5\xe0")), "erofs"),
        (_head((0x10040, b"_BHRfS_M")), "btrfs"),
        (_head((0x8001, b"CD001")), "iso9660"),
        (_head((0x52, b"FAT32   "), BOOT), "vfat"),
        (_head((3, b"NTFS    "), BOOT), "ntfs3"),
        (_head(BOOT, PARTITION), "partitions"),
        (_head(BOOT), ""),
        (_head((512, b"EFI PART")), "partitions"),
        (_head((0, b"QFI\xfb")), "qcow2"),
        (_head((0, b"LUKS\xba\xbe")), "luks"),
        (_head((4086, b"SWAPSPACE2")), "swap"),
        # A boot sector of a file system may look like partitions: the file system is what it is.
        (_head(EXT, BOOT, PARTITION), "ext2"),
    ],
)
def test_marks(head: bytes, name: str) -> None:
    assert superblocks.recognise(head) == name


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4"])
def test_what_mkfs_makes_is_recognised(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-t", kind, path], check=True)
    assert blockdevices.holds(str(path)) == kind


def test_what_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    assert blockdevices.holds(str(tmp_path / "none")) == ""
    assert blockdevices.holds(str(tmp_path)) == ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_the_disk_of_a_partition(tmp_path: Path) -> None:
    disk = tmp_path / "devices/pci0/sda"
    _write(disk / "size", "100")
    _write(disk / "sda1/partition", "1")
    (tmp_path / "dev/block").mkdir(parents=True)
    (tmp_path / "dev/block/8:0").symlink_to("../../devices/pci0/sda")
    (tmp_path / "dev/block/8:1").symlink_to("../../devices/pci0/sda/sda1")
    assert blockdevices.whole_disk((8, 1), str(tmp_path)) == "/dev/sda"
    assert blockdevices.whole_disk((8, 0), str(tmp_path)) == ""
    assert blockdevices.whole_disk((9, 9), str(tmp_path)) == ""


def test_the_loop_device_of_an_image(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.touch()
    link = tmp_path / "link.img"
    link.symlink_to(image)
    for number, (backing, readonly) in enumerate(((image, "1"), ("/other", "0"), (image, "0"))):
        _write(tmp_path / f"block/loop{number}/loop/backing_file", str(backing))
        _write(tmp_path / f"block/loop{number}/ro", readonly)
    (tmp_path / "block/loop3").mkdir()
    assert blockdevices.loop_of(str(image), str(tmp_path)) == "/dev/loop2"
    assert blockdevices.loop_of(str(link), str(tmp_path)) == "/dev/loop2"
    assert blockdevices.loop_of("/elsewhere", str(tmp_path)) == ""


@pytest.fixture
def bus(tmp_path: Path) -> str:
    """Two hubs, two equal dongles, a keyboard, and an interface, which is no device."""
    rows = (
        ("usb1", 1, 1, 0x1D6B, 0x0002),
        ("usb2", 2, 1, 0x1D6B, 0x0003),
        ("1-1", 1, 4, 0x0529, 0x0001),
        ("2-3", 2, 7, 0x0529, 0x0001),
        ("1-2.4", 1, 12, 0x046D, 0xC52B),
    )
    for name, busnum, devnum, vendor, product in rows:
        for file, text in (
            *(("busnum", str(busnum)), ("devnum", str(devnum))),
            *(("idVendor", f"{vendor:04x}"), ("idProduct", f"{product:04x}")),
        ):
            _write(tmp_path / name / file, text)
    _write(tmp_path / "1-1:1.0/bInterfaceNumber", "00")
    return str(tmp_path)


def test_usb_devices_are_found(bus: str) -> None:
    assert usb.find(vendor=0x046D, product=0xC52B, devices=bus) == ("/dev/bus/usb/001/012",)
    assert usb.find(vendor=0x0529, product=1, devices=bus) == (
        "/dev/bus/usb/001/004",
        "/dev/bus/usb/002/007",
    )
    assert usb.find(bus=2, device=7, devices=bus) == ("/dev/bus/usb/002/007",)
    assert usb.find(vendor=0x0529, product=1, bus=1, device=4, devices=bus) == (
        "/dev/bus/usb/001/004",
    )
    assert usb.find(vendor=0x0529, product=2, devices=bus) == ()
    assert usb.find(bus=1, device=4, devices="/nowhere") == ()


@pytest.mark.parametrize(
    ("scheduler", "cost", "weigher"),
    [
        ("none mq-deadline [bfq]\n", None, "bfq"),
        ("[none] mq-deadline bfq\n", None, ""),
        ("[none]\n", "8:0 enable=1 ctrl=auto model=linear\n", "iocost"),
        ("[none]\n", "8:16 enable=1 ctrl=auto\n8:0 enable=0 ctrl=auto\n", ""),
        (None, "8:0 enable=1\n", ""),
    ],
)
def test_what_shares_a_disk_by_weight(
    tmp_path: Path, scheduler: str | None, cost: str | None, weigher: str
) -> None:
    disk = tmp_path / "dev/block/8:0/queue"
    disk.mkdir(parents=True)
    if scheduler is not None:
        (disk / "scheduler").write_text(scheduler)
    if cost is not None:
        (tmp_path / "fs/cgroup").mkdir(parents=True)
        (tmp_path / "fs/cgroup/io.cost.qos").write_text(cost)
    assert blockdevices.weigher((8, 0), str(tmp_path)) == weigher
