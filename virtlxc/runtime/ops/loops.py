"""Image files as block devices: loop devices, by ioctl. Sources: loop(4), linux/loop.h."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from ..disk import read_text
from .context import Context, StepError
from .served import open_served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
_CLEAR = 0x4C01
_GET_STATUS = 0x4C05
_SET_CAPACITY = 0x4C07

_READ_ONLY = 1
_AUTOCLEAR = 4

#: struct loop_config: fd, block_size, then struct loop_info64 (_INFO), then eight reserved words.
_INFO = struct.Struct("=5Q4I64s64s32s2Q")
_CONFIG_SIZE = 8 + _INFO.size + 64
#: lo_file_name, which holds our tag: what the device is for.
_NAME_FIELD = 9
_NAME_SIZE = 64

#: Others may take the free device that the kernel named before we do.
_ATTEMPTS = 64


def attach(
    ctx: Context,
    *,
    key: str,
    path: str,
    tag: str,
    readonly: bool = False,
    stays: bool = False,
    served: dict[str, str] | None = None,
) -> None:
    """Make the image file ``path`` a loop device, open under ``key``.

    The kernel frees it when nobody has it open or mounted any more. ``stays``: it lives until
    ``loop-clear`` {tag}. ``tag`` (at most 63 bytes) tells what it is for. ``served`` is the
    group of a daemon that shows the image as a raw file, see ``image-serve``.
    """
    mode = os.O_RDONLY if readonly else os.O_RDWR
    if served is None:
        image = os.open(path, mode | os.O_CLOEXEC)
    else:
        image = open_served(path, served, mode)
    try:
        flags = (_READ_ONLY if readonly else 0) | (0 if stays else _AUTOCLEAR)
        name = tag.encode()[: _NAME_SIZE - 1]
        info = _INFO.pack(*([0] * 8), flags, name, b"", b"", 0, 0)
        ctx.put(key, _configured(struct.pack("=II", image, 0) + info, path, mode))
    finally:
        os.close(image)


def _configured(head: bytes, path: str, mode: int) -> int:
    config = head.ljust(_CONFIG_SIZE, b"\0")
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            device = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
            loop = os.open(device, mode | os.O_CLOEXEC)
            try:
                fcntl.ioctl(loop, _CONFIGURE, config)
            except OSError as error:
                os.close(loop)
                if error.errno == errno.EBUSY:
                    continue
                error.filename = path
                raise
            return loop
    finally:
        os.close(control)
    raise StepError(errno.EBUSY, path, "every free loop device was taken by somebody else")


def open_attached(ctx: Context, *, key: str, tag: str) -> None:
    """Open the loop device with this tag under ``key``; OSError ENXIO when there is none."""
    for found, loop in _attached():
        if found == tag.encode()[: _NAME_SIZE - 1]:
            ctx.put(key, os.dup(loop))
            return
    raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), tag)


def clear(ctx: Context, *, tag: str) -> None:
    """Free the loop device with this tag, now or when its last user closes it. (An undo.)"""
    for found, loop in _attached():
        if found == tag.encode()[: _NAME_SIZE - 1]:
            fcntl.ioctl(loop, _CLEAR)


def follow(tag: str) -> None:
    """The image has another size now: so has its loop device, if there is one with this tag."""
    for found, loop in _attached():
        if found == tag.encode()[: _NAME_SIZE - 1]:
            fcntl.ioctl(loop, _SET_CAPACITY)


def tagged() -> dict[str, tuple[int, int]]:
    """The numbers of all loop devices in use, by their tag (those of others: a file name)."""
    numbers = {tag.decode(errors="replace"): os.fstat(loop).st_rdev for tag, loop in _attached()}
    return {tag: (os.major(number), os.minor(number)) for tag, number in numbers.items()}


def _attached() -> Iterator[tuple[bytes, int]]:
    """Tag and descriptor, open for this turn, of each loop device in use."""
    for name in os.listdir("/sys/block"):
        if not name.startswith("loop") or not os.path.isdir(f"/sys/block/{name}/loop"):
            continue
        try:
            loop = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            tag = _tag(loop)
            if tag is not None:
                yield tag, loop
        finally:
            os.close(loop)


def _tag(loop: int) -> bytes | None:
    """What :func:`attach` wrote; None when the device has been freed meanwhile."""
    buffer = bytearray(_INFO.size)
    try:
        fcntl.ioctl(loop, _GET_STATUS, buffer)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    name: bytes = _INFO.unpack(buffer)[_NAME_FIELD]
    return name.rstrip(b"\0")


def path_of(loop: int) -> str:
    """The name of an open block device below /dev, whatever name it was opened by."""
    number = os.fstat(loop).st_rdev
    numbers = f"{os.major(number)}:{os.minor(number)}"
    for line in read_text(f"/sys/dev/block/{numbers}/uevent").splitlines():
        if line.startswith("DEVNAME="):
            return f"/dev/{line[8:]}"
    raise StepError(errno.ENODEV, numbers, f"there is no block device {numbers}")
