"""Facts about the host: read (:func:`probe_passive`), or tried (:func:`probe_host`, as root).

Trying means doing the thing on something of our own: a group that is removed again, a detached
mount that nobody sees.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import stat
import uuid
from collections.abc import Iterator
from dataclasses import replace

from virtlxc import mountinfo
from virtlxc.errors import KernelRefused
from virtlxc.host import dbus, idmapped, overlays, programs
from virtlxc.host.cgroup import beside, delegated
from virtlxc.host.facts import ALL_IDS, CgroupFacts, HostFacts
from virtlxc.host.hierarchies import hierarchies_of, layout
from virtlxc.host.security import capabilities
from virtlxc.host.topology import read_cells, read_cpu
from virtlxc.runtime import syscalls

PROGRAMS = ("dnsmasq", "nft", "busybox", "mmdebstrap", "lxcfs", programs.STORAGE_DAEMON)
_REFUSED_ALL = bytes.fromhex("b7000000000000009500000000000000")  # r0 = 0; exit
_INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # PROC_USER_INIT_INO, linux/proc_ns.h
_WEIGHT_FILES_V2 = ("io.weight", "io.bfq.weight")
_WEIGHT_FILES_V1 = ("blkio.bfq.weight",)


def probe_passive(source: str = "passive") -> HostFacts:
    """What anybody may read in /proc and /sys. What can only be tried is taken as working."""
    contained = _in_user_namespace()
    return HostFacts(
        source=source,
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        uuid=_host_uuid(),
        hostname=os.uname().nodename,
        kernel=os.uname().release,
        arch=platform.machine(),
        cgroup=_cgroups(),
        cpu=read_cpu(),
        memory_kib=_memory(),
        capabilities=_own_capabilities(),
        lsms=tuple(filter(None, _text("/sys/kernel/security/lsm").split(","))),
        systemd=os.path.isdir("/run/systemd/system"),
        dbus=dbus.installed(),
        user_namespaces=_number("/proc/sys/user/max_user_namespaces"),
        inotify_instances=_number("/proc/sys/fs/inotify/max_user_instances"),
        pid_namespaces=_number("/proc/sys/user/max_pid_namespaces"),
        net_namespaces=_number("/proc/sys/user/max_net_namespaces"),
        programs={name: path for name in PROGRAMS if (path := programs.find(name))},
        filesystems=tuple(line.split("\t")[-1] for line in _text("/proc/filesystems").splitlines()),
        user_namespace=contained,
        uids=_ids("/proc/self/uid_map"),
        gids=_ids("/proc/self/gid_map"),
        device_nodes=not contained,
    )


def probe_host(*, cgroup2_beside: str = "") -> HostFacts:
    """The same, and what root can try: what cgroup2 does here, and idmapped mounts.

    ``cgroup2_beside`` is a folder for cgroup2 where the host has it nowhere; '' leaves it at that.
    """
    if cgroup2_beside:
        with contextlib.suppress(KernelRefused):  # then the facts say that there is none
            beside.ensure(cgroup2_beside)
    facts = probe_passive("probed")
    if facts.cgroup.delegated:
        with contextlib.suppress(KernelRefused):  # then a start cannot hand down, and says so
            delegated.vacate(facts.cgroup.mount, facts.cgroup.controllers)
    return replace(
        facts,
        cgroup=_try_cgroups(facts.cgroup),
        idmapped=idmapped.try_all(),
        device_nodes=_makes_nodes(),
        overlays=overlays.over_root(),
    )


def may_mount() -> bool:
    """Whether we are root of a mount namespace; tried on a file system that nobody sees."""
    try:
        os.close(syscalls.new_mount("tmpfs", [["size", "4k"]], 0))
    except PermissionError:
        return False
    return True


def _makes_nodes() -> bool:
    """Whether device nodes can be made: in a user namespace the kernel makes none."""
    mount = -1
    try:
        mount = syscalls.new_mount("tmpfs", [["size", "4k"]], 0)
        os.mknod("null", stat.S_IFCHR | 0o600, os.makedev(1, 3), dir_fd=mount)
    except PermissionError:
        return False
    finally:
        if mount >= 0:
            os.close(mount)
    return True


def _in_user_namespace() -> bool:
    """Whether the kernel's first user namespace is another than ours."""
    try:
        return os.stat("/proc/self/ns/user").st_ino != _INITIAL_USER_NAMESPACE
    except FileNotFoundError:  # a kernel without user namespaces
        return False


