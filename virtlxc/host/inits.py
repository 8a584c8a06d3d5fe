"""What the first program of a container is, read in its root without trusting a link in it."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct

from virtlxc.host.facts import Init
from virtlxc.host.security import capabilities
from virtlxc.runtime import syscalls

_MAX_LINKS = 16

# The end of the resolved path: what it is.
_BY_NAME = (
    (re.compile(r"/systemd$"), "systemd"),
    (re.compile(r"/busybox(\.static)?$"), "busybox"),
    (re.compile(r"/openrc-init$"), "openrc"),
    (re.compile(r"/upstart$"), "upstart"),
)
# /sbin/init as a file of its own tells by what it contains.
# Busybox's init reads /etc/inittab too: it comes first.
_BY_CONTENT = (
    (b"BusyBox v", "busybox"),
    (b"upstart-", "upstart"),
    (b"sysvinit", "sysvinit"),
    (b"/etc/inittab", "sysvinit"),
)
_SCAN_BYTES = 4 << 20

_LIBRARY_FOLDERS = (
    "/usr/lib/systemd",
    "/lib/systemd",
    "/usr/lib64",
    "/lib64",
    "/usr/lib/x86_64-linux-gnu/systemd",
    "/usr/lib/aarch64-linux-gnu/systemd",
)
_SHARED = re.compile(r"libsystemd-shared-(\d+)[^/]*\.so")
_PUBLIC = re.compile(r"libsystemd\.so\.0\.(\d+)\.\d+")
# libsystemd.so.0.MINOR of releases whose private library has no number in its name.
_PUBLIC_VERSIONS = {3: 215, 6: 219, 7: 220, 11: 227, 14: 229, 15: 230, 16: 231, 17: 232}


def look(tree: int, path: str, below: str) -> Init:
    """What is at ``below`` in the folder ``tree``; ``path`` is its name in the container."""
    try:
        fd = syscalls.openat2(tree, below, os.O_PATH, syscalls.RESOLVE_IN_ROOT)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return Init(path=path, found="no", executable=False)
    try:
        mode = os.fstat(fd).st_mode
        caps, effective = _file_caps(fd)
    finally:
        os.close(fd)
    kind = _kind(tree, below)
    return Init(
        path=path,
        found="yes",
        executable=stat.S_ISREG(mode) and bool(mode & 0o111),
        kind=kind,
        systemd=_systemd_version(tree) if kind == "systemd" else 0,
        file_caps=caps,
        file_caps_effective=effective,
    )


def _kind(tree: int, path: str) -> str:
    real = resolve(tree, path)
    for pattern, kind in _BY_NAME:
        if pattern.search(real):
            return kind
    if not real.endswith(("/init", "/linuxrc")):
        return "other"
    text = _read(tree, real)
    return next((kind for mark, kind in _BY_CONTENT if mark in text), "other")


def resolve(tree: int, path: str) -> str:
    """The path below ``tree`` with the links of its last component followed, some of them."""
    for _ in range(_MAX_LINKS):
        folder, _, name = path.rpartition("/")
        try:
            fd = syscalls.openat2(tree, folder or "/", os.O_PATH, syscalls.RESOLVE_IN_ROOT)
        except OSError:
            return path
        try:
            target = os.readlink(name, dir_fd=fd)
        except OSError:
            return path
        finally:
            os.close(fd)
        path = os.path.normpath(target if target.startswith("/") else f"{folder}/{target}")
    return path


def _read(tree: int, path: str) -> bytes:
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        fd = syscalls.openat2(tree, path, flags, syscalls.RESOLVE_IN_ROOT)
    except OSError:
        return b""
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        return file.read(_SCAN_BYTES)


def _systemd_version(tree: int) -> int:
    """By the names of its libraries; 0 when they do not tell."""
    found = 0
    for folder in _LIBRARY_FOLDERS:
        for name in _names(tree, folder):
            if match := _SHARED.fullmatch(name):
                return int(match[1])
            if match := _PUBLIC.fullmatch(name):
                found = _PUBLIC_VERSIONS.get(int(match[1]), found)
    return found


def _names(tree: int, folder: str) -> list[str]:
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY
        fd = syscalls.openat2(tree, folder, flags, syscalls.RESOLVE_IN_ROOT)
    except OSError:
        return []
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def _file_caps(fd: int) -> tuple[tuple[str, ...], bool]:
    """The permitted set in ``security.capability`` (linux/capability.h), and its effective bit."""
    try:
        raw = os.getxattr(f"/proc/self/fd/{fd}", "security.capability")
    except OSError:
        return (), False
    magic, *words = struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])
    permitted = words[0] if words else 0
    if magic >> 24 >= 2 and len(words) >= 3:
        permitted |= words[2] << 32
    return capabilities.from_mask(permitted), bool(magic & 1)
