"""The host, as ``virNode*`` and ``virConnect*`` ask about it; all calls are [fast]."""

from __future__ import annotations

import os
from collections.abc import Sequence

from virtlxc.driver import refusals
from virtlxc.driver.constants import ParamType
from virtlxc.driver.node import pages
from virtlxc.driver.node.hostview import HostView
from virtlxc.driver.ref import Param
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import capabilities_xml, validate
from virtlxc.host.sysinfo import sysinfo
from virtlxc.host.topology import parse_list

_NODES = "/sys/devices/system/node"
_PRESENT = "/sys/devices/system/cpu/present"


class Node:
    """Answers from the facts of the host and from a few files of the kernel."""

    def __init__(self, host: HostView) -> None:
        self._host = host

    def capabilities(self) -> str:
        """The document of ``virConnectGetCapabilities``."""
        return capabilities_xml.capabilities(self._host.facts)

    def domain_capabilities(
        self, emulator: str | None, arch: str | None, machine: str | None, virttype: str | None
    ) -> str:
        """The document of ``virConnectGetDomainCapabilities``."""
        return capabilities_xml.domain_capabilities(
            self._host.facts, emulator=emulator, arch=arch, machine=machine, virttype=virttype
        )

    def validate(self) -> list[tuple[str, str, str, str]]:
        """(name, PASS or WARN or FAIL, text, mend) of everything that domains may need."""
        rows = validate.rows(self._host.facts)
        return [(row.name, row.status, row.text, row.mend) for row in rows]

    def hostname(self) -> str:
        return os.uname().nodename

    def version(self) -> int:
        """The kernel's release as libvirt counts: 6.18.44 is 6018044."""
        words = os.uname().release.split("-")[0].split(".")
        major, minor, patch, *_ = [int(word) for word in words if word.isdigit()] + [0, 0, 0]
        return major * 1_000_000 + minor * 1_000 + patch

    def node_info(self) -> tuple[str, int, int, int, int, int, int, int]:
        """(model, memory in KiB, cpus, mhz, nodes, sockets, cores, threads).

        The memory is read each time: a virtual machine's balloon changes it.
        """
        cpu = self._host.facts.cpu
        memory = _meminfo("/proc/meminfo")["MemTotal"]
        size = (cpu.count, cpu.mhz, cpu.nodes, cpu.sockets, cpu.cores, cpu.threads)
        return (self._host.facts.arch, memory, *size)

    def security_model(self) -> tuple[str, str]:
        """(model, domain of interpretation): containers are not labelled."""
        return "none", "0"

    # Memory

    def free_memory(self) -> int:
        """Bytes."""
        return _meminfo("/proc/meminfo").get("MemFree", 0) * 1024

    def cells_free_memory(self, start: int, count: int) -> list[int]:
        """Bytes of each NUMA node, ``count`` of them from ``start`` on."""
        nodes = self._host.facts.cpu.nodes
        if not 0 <= start < nodes:
            raise VirtlxcError(
                f"internal error: start cell {start} out of range (0-{nodes - 1})",
                Code.INTERNAL_ERROR,
            )
        last = min(start + count, nodes)
        return [_cell_meminfo(cell).get("MemFree", 0) * 1024 for cell in range(start, last)]

    def memory_stats(self, cell: int) -> list[Param]:
        """KiB; ``cell`` -1 is the whole host."""
        if cell != -1 and not 0 <= cell < self._host.facts.cpu.nodes:
            raise refusals.bad_argument(f"cellNum in {cell} is no cell of this host")
        found = _meminfo("/proc/meminfo") if cell == -1 else _cell_meminfo(cell)
        return [
            Param(name, ParamType.ULLONG, found[field])
            for name, field in _MEMORY_FIELDS.items()
            if field in found
        ]

    # Processors

    def cpu_stats(self, cpu: int) -> list[Param]:
        """Nanoseconds since the boot; ``cpu`` -1 is all of them together."""
        with open("/proc/stat") as file:
            rows = {line.split()[0]: line.split()[1:] for line in file if line.startswith("cpu")}
        words = rows.get("cpu" if cpu == -1 else f"cpu{cpu}")
        if words is None:
            raise refusals.bad_argument(f"Invalid cpuNum in {cpu}")
        user, nice, system, idle, iowait, irq, softirq = (int(word) for word in words[:7])
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        values = {
            "kernel": system + irq + softirq,
            "user": user + nice,
            "idle": idle,
            "iowait": iowait,
        }
        return [Param(name, ParamType.ULLONG, ticks * tick) for name, ticks in values.items()]

    def memory_parameters(self) -> list[Param]:
        """How equal pages are merged."""
        return pages.merging()

    def set_memory_parameters(self, params: Sequence[Param]) -> None:
        pages.set_merging(params)

    def free_pages(self, sizes: Sequence[int], start: int, count: int) -> list[int]:
        """Of each size in KiB, for each NUMA cell."""
        return pages.free(sizes, start, count, self._host.facts.cpu.nodes)

    def allocate_pages(
        self, sizes: Sequence[int], counts: Sequence[int], start: int, count: int, *, add: bool
    ) -> int:
        """Makes huge pages; how many pools were changed."""
        return pages.allocate(sizes, counts, start, count, self._host.facts.cpu.nodes, add=add)

    def sysinfo(self) -> str:
        """The document of ``virConnectGetSysinfo``."""
        found = sysinfo()
        if found is None:
            raise VirtlxcError(
                "unsupported configuration: Host SMBIOS information is not available",
                Code.CONFIG_UNSUPPORTED,
            )
        return found

    def cpu_map(self) -> tuple[bytes, int, int]:
        """(bit map of the processors online, how many are online, how many there are)."""
        online = parse_list(self._host.facts.cpu.online)
        with open(_PRESENT) as file:
            present = len(parse_list(file.read()))
        bits = bytearray(max(online) // 8 + 1)
        for number in online:
            bits[number // 8] |= 1 << number % 8
        return bytes(bits), len(online), present


_MEMORY_FIELDS = {
    "total": "MemTotal",
    "free": "MemFree",
    "buffers": "Buffers",
    "cached": "Cached",
}


def _meminfo(path: str) -> dict[str, int]:
    """Name to KiB; the lines of single nodes begin with "Node N"."""
    with open(path) as file:
        rows = [line.replace(":", " ").split() for line in file]
    bare = [row[2:] if row[:1] == ["Node"] else row for row in rows]
    return {row[0]: int(row[1]) for row in bare if len(row) >= 2}


def _cell_meminfo(cell: int) -> dict[str, int]:
    path = f"{_NODES}/node{cell}/meminfo"
    # A kernel without NUMA has one cell, and no folder for it.
    return _meminfo(path if os.path.exists(path) else "/proc/meminfo")
