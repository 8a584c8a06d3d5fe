"""How many processors a domain shows, and which of the host's it may use."""

from __future__ import annotations

from virtlxc.driver.ref import Ref, VcpuInfo
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.registry import Call, handles

_CURRENT, _LIVE, _CONFIG = 0, 1, 2
_MAPS_MAX = 8388608


@handles("DOMAIN_GET_VCPUS_FLAGS", fast=True)
def domain_get_vcpus_flags(call: Call, dom: Ref, flags: int) -> int:
    return call.driver.domains.vcpus(dom, flags)


@handles("DOMAIN_GET_MAX_VCPUS", fast=True)
def domain_get_max_vcpus(call: Call, dom: Ref) -> int:
    domains = call.driver.domains
    maximum = 4
    return domains.vcpus(dom, maximum | (_LIVE if domains.is_active(dom) else _CURRENT))


@handles("DOMAIN_SET_VCPUS")
def domain_set_vcpus(call: Call, dom: Ref, nvcpus: int) -> None:
    call.driver.domains.set_vcpus(dom, nvcpus, _LIVE)


@handles("DOMAIN_SET_VCPUS_FLAGS")
def domain_set_vcpus_flags(call: Call, dom: Ref, nvcpus: int, flags: int) -> None:
    call.driver.domains.set_vcpus(dom, nvcpus, flags)


@handles("DOMAIN_GET_VCPUS", fast=True)
def domain_get_vcpus(
    call: Call, dom: Ref, maxinfo: int, maplen: int
) -> tuple[list[VcpuInfo], bytes]:
    found = call.driver.domains.vcpu_infos(dom)[: max(maxinfo, 0)]
    _check_maps(len(found), maplen)
    one = call.driver.domains.affinity(dom, _LIVE, maplen) if maplen else b""
    return found, one * len(found)


@handles("DOMAIN_GET_VCPU_PIN_INFO", fast=True)
def domain_get_vcpu_pin_info(
    call: Call, dom: Ref, ncpumaps: int, maplen: int, flags: int
) -> tuple[bytes, int]:
    """The same map for each: they all run on what the container may use."""
    count = min(call.driver.domains.vcpus(dom, flags), max(ncpumaps, 0))
    _check_maps(count, maplen)
    return call.driver.domains.affinity(dom, flags, maplen) * count, count


@handles("DOMAIN_PIN_VCPU")
def domain_pin_vcpu(call: Call, dom: Ref, vcpu: int, cpumap: bytes) -> None:
    call.driver.domains.pin(dom, cpumap, _LIVE, vcpu)


@handles("DOMAIN_PIN_VCPU_FLAGS")
def domain_pin_vcpu_flags(call: Call, dom: Ref, vcpu: int, cpumap: bytes, flags: int) -> None:
    call.driver.domains.pin(dom, cpumap, flags, vcpu)


@handles("DOMAIN_PIN_EMULATOR")
def domain_pin_emulator(call: Call, dom: Ref, cpumap: bytes, flags: int) -> None:
    call.driver.domains.pin(dom, cpumap, flags)


@handles("DOMAIN_GET_EMULATOR_PIN_INFO", fast=True, flags=_LIVE | _CONFIG)
def domain_get_emulator_pin_info(
    call: Call, dom: Ref, maplen: int, flags: int
) -> tuple[bytes, int]:
    _check_maps(1, maplen)
    return call.driver.domains.affinity(dom, flags, maplen), 1


def _check_maps(count: int, maplen: int) -> None:
    if maplen < 0 or count * maplen > _MAPS_MAX:
        raise VirtlxcError(
            "internal error: maxinfo * maplen > REMOTE_CPUMAPS_MAX", Code.INTERNAL_ERROR, From.RPC
        )
