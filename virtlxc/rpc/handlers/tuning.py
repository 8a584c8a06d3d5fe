"""Limits and shares of domains. Typed parameters come in two steps: their number, then they."""

from __future__ import annotations

from collections.abc import Sequence

from virtlxc.driver.constants import ParamType
from virtlxc.driver.ref import Param, Ref
from virtlxc.rpc.registry import Call, handles

STRING_OKAY = 4
"""VIR_TYPED_PARAM_STRING_OKAY: the client can read parameters that are strings."""

_NONE: list[Param] = []


def two_steps(
    found: Sequence[Param], nparams: int, flags: int = STRING_OKAY
) -> tuple[Sequence[Param], int]:
    """The reply to a GET: asked for none, the number of parameters; else as many as wanted."""
    if not flags & STRING_OKAY:
        found = [one for one in found if one.type != ParamType.STRING]
    if nparams <= 0:
        return _NONE, len(found)
    cut = found[:nparams]
    return cut, len(cut)


def as_params(values: list[tuple[str, int, int | float | str]]) -> list[Param]:
    return [Param(*value) for value in values]


@handles("DOMAIN_GET_MAX_MEMORY", fast=True)
def domain_get_max_memory(call: Call, dom: Ref) -> int:
    return call.driver.domains.max_memory(dom)


@handles("DOMAIN_SET_MAX_MEMORY")
def domain_set_max_memory(call: Call, dom: Ref, memory: int) -> None:
    call.driver.domains.set_max_memory(dom, memory)


@handles("DOMAIN_SET_MEMORY")
def domain_set_memory(call: Call, dom: Ref, memory: int) -> None:
    call.driver.domains.set_memory(dom, memory, _LIVE)


@handles("DOMAIN_SET_MEMORY_FLAGS")
def domain_set_memory_flags(call: Call, dom: Ref, memory: int, flags: int) -> None:
    if flags & _MEM_MAXIMUM:
        call.driver.domains.set_max_memory(dom, memory, flags & ~_MEM_MAXIMUM)
    else:
        call.driver.domains.set_memory(dom, memory, flags)


_LIVE = 1
_MEM_MAXIMUM = 4


@handles("DOMAIN_GET_MEMORY_PARAMETERS", fast=True)
def domain_get_memory_parameters(
    call: Call, dom: Ref, nparams: int, flags: int
) -> tuple[Sequence[Param], int]:
    found = call.driver.domains.memory_parameters(dom, flags & ~STRING_OKAY)
    return two_steps(found, nparams)


@handles("DOMAIN_SET_MEMORY_PARAMETERS")
def domain_set_memory_parameters(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    call.driver.domains.set_memory_parameters(dom, as_params(params), flags)


@handles("DOMAIN_GET_BLKIO_PARAMETERS", fast=True)
def domain_get_blkio_parameters(
    call: Call, dom: Ref, nparams: int, flags: int
) -> tuple[Sequence[Param], int]:
    found = call.driver.domains.blkio_parameters(dom, flags & ~STRING_OKAY)
    return two_steps(found, nparams, flags)


@handles("DOMAIN_SET_BLKIO_PARAMETERS")
def domain_set_blkio_parameters(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    call.driver.domains.set_blkio_parameters(dom, as_params(params), flags)


@handles("DOMAIN_GET_SCHEDULER_TYPE", fast=True)
def domain_get_scheduler_type(call: Call, dom: Ref) -> tuple[str, int]:
    return call.driver.domains.scheduler_type(dom)


@handles("DOMAIN_GET_SCHEDULER_PARAMETERS", fast=True)
def domain_get_scheduler_parameters(call: Call, dom: Ref, nparams: int) -> Sequence[Param]:
    return call.driver.domains.scheduler_parameters(dom)[: max(nparams, 0)]


@handles("DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS", fast=True)
def domain_get_scheduler_parameters_flags(
    call: Call, dom: Ref, nparams: int, flags: int
) -> Sequence[Param]:
    found = call.driver.domains.scheduler_parameters(dom, flags & ~STRING_OKAY)
    return found[: max(nparams, 0)]


@handles("DOMAIN_SET_SCHEDULER_PARAMETERS")
def domain_set_scheduler_parameters(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]]
) -> None:
    call.driver.domains.set_scheduler_parameters(dom, as_params(params))


@handles("DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS")
def domain_set_scheduler_parameters_flags(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    call.driver.domains.set_scheduler_parameters(dom, as_params(params), flags)


@handles("DOMAIN_GET_INTERFACE_PARAMETERS", fast=True)
def domain_get_interface_parameters(
    call: Call, dom: Ref, device: str, nparams: int, flags: int
) -> tuple[Sequence[Param], int]:
    found = call.driver.domains.interface_parameters(dom, device, flags & ~STRING_OKAY)
    return two_steps(found, nparams)


@handles("DOMAIN_SET_INTERFACE_PARAMETERS")
def domain_set_interface_parameters(
    call: Call,
    dom: Ref,
    device: str,
    params: list[tuple[str, int, int | float | str]],
    flags: int,
) -> None:
    call.driver.domains.set_interface_parameters(dom, device, as_params(params), flags)


@handles("DOMAIN_GET_NUMA_PARAMETERS", fast=True)
def domain_get_numa_parameters(
    call: Call, dom: Ref, nparams: int, flags: int
) -> tuple[Sequence[Param], int]:
    found = call.driver.domains.numa_parameters(dom, flags & ~STRING_OKAY)
    return two_steps(found, nparams, flags)


@handles("DOMAIN_SET_NUMA_PARAMETERS")
def domain_set_numa_parameters(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    call.driver.domains.set_numa_parameters(dom, as_params(params), flags)
