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
_HUGE = "/sys/kernel/mm/hugepages"

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
    return [_free(cell, size) for cell in _cells(start, count, cells) for size in sizes]


def allocate(
    sizes: Sequence[int], counts: Sequence[int], start: int, count: int, cells: int, *, add: bool
) -> int:
    """Sets how many huge pages of each size (KiB) there are in each cell, or adds some.

    How many pools were changed. One that cannot have so many keeps what it could get, as libvirt
    leaves it, and is an error that says how many.
    """
    if len(sizes) != len(counts):
        raise VirtlxcError(
            f"invalid argument: {len(sizes)} sizes of pages, but {len(counts)} counts",
            Code.INVALID_ARG,
        )
    changed = 0
    for cell in _cells(start, count, cells):
        for size, wanted in zip(sizes, counts, strict=True):
            if size == _own_size():
                raise VirtlxcError(
                    "operation failed: system pages pool can't be modified", Code.OPERATION_FAILED
                )
            path = f"{_pool(cell, size)}/nr_hugepages"
            _set_pool(path, wanted + (_number(path) if add else 0))
            changed += 1
    return changed


def _set_pool(path: str, wanted: int) -> None:
    try:
        with open(path, "w") as file:
            file.write(str(wanted))
    except OSError as error:
        raise VirtlxcError(
            f"cannot set the number of pages to {wanted}: {path}: {error.strerror}",
            Code.SYSTEM_ERROR,
        ) from None
    there = _number(path)
    if there != wanted:
        raise VirtlxcError(
            f"operation failed: Unable to allocate {wanted} pages. Allocated only {there}",
            Code.OPERATION_FAILED,
        )


_WHOLE_HOST = -1  # in place of a cell's number


def _cells(start: int, count: int, cells: int) -> range:
    """The cells that ``count`` from ``start`` on are."""
    if not _WHOLE_HOST <= start < cells:
        raise VirtlxcError(
            f"internal error: start cell {start} out of range (0-{cells - 1})",
            Code.INTERNAL_ERROR,
        )
    return range(start, min(start + count, cells))


def _own_size() -> int:
    """KiB of the pages that everything is in."""
    return os.sysconf("SC_PAGE_SIZE") // 1024


def _pool(cell: int, size: int) -> str:
    """The kernel's folder for the huge pages of one size, in a cell or in all of them."""
    folder = _HUGE if cell == _WHOLE_HOST else f"{_NODES}/node{cell}/hugepages"
    path = f"{folder}/hugepages-{size}kB"
    if not os.path.exists(path):
        raise VirtlxcError(
            "operation failed: page size or NUMA node not available", Code.OPERATION_FAILED
        )
    return path


def _free(cell: int, size: int) -> int:
    if size == _own_size():
        return _meminfo_free(cell) // size
    return _number(f"{_pool(cell, size)}/free_hugepages")


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
