"""Whether the images that an image builds upon can be trusted, by their headers. Reads only.

An image can name another one that it builds upon. Where it does not say of what format that is,
QEMU looks into it: a raw image that a guest has written to could claim to be of a format whose
header names any file of the host. libvirt refuses such images for that reason, and so do we.

Sources: QEMU's docs/interop/qcow2.txt; VMware's Virtual Disk Format 5.0 (the parent's CID).
"""

from __future__ import annotations

import os

_QCOW2 = b"QFI\xfb"
_VMDK = b"KDMV"
_FORMAT_OF_BACKING = 0xE2792ACA
_HEADER_2, _HEADER_3_AT = 72, 100
_LONGEST_NAME = 1023
_LONGEST_CHAIN = 200
_START = 1 << 16
_NO_PARENT = b"parentCID=ffffffff"


def problem(path: str) -> str:
    """What is wrong with the chain below the image at ``path``; '' when nothing is."""
    for _ in range(_LONGEST_CHAIN):
        try:
            with open(path, "rb") as file:
                start = file.read(_START)
        except OSError as error:
            return f"builds upon '{path}', which cannot be read ({error.strerror})"
        if start.startswith(_VMDK) and b"parentCID=" in start and _NO_PARENT not in start:
            return "is a vmdk image that builds upon another one (qemu-img convert it)"
        backing, form = _backing(start) if start.startswith(_QCOW2) else ("", "")
        if not backing:
            return ""
        if not form:
            return (
                f"builds upon '{backing}', and does not say of what format that is"
                f" (qemu-img rebase -u -b {backing} -F FORMAT {path})"
            )
        if form == "raw" or backing.startswith("json:"):
            return ""
        path = os.path.join(os.path.dirname(path), backing.removeprefix("file:"))
    return "builds upon itself"


def _backing(start: bytes) -> tuple[str, str]:
    """Name and format of what a qcow2 image builds upon."""
    at, length = _number(start, 8, 8), _number(start, 16, 4)
    if not at or not 0 < length <= _LONGEST_NAME:
        return "", ""
    name = os.fsdecode(start[at : at + length])
    version = _number(start, 4, 4)
    extension = _number(start, _HEADER_3_AT, 4) if version >= 3 else _HEADER_2
    while extension + 8 <= min(at, len(start)):
        kind, size = _number(start, extension, 4), _number(start, extension + 4, 4)
        if kind == 0:
            break
        if kind == _FORMAT_OF_BACKING:
            return name, start[extension + 8 : extension + 8 + size].decode("ascii", "replace")
        extension += 8 + (size + 7) // 8 * 8
    return name, ""


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
