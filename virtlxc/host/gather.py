"""Facts for one start: what lies at the paths that a domain names. Reads only.

Paths inside a container's root are resolved by openat2 with RESOLVE_IN_ROOT, because a guest may
have left links there that lead anywhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from virtlxc import mountinfo
from virtlxc.host import blockdevices, idmapped, imagechains, inits, links, lxcfs, programs, usb
from virtlxc.host.facts import HostRoot, Init, Network, Nic, Shared, Source, StartFacts
from virtlxc.host.security import idmap
from virtlxc.model import Domain, Filesystem, Interface, Port, Share
from virtlxc.model.container import RAM
from virtlxc.model.disk import QEMU_FORMATS
from virtlxc.runtime import syscalls
from virtlxc.runtime.ops.loops import tagged

_TIMERS = {"rtc": "/dev/rtc0", "hpet": "/dev/hpet"}
_PROGRAM_TREES = ("/usr", "/etc", "/opt")

# Top folders of the host that hold programs, or that a container gets its own of; all others are
# data, and so is everything in /var but what is private.
_NO_DATA = frozenset(
    [
        "bin",
        "sbin",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "usr",
        "etc",
        "opt",
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "var",
    ]
)
_NO_DATA_VAR = frozenset({"tmp", "run", "lock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What others know of: virtual networks, and the running domains' init pids by name.

    ``contained``: this host is itself a container in a user namespace. There it is not the type of
    a file system that decides about idmapped mounts, but who mounted it.
    """

    networks: Mapping[str, Network] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
    contained: bool = False


def start_facts(domain: Domain, around: Surroundings | None = None) -> StartFacts:
    """What a start of ``domain`` finds now. Never raises for what is missing: that is a fact."""
    around = around or Surroundings()
    named = {card.source for card in domain.interfaces if card.type == "network"}
    names = _link_names(domain, around)
    present = tuple(name for name in names if links.exists(name))
    return StartFacts(
        sources=tuple(_sources(domain, around)),
        inside=_inside(domain),
        init=_init(domain),
        no_folders=_no_folders(domain),
        bridges=tuple(name for name in present if links.is_bridge(name)),
        filtering={name: links.filters_vlans(name) for name in _with_vlans(domain, around)},
        switches=tuple(name for name in present if links.is_switch(name)),
        vsctl=_vsctl(domain, around),
        links=present,
        networks={name: network for name, network in around.networks.items() if name in named},
        shared={share.kind: _shared(share, around) for share in domain.shares},
        host_root=_host_root() if domain.root is None else HostRoot(),
        nics=_nics(domain),
        usb=_usb(domain),
        lxcfs=lxcfs.files(),
        root_account=_root_account(domain),
        storage_daemon=_storage_daemon(domain),
    )


def _root_account(domain: Domain) -> str:
    """The host's account behind the container's root.

    From the file alone: a start waits for no directory service, and systemd's would name the
    container itself.
    """
    lines = domain.idmap.uids if domain.idmap else ()
    root = idmap.to_host([idmap.Range(line.start, line.target, line.count) for line in lines], 0)
    if root is None:
        return ""
    with contextlib.suppress(OSError), open("/etc/passwd", errors="replace") as file:
        for name, _, uid, *_ in (line.split(":") for line in file if line.count(":") > 2):
            if uid == str(root):
                return name
    return ""


def _storage_daemon(domain: Domain) -> str:
    wanted = any(disk.by_qemu for disk in domain.disks)
    return (programs.find(programs.STORAGE_DAEMON) or "") if wanted else ""


def _ports(domain: Domain, around: Surroundings) -> Iterator[tuple[Interface, str, Port]]:
    """The cards with the bridges they are on, and what is said there of their ports."""
    for card in domain.interfaces:
        if card.type == "bridge":
            yield card, card.source or "", Port()
        elif card.type == "network" and (network := around.networks.get(card.source or "")):
            yield card, network.bridge, network.ports.get(card.portgroup or "", network.port)


def _with_vlans(domain: Domain, around: Surroundings) -> tuple[str, ...]:
    """The bridges that should keep VLANs apart."""
    found = _ports(domain, around)
    return tuple(dict.fromkeys(name for card, name, port in found if card.vlan or port.vlan))


def _vsctl(domain: Domain, around: Surroundings) -> str:
    told = any(card.virtualport for card in domain.interfaces) or any(
        port.virtualport for _, _, port in _ports(domain, around)
    )
    return (programs.find(programs.OVS_VSCTL) or "") if told else ""


def loops() -> dict[str, tuple[int, int]]:
    """The numbers of the loop devices in use, by tag: for changes of a running domain."""
    return tagged()


def _sources(domain: Domain, around: Surroundings) -> Iterator[Source]:
    translated = domain.idmap is not None and around.contained
    bound = {fs.source for fs in domain.filesystems if fs.type == "mount" and translated}
    images = _images(domain)
    plain = _paths(domain, _usb(domain))
    limited = {fs.source for fs in domain.filesystems if fs.space_hard_limit_bytes}
    limited |= {fs.source for fs in domain.filesystems if fs.space_soft_limit_bytes}
    for path in dict.fromkeys(path for path in plain if path not in images):
        source = look(path)
        if path in bound and source.kind != "missing":
            source = replace(source, idmapped=idmapped.takes(path))
        yield replace(source, quota=_keeps_quotas(path)) if path in limited else source
    for path in dict.fromkeys(images):
        yield look_into(path)


