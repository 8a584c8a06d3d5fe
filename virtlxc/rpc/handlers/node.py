"""The host: what it is, what it can, how it does."""

from __future__ import annotations

from collections.abc import Sequence

from virtlxc.driver.ref import Param
from virtlxc.rpc.handlers.tuning import STRING_OKAY, as_params, two_steps
from virtlxc.rpc.registry import Call, handles


@handles("CONNECT_GET_VERSION", fast=True)
def connect_get_version(call: Call) -> int:
    """The kernel's, because it is what runs the containers."""
    return call.driver.host.version()


@handles("CONNECT_GET_HOSTNAME", fast=True)
def connect_get_hostname(call: Call) -> str:
    return call.driver.host.hostname()


@handles("CONNECT_GET_CAPABILITIES")
def connect_get_capabilities(call: Call) -> str:
    return call.driver.host.capabilities()


@handles("CONNECT_GET_DOMAIN_CAPABILITIES", flags=0)
def connect_get_domain_capabilities(
    call: Call,
    emulatorbin: str | None,
    arch: str | None,
    machine: str | None,
    virttype: str | None,
    flags: int,
) -> str:
    return call.driver.host.domain_capabilities(emulatorbin, arch, machine, virttype)


@handles("NODE_GET_INFO", fast=True)
def node_get_info(call: Call) -> tuple[str, int, int, int, int, int, int, int]:
    return call.driver.host.node_info()


@handles("NODE_GET_SECURITY_MODEL", fast=True)
def node_get_security_model(call: Call) -> tuple[str, str]:
    return call.driver.host.security_model()


@handles("NODE_GET_FREE_MEMORY", fast=True)
def node_get_free_memory(call: Call) -> int:
    return call.driver.host.free_memory()


@handles("NODE_GET_CELLS_FREE_MEMORY", fast=True)
def node_get_cells_free_memory(call: Call, startCell: int, maxcells: int) -> list[int]:
    return call.driver.host.cells_free_memory(startCell, maxcells)


@handles("NODE_GET_CPU_STATS", fast=True, flags=0)
def node_get_cpu_stats(
    call: Call, cpuNum: int, nparams: int, flags: int
) -> tuple[list[tuple[str, int | float | str]], int]:
    found = [(one.name, one.value) for one in call.driver.host.cpu_stats(cpuNum)]
    return ([] if nparams <= 0 else found[:nparams]), len(found)


@handles("NODE_GET_MEMORY_STATS", fast=True, flags=0)
def node_get_memory_stats(
    call: Call, nparams: int, cellNum: int, flags: int
) -> tuple[list[tuple[str, int | float | str]], int]:
    found = [(one.name, one.value) for one in call.driver.host.memory_stats(cellNum)]
    return ([] if nparams <= 0 else found[:nparams]), len(found)


@handles("NODE_GET_CPU_MAP", fast=True, flags=0)
def node_get_cpu_map(
    call: Call, need_map: int, need_online: int, flags: int
) -> tuple[bytes, int, int]:
    bits, online, total = call.driver.host.cpu_map()
    return (bits if need_map else b""), (online if need_online else 0), total


@handles("NODE_GET_MEMORY_PARAMETERS", fast=True, flags=STRING_OKAY)
def node_get_memory_parameters(call: Call, nparams: int, flags: int) -> tuple[Sequence[Param], int]:
    return two_steps(call.driver.host.memory_parameters(), nparams)


@handles("NODE_SET_MEMORY_PARAMETERS", flags=STRING_OKAY)
def node_set_memory_parameters(
    call: Call, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    call.driver.host.set_memory_parameters(as_params(params))


_SET = 1  # VIR_NODE_ALLOC_PAGES_SET; without it, pages are added


@handles("NODE_ALLOC_PAGES", flags=_SET)
def node_alloc_pages(
    call: Call,
    pageSizes: list[int],
    pageCounts: list[int],
    startCell: int,
    cellCount: int,
    flags: int,
) -> int:
    return call.driver.host.allocate_pages(
        pageSizes, pageCounts, startCell, cellCount, add=not flags & _SET
    )


@handles("CONNECT_GET_SYSINFO", flags=0)
def connect_get_sysinfo(call: Call, flags: int) -> str:
    return call.driver.host.sysinfo()


@handles("NODE_GET_FREE_PAGES", fast=True, flags=0)
def node_get_free_pages(
    call: Call, pages: list[int], startCell: int, cellCount: int, flags: int
) -> list[int]:
    return call.driver.host.free_pages(pages, startCell, cellCount)