def _ids(path: str) -> tuple[tuple[int, int], ...]:
    """The ids of a map as (first, count) blocks, neighbours as one."""
    found: list[tuple[int, int]] = []
    for first, _, count in sorted(
        tuple(map(int, line.split())) for line in _text(path).splitlines()
    ):
        if found and found[-1][0] + found[-1][1] == first:
            found[-1] = (found[-1][0], found[-1][1] + count)
        else:
            found.append((first, count))
    return tuple(found) or (ALL_IDS,)


def _text(path: str) -> str:
    """The stripped text of a file, '' when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _number(path: str) -> int:
    text = _text(path)
    return int(text) if text.isdigit() else 0


def _host_uuid() -> str:
    """The machine's, by its firmware (root alone may read that) or by its machine-id."""
    text = _text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.UUID(int=0))


def _memory() -> int:
    """In KiB; the nodes' own sums where there are any, because MemTotal may count a balloon."""
    nodes = sum(cell.memory_kib for cell in read_cells())
    if nodes:
        return nodes
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0


def _own_capabilities() -> tuple[str, ...]:
    for line in _text("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return capabilities.from_mask(int(line.split()[1], 16))
    return ()


def _cgroups() -> CgroupFacts:
    found = hierarchies_of(mountinfo.read(), beside.device_at)
    controllers = _text(f"{found.cgroup2}/cgroup.controllers") if found.cgroup2 else ""
    return CgroupFacts(
        layout=layout(found),
        mount=found.cgroup2,
        controllers=tuple(sorted(controllers.split())),
        v1=dict(sorted(found.v1.items())),
        swap=os.path.exists("/proc/swaps"),
        hidden=found.hidden,
        # Only a hierarchy's own top has no type.
        delegated=bool(found.cgroup2) and os.path.exists(f"{found.cgroup2}/cgroup.type"),
    )


def _try_cgroups(facts: CgroupFacts) -> CgroupFacts:
    if "blkio" in facts.v1:
        # The root of a hierarchy has no weight, whatever its groups have.
        with contextlib.suppress(OSError), _group(facts.v1["blkio"], ()) as path:
            facts = replace(facts, io_weight_files=_present(path, _WEIGHT_FILES_V1))
    if "memory" in facts.v1:
        total = f"{facts.v1['memory']}/memory.memsw.limit_in_bytes"
        facts = replace(facts, swap=os.path.exists(total))
    if not facts.mount:
        return facts
    with _group(facts.mount, facts.controllers) as path:
        facts = replace(
            facts,
            kill=os.path.exists(f"{path}/cgroup.kill"),
            freeze=os.path.exists(f"{path}/cgroup.freeze"),
            device_program=_takes_programs(path),
        )
        if "memory" in facts.controllers:
            facts = replace(facts, swap=os.path.exists(f"{path}/memory.swap.max"))
        if "io" in facts.controllers:
            facts = replace(facts, io_weight_files=_present(path, _WEIGHT_FILES_V2))
    return facts


def _present(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if os.path.exists(f"{folder}/{name}"))


@contextlib.contextmanager
def _group(mount: str, controllers: tuple[str, ...]) -> Iterator[str]:
    """A group to try things in; with the controllers, whose files only then exist."""
    for name in controllers:
        with contextlib.suppress(OSError), open(f"{mount}/cgroup.subtree_control", "w") as file:
            file.write(f"+{name}")
    path = f"{mount}/virtlxc-probe-{os.getpid()}"
    os.mkdir(path)
    try:
        yield path
    finally:
        os.rmdir(path)


def _takes_programs(path: str) -> bool:
    """Whether a device program can be loaded and attached."""
    group = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        program = syscalls.load_device_program(_REFUSED_ALL)
        try:
            syscalls.attach_device_program(group, program)
        finally:
            os.close(program)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    finally:
        os.close(group)
    return True
