"""The host's memory pages: how equal ones are merged (KSM), and how many are free of each size.

Kernel documentation: admin-guide/mm/ksm.rst, admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from virtlxc.driver.constants import ParamType
from virtlxc.driver.ref import Param
from virtlxc.errors import Code, VirtlxcError

_MERGING = "/sys/kernel/mm/ksm"
_NODES = "/sys/devices/system/node"

# file -> (type, whether it may be set), in the order of libvirt's virNodeGetMemoryParameters.
_FILES = {
    "pages_to_scan": (ParamType.UINT, True),
    "sleep_millisecs": (ParamType.UINT, True),
    "pages_shared": (ParamType.ULLONG, False),
    "pages_sharing": (ParamType.ULLONG, False),
    "pages_unshared": (ParamType.ULLONG, False),
    "pages_volatile": (ParamType.ULLONG, False),
    "full_scans": (ParamType.ULLONG, False),
    "merge_across_nodes": (ParamType.UINT, True),
}
_PREFIX = "shm_"


def merging() -> list[Param]:
    """What KSM does and has done; raises OPERATION_UNSUPPORTED on a kernel without it."""
    if not os.path.isdir(_MERGING):
        raise VirtlxcError(
            f"Operation not supported: this kernel merges no pages (there is no {_MERGING})",
            Code.OPERATION_UNSUPPORTED,
        )
    return [
        Param(_PREFIX + name, kind, _number(f"{_MERGING}/{name}"))
        for name, (kind, _) in _FILES.items()
        if os.path.exists(f"{_MERGING}/{name}")
    ]


def set_merging(params: Sequence[Param]) -> None:
    """Checks all parameters before the first is written."""
    for param in params:
        kind, may_be_set = _FILES.get(param.name.removeprefix(_PREFIX), (0, False))
        if not may_be_set or not param.name.startswith(_PREFIX):
            raise VirtlxcError(
                f"invalid argument: parameter '{param.name}' not supported", Code.INVALID_ARG
            )
        if param.type != kind:
            raise VirtlxcError(
                f"invalid argument: parameter '{param.name}' has the type {param.type}, not {kind}",
                Code.INVALID_ARG,
            )
    for param in params:
        path = f"{_MERGING}/{param.name.removeprefix(_PREFIX)}"
        try:
            with open(path, "w") as file:
                file.write(str(param.value))
        except OSError as error:
            raise VirtlxcError(
                f"cannot set {param.name} to {param.value}: {path}: {error.strerror}",
                Code.SYSTEM_ERROR,
            ) from None


def free(sizes: Sequence[int], start: int, count: int, cells: int) -> list[int]:
    """Free pages of each size (KiB), for each of ``count`` NUMA cells from ``start`` on."""
    if not 0 <= start < cells:
        raise VirtlxcError(
            f"internal error: start cell {start} out of range (0-{cells - 1})",
            Code.INTERNAL_ERROR,
        )
    wanted = range(start, min(start + count, cells))
    return [_free(cell, size) for cell in wanted for size in sizes]


def _free(cell: int, size: int) -> int:
    own = os.sysconf("SC_PAGE_SIZE") // 1024
    if size == own:
        return _meminfo_free(cell) // own
    path = f"{_NODES}/node{cell}/hugepages/hugepages-{size}kB/free_hugepages"
    if not os.path.exists(path):
        raise VirtlxcError(
            f"operation failed: page size {size} is not available on node {cell}",
            Code.OPERATION_FAILED,
        )
    return _number(path)


def _meminfo_free(cell: int) -> int:
    path = f"{_NODES}/node{cell}/meminfo"
    with open(path if os.path.exists(path) else "/proc/meminfo") as file:
        for line in file:
            name, _, value = line.rpartition("MemFree:")
            if name or line.startswith("MemFree:"):
                return int(value.split()[0])
    return 0


def _number(path: str) -> int:
    with open(path) as file:
        return int(file.read())
