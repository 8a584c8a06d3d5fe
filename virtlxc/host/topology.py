"""Processors of the host, as nodeinfo and the capabilities show them."""

from __future__ import annotations

import os
import re

from virtlxc.host.facts import CpuFacts

_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"


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
    """From /sys and /proc below ``root``; one processor where nothing can be read."""
    online = _text(f"{root}{_CPU}/online") or "0"
    cpus = parse_list(online)
    topologies = [_topology(root, number) for number in cpus]
    mems = _text(f"{root}{_NODE}/has_memory") or _text(f"{root}{_NODE}/online") or "0"
    nodes = max(len(parse_list(_text(f"{root}{_NODE}/online") or "0")), 1)
    sockets = len({(node, package) for node, package, _ in topologies}) or 1
    cores = len(set(topologies)) or 1
    return CpuFacts(
        online=online,
        count=len(cpus),
        mhz=_mhz(root),
        nodes=nodes,
        sockets=max(sockets // nodes, 1),
        cores=max(cores // sockets, 1),
        threads=max(len(cpus) // cores, 1),
        mems=mems,
    )


def _topology(root: str, number: int) -> tuple[int, str, str]:
    base = f"{root}{_CPU}/cpu{number}"
    return (
        node_of(number, root),
        _text(f"{base}/topology/physical_package_id") or "0",
        _text(f"{base}/topology/core_id") or str(number),
    )


def node_of(number: int, root: str = "") -> int:
    """The NUMA node of a processor, 0 when the kernel has none."""
    try:
        names = os.listdir(f"{root}{_CPU}/cpu{number}")
    except OSError:
        return 0
    return next((int(name[4:]) for name in names if re.fullmatch(r"node\d+", name)), 0)


def _mhz(root: str) -> int:
    match = re.search(r"^cpu MHz\s*:\s*(\d+)", _text(f"{root}/proc/cpuinfo"), re.MULTILINE)
    return int(match[1]) if match else 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
