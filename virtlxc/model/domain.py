"""``<domain>``: a container, as its document describes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from virtlxc.model.blkio import BlkioTune
from virtlxc.model.boot import Os
from virtlxc.model.clock import Clock
from virtlxc.model.console import Console
from virtlxc.model.container import Container
from virtlxc.model.cpu import CpuTune, NumaTune
from virtlxc.model.disk import Disk
from virtlxc.model.features import Features
from virtlxc.model.filesystem import Filesystem
from virtlxc.model.hostdev import Hostdev
from virtlxc.model.idmap import IdMap
from virtlxc.model.interface import Interface
from virtlxc.model.memory import MemTune
from virtlxc.model.share import Share
from virtlxc.xmlmap.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Memory is in KiB. ``uuid`` is lower case with dashes, '' when the document has none.

    ``metadata`` is what stands inside ``<metadata>``, byte for byte, without our own element, which
    is ``container`` (and then without blanks at its end). ``memory`` is the limit that a start
    sets (``memtune.hard_limit`` overrides it); ``current_memory`` is None when it is the same.
    """

    name: str
    uuid: str = ""
    title: str | None = None
    description: str | None = None
    metadata: str | None = None
    memory: int
    current_memory: int | None = None
    vcpus: int = 1
    vcpus_current: int | None = None
    vcpu_placement: str = "static"
    cpuset: str | None = None
    blkiotune: BlkioTune = field(default_factory=BlkioTune)
    memtune: MemTune = field(default_factory=MemTune)
    cputune: CpuTune = field(default_factory=CpuTune)
    numatune: NumaTune = field(default_factory=NumaTune)
    partition: str | None = None
    os: Os = field(default_factory=Os)
    idmap: IdMap | None = None
    features: Features = field(default_factory=Features)
    clock: Clock = field(default_factory=Clock)
    on_poweroff: str = "destroy"
    on_reboot: str = "restart"
    on_crash: str = "destroy"
    emulator: str | None = None
    disks: tuple[Disk, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    consoles: tuple[Console, ...] = ()
    hostdevs: tuple[Hostdev, ...] = ()
    shares: tuple[Share, ...] = ()
    container: Container = field(default_factory=Container)
    kept: tuple[Kept, ...] = ()

    @property
    def root(self) -> Filesystem | None:
        """The file system that is the container's root; None means the host's programs."""
        return next((fs for fs in self.filesystems if fs.target == "/"), None)

    @property
    def needs_netns(self) -> bool:
        """Whether the container gets a network namespace of its own."""
        return (
            self.features.privnet
            or bool(self.interfaces)
            or any(dev.mode == "capabilities" and dev.type == "net" for dev in self.hostdevs)
        )