def names(domain: Domain, usb: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The paths of the host that the domain names; ``usb`` has the nodes of its USB devices."""
    return frozenset((*_paths(domain, usb), *_images(domain)))


def _paths(domain: Domain, usb: Mapping[str, tuple[str, ...]]) -> list[str]:
    paths = [fs.source for fs in domain.filesystems if fs.type == "mount"]
    paths += [device.path for device in domain.blkiotune.devices]
    paths += [dev.source for dev in domain.hostdevs if dev.type in ("storage", "misc")]
    for dev in domain.hostdevs:
        paths += usb.get(dev.usb_name, ()) if dev.type == "usb" else ()
    paths += [extra.overlay for extra in domain.container.filesystems if extra.overlay != RAM]
    if domain.clock.offset == "localtime":
        paths += [_TIMERS[timer.name] for timer in domain.clock.timers if timer.name in _TIMERS]
    return [path for path in paths if path]


def _images(domain: Domain) -> list[str]:
    """Those with something in them."""
    paths = [disk.source for disk in domain.disks]
    paths += [fs.source for fs in domain.filesystems if fs.type in ("block", "file")]
    return [path for path in paths if path]


def look_into(path: str) -> Source:
    """What lies at a path of the host, and what a device or an image there has in it."""
    source = look(path)
    if source.kind not in ("block", "file"):
        return source
    loop = blockdevices.loop_of(path) if source.kind == "file" else ""
    holds = blockdevices.holds(path)
    upon = imagechains.problem(path) if source.kind == "file" and holds in QEMU_FORMATS else ""
    return replace(source, holds=holds, loop=loop, upon=upon)


def _nics(domain: Domain) -> dict[str, Nic]:
    names = [card.source for card in domain.interfaces if card.type == "direct"]
    names += [dev.source for dev in domain.hostdevs if dev.type == "net"]
    found = {name: links.nic(name) for name in names if name}
    return {name: nic for name, nic in found.items() if nic is not None}


def _usb(domain: Domain) -> dict[str, tuple[str, ...]]:
    return {
        dev.usb_name: usb.find(
            vendor=dev.vendor, product=dev.product, bus=dev.bus, device=dev.device
        )
        for dev in domain.hostdevs
        if dev.type == "usb"
    }


def _link_names(domain: Domain, around: Surroundings) -> list[str]:
    names: list[str | None] = []
    for card in domain.interfaces:
        names.append(card.target)
        if card.type == "bridge":
            names.append(card.source)
        elif card.type == "network" and (network := around.networks.get(card.source or "")):
            names.append(network.bridge)
    return [name for name in dict.fromkeys(names) if name]


_KINDS = {
    stat.S_IFDIR: "dir",
    stat.S_IFREG: "file",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "char",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def look(path: str) -> Source:
    """What lies at a path of the host, links followed."""
    try:
        found = os.stat(path)
    except OSError:
        return Source(path=path, kind="missing")
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "file")
    device = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return Source(
        path=path,
        kind=kind,
        uid=found.st_uid,
        gid=found.st_gid,
        fstype=_fstype(path, found.st_dev),
        device=device,
        whole=blockdevices.whole_disk(device) if kind == "block" else "",
        weigher=blockdevices.weigher(device) if kind == "block" else "",
    )


def _fstype(path: str, device: int) -> str:
    """The type of the file system, by its device number; '' when no mount shows it."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    best = ("", "")
    real = os.path.realpath(path)
    for mount in mountinfo.read():
        # btrfs gives each subvolume a device number of its own: there the longest point decides.
        below = real == mount.point or real.startswith(mount.point.rstrip("/") + "/")
        if mount.device == wanted and below:
            return mount.fstype
        if below and len(mount.point) >= len(best[0]):
            best = (mount.point, mount.fstype)
    return best[1]


_PROJECT_QUOTA = {"prjquota", "pquota"}


def _keeps_quotas(path: str) -> bool:
    """Whether the file system was mounted so; the option is one of the file system itself."""
    try:
        found = os.stat(path).st_dev
    except OSError:
        return False
    wanted = f"{os.major(found)}:{os.minor(found)}"
    for mount in mountinfo.read():
        if mount.device == wanted:
            return not _PROJECT_QUOTA.isdisjoint(mount.options)
    return False


@contextlib.contextmanager
def _tree(path: str) -> Iterator[int | None]:
    """A descriptor of a folder of the host, None when it cannot be had."""
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _holder(domain: Domain, path: str) -> tuple[str | None, str]:
    """The host folder that ``path`` of the container is in, and the path below it.

    None when it is on something that only exists once the container runs.
    """
    best: Filesystem | None = None
    for filesystem in domain.filesystems:
        point = filesystem.target.rstrip("/") + "/"
        if path.startswith(point) and (best is None or len(filesystem.target) > len(best.target)):
            best = filesystem
    if best is None:
        return "/", path
    if best.type != "mount" or not best.source:
        return None, path
    return best.source, "/" + path[len(best.target) :].lstrip("/")


def _inside(domain: Domain) -> dict[str, str]:
    """The kind of each source of ``<filesystem type='bind'>``.

    Of each target as well when the root is the host's, in which no mount point can be made.
    """
    paths = [fs.source for fs in domain.filesystems if fs.type == "bind" and fs.source]
    found = {}
    for path in paths:
        holder, below = _holder(domain, path)
        if holder is not None:
            found[path] = _kind_inside(holder, below)
    if domain.root is None:
        found |= {fs.target: _kind_inside("/", fs.target) for fs in domain.filesystems}
    return found


def _kind_inside(holder: str, path: str) -> str:
    with _tree(holder) as tree:
        if tree is None:
            return "missing"
        try:
            fd = syscalls.openat2(tree, path, os.O_PATH, syscalls.RESOLVE_IN_ROOT)
        except OSError:
            return "missing"
        try:
            return _KINDS.get(stat.S_IFMT(os.fstat(fd).st_mode), "file")
        finally:
            os.close(fd)


def _no_folders(domain: Domain) -> dict[str, str]:
    """What a root has in place of the folders that we mount on; what is missing will be made."""
    root = domain.root
    if root is None or root.type != "mount" or not root.source:
        return {}
    found = {}
    with _tree(root.source) as tree:
        for name in ("dev", "proc", "run", "sys") if tree is not None else ():
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=tree, follow_symlinks=False).st_mode
                kind = "link" if stat.S_ISLNK(mode) else _KINDS.get(stat.S_IFMT(mode), "file")
                if kind != "dir":
                    found[f"/{name}"] = kind
    return found


