"""What a guest's agent would tell: mounted file systems, its system.

Nothing enters the container: its mounts and addresses are read from /proc/PID of its init, its
files through a descriptor of its root, by openat2. What comes from the guest's own files is its
word, and goes nowhere but into the answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from virtlxc import mountinfo
from virtlxc.driver import refusals
from virtlxc.driver.constants import ParamType
from virtlxc.driver.core import Core
from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures import info
from virtlxc.driver.inside import addresses
from virtlxc.driver.ref import FsInfo, Param
from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime.ops.context import StepError
from virtlxc.runtime.ops.trees import lookup
from virtlxc.runtime.ops.trees import read as read_inside

# What the wire carries, and more than a person reads.
_MOST = 256
# Of the kernel itself, not of any storage.
_PSEUDO = frozenset(
    [
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts"),
        *("devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore"),
        *("rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"),
    ]
)
_OWN_TMPFS = ("/dev", "/run", "/proc", "/sys")


def fs_info(view: View, flags: int) -> list[FsInfo]:
    """The mounted file systems of a running domain, in the order of their mount points."""
    refusals.check_flags("lxcDomainGetFSInfo", flags)
    assert view.run is not None and view.live is not None
    named = {fs.target: alias for fs, alias in zip(
        view.live.filesystems, view.run.aliases.filesystems, strict=False
    )}  # fmt: skip
    found: dict[str, FsInfo] = {}
    for point, source, fstype in _mounts(view.run.init.pid):
        below_own = any(point == top or point.startswith(top + "/") for top in _OWN_TMPFS)
        if fstype in _PSEUDO or (below_own and point not in named):
            continue
        alias = (named[point],) if point in named else ()
        found[point] = FsInfo(point, source, fstype, alias)
    return [found[point] for point in sorted(found)][:_MOST]


def _mounts(pid: int) -> Iterator[tuple[str, str, str]]:
    """(mount point, source, type) as the container sees them."""
    try:
        mounts = mountinfo.read(pid)
    except OSError:
        raise refusals.not_running() from None
    for mount in mounts:
        yield _sendable(mount.point), _sendable(mount.source), mount.fstype


def _sendable(name: str) -> str:
    """A guest's name as text: it may be any bytes, and the wire takes only UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def guest_info(core: Core, view: View, types: int, flags: int) -> list[Param]:
    """``virDomainGetGuestInfo``; ``types`` 0 is everything that can be told.

    A type that is asked for and cannot be told is an error, as libvirt has it.
    """
    refusals.check_flags("lxcDomainGetGuestInfo", flags)
    known = {bit for bit, _ in _TYPES}
    for bit in range(32):
        if types & 1 << bit and 1 << bit not in known:
            what = {1: "users", 32: "disks"}.get(1 << bit, f"0x{1 << bit:x}")
            raise VirtlxcError(
                f"Operation not supported: guest info of type {what}: a container has no agent"
                " that could tell it",
                Code.OPERATION_UNSUPPORTED,
            )
    params: list[Param] = []
    for bit, collect in _TYPES:
        if not types or types & bit:
            params += collect(core, view)
    return params


def _text(name: str, value: str) -> Param:
    return Param(name, ParamType.STRING, value)


_OS_NAMES = {
    "ID": "id",
    "NAME": "name",
    "PRETTY_NAME": "pretty-name",
    "VERSION": "version",
    "VERSION_ID": "version-id",
    "VARIANT": "variant",
    "VARIANT_ID": "variant-id",
}


def _os(core: Core, view: View) -> list[Param]:
    assert view.live is not None
    found = {}
    text = _read(view, "/etc/os-release") or _read(view, "/usr/lib/os-release") or ""
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name in _OS_NAMES:
            found[_OS_NAMES[name]] = value.strip().strip("'\"")
    kernel = os.uname()
    found |= {
        "machine": view.live.os.arch or kernel.machine,
        "kernel-release": kernel.release,
        "kernel-version": kernel.version,
    }
    return [_text(f"os.{name}", value) for name, value in found.items()]


def _timezone(core: Core, view: View) -> list[Param]:
    name = (_read(view, "/etc/timezone") or "").strip()
    return [_text("timezone.name", name.splitlines()[0][:64])] if name else []


def _hostname(core: Core, view: View) -> list[Param]:
    return [_text("hostname", info.hostname(view))]


def _filesystems(core: Core, view: View) -> list[Param]:
    found = fs_info(view, 0)
    params = [Param("fs.count", ParamType.UINT, len(found))]
    for at, one in enumerate(found):
        params += [
            _text(f"fs.{at}.name", one.name),
            _text(f"fs.{at}.mountpoint", one.mountpoint),
            _text(f"fs.{at}.fstype", one.fstype),
        ]
        sizes = _sizes(view, one.mountpoint)
        if sizes is not None:
            params += [
                Param(f"fs.{at}.total-bytes", ParamType.ULLONG, sizes[0]),
                Param(f"fs.{at}.used-bytes", ParamType.ULLONG, sizes[1]),
            ]
    return params


def _interfaces(core: Core, view: View) -> list[Param]:
    found = addresses.inside(view)
    params = [Param("if.count", ParamType.UINT, len(found))]
    for at, one in enumerate(found):
        params.append(_text(f"if.{at}.name", one.name))
        if one.mac:
            params.append(_text(f"if.{at}.hwaddr", one.mac))
        params.append(Param(f"if.{at}.addr.count", ParamType.UINT, len(one.addresses)))
        for number, address in enumerate(one.addresses):
            prefix = f"if.{at}.addr.{number}"
            params += [
                _text(f"{prefix}.type", "ipv6" if address.family else "ipv4"),
                _text(f"{prefix}.addr", address.address),
                Param(f"{prefix}.prefix", ParamType.UINT, address.prefix),
            ]
    return params


_TYPES: tuple[tuple[int, Callable[[Core, View], list[Param]]], ...] = (
    (2, _os),
    (4, _timezone),
    (8, _hostname),
    (16, _filesystems),
    (64, _interfaces),
)


def _root(view: View) -> int:
    assert view.run is not None
    path = f"/proc/{view.run.init.pid}/root"
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _read(view: View, path: str) -> str | None:
    """The text of a file of the guest, at most 64 KiB; None when it has none."""
    try:
        root = _root(view)
    except OSError:
        return None
    try:
        return read_inside(root, path, 65536)
    finally:
        os.close(root)


def _sizes(view: View, point: str) -> tuple[int, int] | None:
    """Bytes in all and in use, of what is mounted there."""
    try:
        root = _root(view)
    except OSError:
        return None
    try:
        fd = lookup(root, point)
        try:
            found = os.fstatvfs(fd)
        finally:
            os.close(fd)
    except (OSError, StepError):
        return None
    finally:
        os.close(root)
    return found.f_blocks * found.f_frsize, (found.f_blocks - found.f_bfree) * found.f_frsize
