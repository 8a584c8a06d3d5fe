"""What is known about the host, as values that tests can build by hand.

:class:`HostFacts` hold until the next boot, :class:`StartFacts` for one start. Both are JSON, so
that the daemon can leave the former for ``virtlxc plan``. ``probe`` and ``gather`` find them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from virtlxc.host.plain import from_plain, to_plain
from virtlxc.model.bandwidth import Bandwidth
from virtlxc.model.port import Port

OLDEST_KERNEL = (5, 14)
ALL_IDS = (0, (1 << 32) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupFacts:
    """``layout``: v2 (all controllers there), hybrid (cgroup2 beside v1), v1 (no cgroup2 mounted).

    ``mount`` is where cgroup2 is mounted ('' for nowhere), ``controllers`` what it offers there;
    ``v1`` maps controllers bound to v1, and ``name=systemd``, to their mount points.
    ``io_weight_files`` are those for the weight of block I/O: each is for what weighs another way;
    ``swap`` says that swap is accounted; ``kill``, ``freeze`` and ``device_program`` that cgroup2
    can do these things here. ``delegated``: what is mounted is a part that a container got, whose
    top may hold processes or hand controllers down, but not both. ``hidden`` is where it is mounted
    below something else, if it can be seen nowhere.
    """

    layout: str
    mount: str
    controllers: tuple[str, ...] = ()
    v1: Mapping[str, str] = field(default_factory=dict)
    io_weight_files: tuple[str, ...] = ()
    swap: bool = False
    kill: bool = True
    freeze: bool = True
    device_program: bool = True
    delegated: bool = False
    hidden: str = ""

    def version_of(self) -> dict[str, int]:
        """Which version each controller is bound to."""
        bound = {name: 1 for name in self.v1 if not name.startswith("name=")}
        return bound | dict.fromkeys(self.controllers, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """One processor; ``siblings`` is the list of those that share its core."""

    id: int
    socket: int = 0
    die: int = 0
    core: int = 0
    siblings: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One NUMA node: memory in KiB, (size in KiB, count) of its pages, distance to each node."""

    id: int = 0
    memory_kib: int = 0
    pages: tuple[tuple[int, int], ...] = ()
    distances: tuple[tuple[int, int], ...] = ()
    cpus: tuple[Processor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A processor cache; ``type`` is ``both``, ``code`` or ``data``, ``cpus`` a list."""

    id: int
    level: int
    type: str
    size_kib: int
    cpus: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFacts:
    """``online`` is a list like ``0-3``; the counts are those of nodeinfo, ``sockets`` a node's.

    ``mems`` is the list of nodes with memory; ``caches`` are the last-level ones.
    """

    online: str = "0"
    count: int = 1
    mhz: int = 0
    nodes: int = 1
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    mems: str = "0"
    cells: tuple[Cell, ...] = ()
    caches: tuple[Cache, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What holds until the next boot.

    ``source``: 'probed' (by doing, as root), 'passive' (read from /proc and /sys) or 'made'.
    ``idmapped`` says for each type of file system that was tried whether it takes idmapped mounts.
    ``capabilities`` are our own, ``programs`` maps the names of outside programs to their paths.
    ``memory_kib`` is all memory; ``user_namespaces`` how many may exist, 0 for none;
    ``inotify_instances`` how many one user may have, 0 when it is not known.
    ``user_namespace``: this host is itself a container with ids of its own; ``uids`` and ``gids``
    are the (first, count) blocks of ids that it has, ``device_nodes`` says that it can make some.
    ``overlays``: one can be laid over its root.
    """

    source: str = "made"
    boot_id: str = ""
    uuid: str = ""
    hostname: str = ""
    kernel: str
    arch: str
    cgroup: CgroupFacts
    cpu: CpuFacts = field(default_factory=CpuFacts)
    memory_kib: int
    idmapped: Mapping[str, bool] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    lsms: tuple[str, ...] = ()
    systemd: bool = False
    dbus: bool = False
    user_namespaces: int = 0
    inotify_instances: int = 0
    pid_namespaces: int = 1
    net_namespaces: int = 1
    programs: Mapping[str, str] = field(default_factory=dict)
    filesystems: tuple[str, ...] = ()
    user_namespace: bool = False
    uids: tuple[tuple[int, int], ...] = (ALL_IDS,)
    gids: tuple[tuple[int, int], ...] = (ALL_IDS,)
    device_nodes: bool = True
    overlays: bool = True

    @property
    def kernel_version(self) -> tuple[int, int]:
        """Major and minor number of the kernel."""
        major, minor = self.kernel.split("-")[0].split(".")[:2]
        return int(major), int(minor)

    def to_json(self) -> str:
        return json.dumps(to_plain(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> HostFacts:
        """Raises ValueError or TypeError when ``text`` is not what :meth:`to_json` wrote."""
        return from_plain(cls, json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What lies at one path of the host.

    ``kind``: dir, file, block, char, fifo, socket or missing. ``fstype`` is the type of the file
    system that it lies on, ``device`` the numbers of a node. ``holds`` is what a block device or an
    image has in it: a type of file system, 'partitions', 'qcow2' and the like, or '' when nothing
    was recognised. ``whole`` is the disk that a partition belongs to. ``loop`` is a loop device
    that an image is written through. ``upon`` says what cannot be trusted about the images that an
    image builds upon. ``quota``: the file system keeps quotas of projects. ``idmapped``: whether it
    takes idmapped mounts, None where its type tells.
    ``weigher`` is what shares a disk by weight: 'bfq' or 'iocost', '' when nothing does.
    """

    path: str
    kind: str
    uid: int = 0
    gid: int = 0
    fstype: str = ""
    device: tuple[int, int] = (0, 0)
    holds: str = ""
    whole: str = ""
    loop: str = ""
    upon: str = ""
    quota: bool = False
    idmapped: bool | None = None
    weigher: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface of the host."""

    mac: str
    mtu: int
    up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """The first program: what lies at its path inside the container.

    ``found``: 'yes', 'no', 'unknown' (on something that is only there once mounted).
    ``kind``: systemd, busybox, sysvinit, upstart, openrc, other. ``systemd`` is its version, 0 when
    it is not systemd or not known. ``file_caps`` are the file's own capabilities, and
    ``file_caps_effective`` whether the kernel insists on them.
    """

    path: str
    found: str = "unknown"
    executable: bool = True
    kind: str = "other"
    systemd: int = 0
    file_caps: tuple[str, ...] = ()
    file_caps_effective: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A virtual network: whether it is active, its bridge, and what it says of its ports.

    ``port_limits``, ``port`` and ``ports`` are those of :class:`virtlxc.model.network.Network`.
    """

    active: bool
    bridge: str = ""
    port_limits: Mapping[str, Bandwidth] = field(default_factory=dict)
    port: Port = field(default_factory=Port)
    ports: Mapping[str, Port] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A namespace of somebody else, or in ``problem`` why it cannot be had."""

    path: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoot:
    """The host's own root, for a domain that has none.

    ``mounts`` are the mount points below /usr, /etc and /opt, parents first; ``covered`` the
    folders of data that such a domain must not see; ``secrets`` what only root and groups may
    read, and what others listen to.
    """

    mounts: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFacts:
    """What holds for one start.

    ``sources`` has an entry for each path of the host that the domain names, and ``inside`` the
    kind (dir, file or missing) of each path inside its root that it binds, and of each target when
    the root is the host's. ``no_folders`` are those of /proc, /sys, /dev and /run that are
    something else in the root. ``bridges`` and ``links`` are names of the host's;
    ``filtering`` says of those that should whether they keep VLANs apart (None: they never could);
    those in ``switches`` are Open vSwitch's, whose program ``vsctl`` is a path, '' when it is not
    there or not asked for; ``shared`` is
    keyed by net, ipc, uts; ``nics`` are the interfaces that the domain borrows or builds upon, by
    name. ``usb`` has the device nodes that were found for each USB device that is asked for, by
    :attr:`virtlxc.model.Hostdev.usb_name`. ``loops`` are the numbers of the loop devices that a
    running domain has already, by their tag. ``lxcfs`` are the files that stand for those of
    /proc. ``root_account`` is the account in /etc/passwd that the container's root is, by its
    ``<idmap>``; '' for none. ``storage_daemon`` is the path of QEMU's, '' when it is not there or
    not asked for.
    """

    sources: tuple[Source, ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict)
    init: Init
    no_folders: Mapping[str, str] = field(default_factory=dict)
    bridges: tuple[str, ...] = ()
    filtering: Mapping[str, bool | None] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
    vsctl: str = ""
    links: tuple[str, ...] = ()
    networks: Mapping[str, Network] = field(default_factory=dict)
    shared: Mapping[str, Shared] = field(default_factory=dict)
    host_root: HostRoot = field(default_factory=HostRoot)
    nics: Mapping[str, Nic] = field(default_factory=dict)
    usb: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    loops: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lxcfs: tuple[str, ...] = ()
    root_account: str = ""
    storage_daemon: str = ""

    def source(self, path: str) -> Source:
        """What is at ``path``; a path that was not looked at counts as missing."""
        for source in self.sources:
            if source.path == path:
                return source
        return Source(path=path, kind="missing")

    def to_json(self) -> str:
        return json.dumps(to_plain(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> StartFacts:
        """Raises ValueError or TypeError when ``text`` is not what :meth:`to_json` wrote."""
        return from_plain(cls, json.loads(text))
