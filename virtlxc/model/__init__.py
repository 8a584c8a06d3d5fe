"""The container model: frozen values, made from a domain's XML and turned back into it.

Nothing below this room reads XML. Sizes are in KiB, unless a name ends in ``_bytes``.
"""

from __future__ import annotations

from virtlxc.model.address import Ip, Route
from virtlxc.model.bandwidth import Bandwidth, Rate
from virtlxc.model.blkio import BlkioDevice, BlkioTune
from virtlxc.model.boot import Os
from virtlxc.model.check import LEAST_MEMORY_KIB, UNIT_MEND, check
from virtlxc.model.clock import Clock, Timer
from virtlxc.model.complete import complete
from virtlxc.model.console import Console
from virtlxc.model.container import Container, FilesystemExtra, Rlimit, Sysctl
from virtlxc.model.cpu import CpuTune, NumaTune, cpuset
from virtlxc.model.device import DEVICE_KINDS, Device, parse_device
from virtlxc.model.disk import Disk
from virtlxc.model.document import format_domain, parse_domain
from virtlxc.model.domain import Domain
from virtlxc.model.features import Features
from virtlxc.model.filesystem import Filesystem
from virtlxc.model.hostdev import Hostdev
from virtlxc.model.idmap import IdMap, IdRange
from virtlxc.model.interface import Interface
from virtlxc.model.live import Aliases, LiveView, first_aliases, free_alias
from virtlxc.model.memory import MemTune
from virtlxc.model.port import Port, VirtualPort, Vlan, VlanTag
from virtlxc.model.share import Share
from virtlxc.model.unserved import Unserved, unserved
from virtlxc.xmlmap.kept import Kept

__all__ = [
    "DEVICE_KINDS",
    "LEAST_MEMORY_KIB",
    "UNIT_MEND",
    "Aliases",
    "Bandwidth",
    "BlkioDevice",
    "BlkioTune",
    "Clock",
    "Console",
    "Container",
    "CpuTune",
    "Device",
    "Disk",
    "Domain",
    "Features",
    "Filesystem",
    "FilesystemExtra",
    "Hostdev",
    "IdMap",
    "IdRange",
    "Interface",
    "Ip",
    "Kept",
    "LiveView",
    "MemTune",
    "NumaTune",
    "Os",
    "Port",
    "Rate",
    "Rlimit",
    "Route",
    "Share",
    "Sysctl",
    "Timer",
    "Unserved",
    "VirtualPort",
    "Vlan",
    "VlanTag",
    "check",
    "complete",
    "cpuset",
    "first_aliases",
    "format_domain",
    "free_alias",
    "parse_device",
    "parse_domain",
    "unserved",
]
