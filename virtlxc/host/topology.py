"""Processors and memory of the host, as nodeinfo and the capabilities show them.

Everything is read below a ``root``, so that a test can lay out a machine of its own.
"""

from __future__ import annotations

import os
import re

from virtlxc.host.facts import Cache, Cell, CpuFacts, Processor

_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"
_PAGE_KIB = 4
_CACHE_TYPES = {"Unified": "both", "Instruction": "code", "Data": "data"}
_LAST_LEVEL = 3  # libvirt shows these alone


def parse_list(text: str) -> tuple[int, ...]:
    """The numbers in a list of the kernel's such as ``0-3,7``; '' is none.

    Raises ValueError for anything else.
    """
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        found.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(found))


def read_cpu(root: str = "") -> CpuFacts:
    """All about the processors; one where nothing can be read."""
    online = _text(f"{root}{_CPU}/online") or "0"
    cells = read_cells(root)
    cpus = [(cell.id, cpu) for cell in cells for cpu in cell.cpus]
    nodes = max(len(cells), 1)
    sockets = len({(node, cpu.socket) for node, cpu in cpus}) or 1
    cores = len({(node, cpu.socket, cpu.die, cpu.core) for node, cpu in cpus}) or 1
    return CpuFacts(
        online=online,
        count=len(cpus) or 1,
        mhz=_mhz(root),
        nodes=nodes,
        sockets=max(sockets // nodes, 1),
        cores=max(cores // sockets, 1),
        threads=max(len(cpus) // cores, 1),
        mems=_text(f"{root}{_NODE}/has_memory") or "0",
        cells=cells,
        caches=_caches(root, [cpu.id for _, cpu in cpus]),
    )


def read_cells(root: str = "") -> tuple[Cell, ...]:
    """The NUMA nodes; one without a number of its own where the kernel has none."""
    online = set(parse_list(_text(f"{root}{_CPU}/online") or "0"))
    nodes = parse_list(_text(f"{root}{_NODE}/online"))
    if not nodes:
        cpus = tuple(_processor(root, number) for number in sorted(online))
        return (Cell(cpus=cpus, distances=((0, 10),)),)
    return tuple(_cell(root, number, nodes, online) for number in nodes)


def _cell(root: str, number: int, nodes: tuple[int, ...], online: set[int]) -> Cell:
    base = f"{root}{_NODE}/node{number}"
    match = re.search(r"MemTotal:\s*(\d+)", _text(f"{base}/meminfo"))
    memory = int(match[1]) if match else 0
    distances = [int(word) for word in _text(f"{base}/distance").split()]
    cpus = [cpu for cpu in parse_list(_text(f"{base}/cpulist")) if cpu in online]
    return Cell(
        id=number,
        memory_kib=memory,
        pages=_pages(base, memory),
        distances=tuple(zip(nodes, distances, strict=False)),
        cpus=tuple(_processor(root, cpu) for cpu in cpus),
    )


def _pages(base: str, memory_kib: int) -> tuple[tuple[int, int], ...]:
    huge = []
    for name in _names(f"{base}/hugepages"):
        if match := re.fullmatch(r"hugepages-(\d+)kB", name):
            count = _text(f"{base}/hugepages/{name}/nr_hugepages")
            huge.append((int(match[1]), int(count or 0)))
    small = memory_kib - sum(size * count for size, count in huge)
    return ((_PAGE_KIB, small // _PAGE_KIB), *sorted(huge))


def _processor(root: str, number: int) -> Processor:
    base = f"{root}{_CPU}/cpu{number}/topology"
    return Processor(
        id=number,
        socket=_number(f"{base}/physical_package_id", 0),
        die=_number(f"{base}/die_id", 0),
        core=_number(f"{base}/core_id", number),
        siblings=_text(f"{base}/thread_siblings_list") or str(number),
    )


def _caches(root: str, cpus: list[int]) -> tuple[Cache, ...]:
    found: dict[tuple[int, str], Cache] = {}
    for cpu in cpus:
        folder = f"{root}{_CPU}/cpu{cpu}/cache"
        for name in _names(folder):
            base = f"{folder}/{name}"
            if not name.startswith("index") or _number(f"{base}/level", 0) != _LAST_LEVEL:
                continue
            cache = Cache(
                id=_number(f"{base}/id", 0),
                level=_LAST_LEVEL,
                type=_CACHE_TYPES.get(_text(f"{base}/type"), "both"),
                size_kib=int(_text(f"{base}/size").rstrip("K") or 0),
                cpus=_text(f"{base}/shared_cpu_list"),
            )
            found.setdefault((cache.id, cache.type), cache)
    return tuple(found.values())


def _mhz(root: str) -> int:
    match = re.search(r"^cpu MHz\s*:\s*(\d+)", _text(f"{root}/proc/cpuinfo"), re.MULTILINE)
    return int(match[1]) if match else 0


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _number(path: str, default: int) -> int:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else default


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
