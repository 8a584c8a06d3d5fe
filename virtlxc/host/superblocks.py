"""What a block device or an image has in it, by the marks that formats leave at fixed places.

Pure. The marks are those of the kernel's own file systems and of disk images that must not be
mistaken for one. Sources: the headers of each file system in the kernel (``include/uapi/linux``,
``fs/*``), the UEFI specification (partition tables), QEMU's documents of its formats.
"""

from __future__ import annotations

from typing import NamedTuple

#: So much of the beginning is needed.
SIZE = 0x11000


class _Mark(NamedTuple):
    name: str
    offset: int
    magic: bytes


_MARKS = (
    _Mark("qcow2", 0, b"QFI\xfb"),
    _Mark("vmdk", 0, b"KDMV"),
    _Mark("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    _Mark("vhdx", 0, b"vhdxfile"),
    _Mark("luks", 0, b"LUKS\xba\xbe"),
    _Mark("lvm", 0x218, b"LVM2 001"),
    _Mark("xfs", 0, b"XFSB"),
    _Mark("squashfs", 0, b"hsqs"),
    _Mark("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    _Mark("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    _Mark("btrfs", 0x10040, b"_BHRfS_M"),
    _Mark("iso9660", 0x8001, b"CD001"),
    _Mark("exfat", 3, b"EXFAT   "),
    _Mark("ntfs3", 3, b"NTFS    "),
    _Mark("vfat", 0x52, b"FAT32   "),
    _Mark("vfat", 0x36, b"FAT16   "),
    _Mark("vfat", 0x36, b"FAT12   "),
    _Mark("swap", 4086, b"SWAPSPACE2"),
)
_EXT = _Mark("ext", 1024 + 0x38, b"\x53\xef")
_EXT_COMPATIBLE, _EXT_INCOMPATIBLE, _EXT_READ_ONLY = (1024 + at for at in (0x5C, 0x60, 0x64))
_JOURNAL = 0x4
# Features that ext3 knows: everything else is ext4's.
_EXT3_INCOMPATIBLE = 0x2 | 0x4 | 0x10
_EXT3_READ_ONLY = 0x1 | 0x2 | 0x4
_GPT = (_Mark("partitions", 512, b"EFI PART"), _Mark("partitions", 4096, b"EFI PART"))
_BOOT_SIGNATURE = _Mark("partitions", 510, b"\x55\xaa")
_MBR_ENTRIES = range(446, 510, 16)

#: Images of virtual disks, which hold something else than what their files do.
DISK_IMAGES = frozenset({"qcow2", "vmdk", "vdi", "vhdx"})
#: What is no file system, and why it cannot be mounted.
NOT_MOUNTABLE = {
    "partitions": "it has a partition table, and no file system of its own",
    "qcow2": "it is a qcow2 image",
    "vmdk": "it is a vmdk image",
    "vdi": "it is a vdi image",
    "vhdx": "it is a vhdx image",
    "luks": "it is encrypted (LUKS)",
    "lvm": "it is a physical volume of LVM",
    "swap": "it is swap space",
}


def recognise(head: bytes) -> str:
    """The name of what begins with ``head`` (:data:`SIZE` bytes, or all there is); '' if unknown.

    A name is the kernel's name of a file system, or a key of :data:`NOT_MOUNTABLE`.
    """
    for mark in _MARKS:
        if _has(head, mark):
            return mark.name
    if _has(head, _EXT):
        return _ext(head)
    if any(_has(head, mark) for mark in _GPT) or _has_mbr(head):
        return "partitions"
    return ""


def _has(head: bytes, mark: _Mark) -> bool:
    return head.startswith(mark.magic, mark.offset)


def _ext(head: bytes) -> str:
    def features(offset: int) -> int:
        return int.from_bytes(head[offset : offset + 4], "little")

    if (
        features(_EXT_INCOMPATIBLE) & ~_EXT3_INCOMPATIBLE
        or features(_EXT_READ_ONLY) & ~_EXT3_READ_ONLY
    ):
        return "ext4"
    return "ext3" if features(_EXT_COMPATIBLE) & _JOURNAL else "ext2"


def _has_mbr(head: bytes) -> bool:
    """Boot sectors of file systems have the signature, too: one partition must make sense."""
    return _has(head, _BOOT_SIGNATURE) and any(
        head[entry] in (0x00, 0x80) and head[entry + 4] != 0 and any(head[entry + 8 : entry + 16])
        for entry in _MBR_ENTRIES
    )
