"""What domains use and have used."""

from __future__ import annotations

from collections.abc import Sequence

from virtlxc.driver.ref import Address, BlockStats, InterfaceStats, Param, Ref
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.handlers.tuning import STRING_OKAY, two_steps
from virtlxc.rpc.registry import Call, handles

_NCPUS_MAX = 128
_LLONG = 3


@handles("DOMAIN_MEMORY_STATS", fast=True, flags=0)
def domain_memory_stats(call: Call, dom: Ref, maxStats: int, flags: int) -> list[tuple[int, int]]:
    return call.driver.domains.memory_stats(dom)[:maxStats]


@handles("DOMAIN_GET_CPU_STATS", fast=True, flags=STRING_OKAY)
def domain_get_cpu_stats(
    call: Call, dom: Ref, nparams: int, start_cpu: int, ncpus: int, flags: int
) -> tuple[Sequence[Param], int]:
    """Asked with no parameters: their number, or the number of CPUs when it wants none of them."""
    if ncpus > _NCPUS_MAX:
        raise VirtlxcError("internal error: ncpus too large", Code.INTERNAL_ERROR, From.RPC)
    found = call.driver.domains.cpu_stats(dom, start_cpu, ncpus, flags & ~STRING_OKAY)
    if ncpus == 0:
        return [], len(found)
    width = max((len(one) for one in found), default=0)
    if nparams == 0:
        return [], width
    width = min(width, nparams)
    return [param for one in found for param in one[:width]], width


@handles("DOMAIN_BLOCK_STATS", fast=True)
def domain_block_stats(call: Call, dom: Ref, path: str) -> BlockStats:
    return call.driver.domains.block_stats(dom, path)


# The names of virDomainBlockStatsFlags for what the kernel counts.
_BLOCK_NAMES = ("rd_operations", "rd_bytes", "wr_operations", "wr_bytes")


@handles("DOMAIN_BLOCK_STATS_FLAGS", fast=True, flags=STRING_OKAY)
def domain_block_stats_flags(
    call: Call, dom: Ref, path: str, nparams: int, flags: int
) -> tuple[Sequence[Param], int]:
    stats = call.driver.domains.block_stats(dom, path)
    found = [
        Param(name, _LLONG, value)
        for name, value in zip(_BLOCK_NAMES, stats, strict=False)
        if value >= 0
    ]
    return two_steps(found, nparams)


@handles("DOMAIN_INTERFACE_STATS", fast=True)
def domain_interface_stats(call: Call, dom: Ref, device: str) -> InterfaceStats:
    return call.driver.domains.interface_stats(dom, device)


@handles("DOMAIN_INTERFACE_ADDRESSES", flags=0)
def domain_interface_addresses(
    call: Call, dom: Ref, source: int, flags: int
) -> list[tuple[str, str | None, list[Address]]]:
    found = call.driver.domains.interface_addresses(dom, source, flags)
    return [(one.name, one.mac or None, list(one.addresses)) for one in found]


@handles("CONNECT_GET_ALL_DOMAIN_STATS")
def connect_get_all_domain_stats(
    call: Call, doms: list[tuple[str, bytes, int]], stats: int, flags: int
) -> list[tuple[Ref, list[Param]]]:
    return call.driver.domains.all_stats([Ref(*dom) for dom in doms], stats, flags)