def _init(domain: Domain) -> Init:
    path = domain.os.init or "/sbin/init"
    holder, below = _holder(domain, path)
    if holder is None:
        return Init(path=path)
    with _tree(holder) as tree:
        if tree is None:
            return Init(path=path)
        return inits.look(tree, path, below)


def _shared(share: Share, around: Surroundings) -> Shared:
    if share.type == "netns":
        return _existing(f"/run/netns/{share.value}", f"there is no /run/netns/{share.value}")
    if share.type == "name":
        pid = around.running.get(share.value)
        if pid is None:
            return Shared(problem=f"domain '{share.value}' is not running")
        return Shared(path=f"/proc/{pid}/ns/{share.kind}")
    return _existing(f"/proc/{share.value}/ns/{share.kind}", f"there is no process {share.value}")


def _existing(path: str, problem: str) -> Shared:
    try:
        os.stat(path)
    except FileNotFoundError:
        return Shared(problem=problem)
    except OSError as error:
        return Shared(problem=f"{path}: {error.strerror}")
    return Shared(path=path)


def _host_root() -> HostRoot:
    points = {mount.point for mount in mountinfo.read()}
    mounts = sorted(
        point
        for point in points
        if any(point == tree or point.startswith(tree + "/") for tree in _PROGRAM_TREES)
    )
    covered = [*_folders("/", _NO_DATA), *_folders("/var", _NO_DATA_VAR)]
    with open("/proc/net/unix", errors="surrogateescape", newline="\n") as text:
        sockets = bound_sockets(text.read())
    return HostRoot(mounts=tuple(mounts), covered=tuple(covered), secrets=(*_secrets(), *sockets))


def bound_sockets(text: str) -> Iterator[str]:
    """The sockets in /proc/net/unix that are files of the trees that hold programs.

    Too large to be searched like /etc; what nobody has bound, nobody answers at.
    """
    # Num RefCount Protocol Flags Type St Inode Path; the path may have ends of lines in it.
    rows = [line.split(None, 7) for line in text.split("\n")[1:] if line.strip()]
    for path in sorted({row[-1] for row in rows if row[-1].startswith(("/usr/", "/opt/"))}):
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                yield path
        except OSError:
            continue


def _secrets() -> Iterator[str]:
    """In / and /etc: what not everybody may read, and sockets and FIFOs, which no mount protects.

    A folder that is one stands for all in it.
    """
    top = [entry for entry in _entries("/") if not entry.is_dir(follow_symlinks=False)]
    pending = [*top, *_entries("/etc")]
    while pending:
        entry = pending.pop()
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode):
            continue
        wanted = 0o005 if stat.S_ISDIR(mode) else 0o004
        if mode & wanted != wanted or stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            yield entry.path
        elif stat.S_ISDIR(mode):
            pending += _entries(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name, reverse=True)
    except OSError:
        return []


def _folders(parent: str, besides: frozenset[str]) -> list[str]:
    """The folders in ``parent``, no links, but for those named."""
    with os.scandir(parent) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name not in besides and entry.is_dir(follow_symlinks=False)
        )
    return [f"{parent.rstrip('/')}/{name}" for name in names]
