"""Processors and memory nodes: how many a domain shows, and which of the host's it may use.

A container has no virtual processors: their number is shown, and limits its time only where the
definition says so (``<virtlxc:cpu limit='vcpu'/>``). What can be pinned is the container as a
whole, by the cpuset of its control group; that is what libvirt calls the emulator, and what every
one of the processors it shows runs on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.change import tuning
from virtlxc.driver.constants import Affect, ParamType, State
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.domain.domain import View
from virtlxc.driver.events import Tunable
from virtlxc.driver.figures import stats
from virtlxc.driver.ref import Param, Ref, VcpuInfo
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.cgroup.limits import Limits

_AFFECT = Affect.LIVE | Affect.CONFIG
# virDomainVcpuFlags.
_MAXIMUM, _GUEST, _HOTPLUGGABLE = 4, 8, 16
_STRING_OKAY = 4
# virVcpuState, and virVcpuHostCpuState: which processor of the host is not known.
_RUNNING, _BLOCKED, _UNKNOWN_CPU = 1, 2, -2

NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")
"""By the numbers of ``virDomainNumatuneMemMode``."""


# How many


def shown(domain: model.Domain) -> int:
    """The processors that the domain has now."""
    return domain.vcpus_current or domain.vcpus


def vcpus(view: View, flags: int) -> int:
    refusals.check_flags("lxcDomainGetVcpusFlags", flags, _AFFECT | _MAXIMUM | _GUEST)
    if flags & _GUEST:
        raise _no_guest("counts its processors")
    domain = impact.of_get(view, flags)
    return domain.vcpus if flags & _MAXIMUM else shown(domain)


def set_vcpus(core: Core, ref: Ref, count: int, flags: int) -> None:
    known = _AFFECT | _MAXIMUM | _GUEST | _HOTPLUGGABLE
    refusals.check_flags("lxcDomainSetVcpusFlags", flags, known)
    if flags & _GUEST:
        raise _no_guest("takes processors away")
    if count < 1:
        raise refusals.bad_argument(f"nvcpus in virDomainSetVcpusFlags must not be zero: {count}")

    def change(domain: model.Domain) -> model.Domain:
        if flags & _MAXIMUM:
            current = domain.vcpus_current
            kept = current if current is not None and current < count else None
            return replace(domain, vcpus=count, vcpus_current=kept)
        if count > domain.vcpus:
            raise refusals.bad_argument(
                "requested vcpus is greater than max allowable vcpus for the domain:"
                f" {count} > {domain.vcpus}"
            )
        return replace(domain, vcpus_current=None if count == domain.vcpus else count)

    def act(view: View, changed: model.Domain) -> None:
        if changed.container.cpu_limit == "vcpu" and changed.cputune.quota is None:
            period = changed.cputune.period or 100_000
            tuning.write(core, view, Limits(quota=shown(changed) * period, period=period))

    with core.changing(ref, "change the processors of") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        if wanted & Affect.LIVE and flags & _MAXIMUM:
            raise refusals.bad_argument("cannot adjust maximum on running domain")
        impact.apply(core, entry, flags, change, act)


def vcpu_infos(view: View) -> list[VcpuInfo]:
    """What is known of each processor of a running domain: the time of the only one, if it is."""
    if not view.active:
        raise refusals.invalid("cannot retrieve vcpu information for inactive domain")
    count = shown(view.current)
    state = _BLOCKED if view.state == State.PAUSED else _RUNNING
    used = stats.cpu_time(view).total if count == 1 else 0
    return [VcpuInfo(number, state, used, _UNKNOWN_CPU) for number in range(count)]


def _no_guest(what: str) -> VirtlxcError:
    return VirtlxcError(
        "Operation not supported: flag VIR_DOMAIN_VCPU_GUEST: no agent in a container " + what,
        Code.OPERATION_UNSUPPORTED,
    )


# Which of the host's


def affinity(core: Core, view: View, flags: int, maplen: int) -> bytes:
    """The map of the host's processors that the container may use, cut to ``maplen`` bytes."""
    domain = impact.of_get(view, flags)
    return to_map(numbers(domain.cpuset or core.host.facts.cpu.online), maplen)


def pin(core: Core, ref: Ref, cpumap: bytes, flags: int, vcpu: int | None = None) -> None:
    """Has the container run on these processors alone; ``vcpu`` None is the whole of it."""
    call = "lxcDomainPinEmulator" if vcpu is None else "lxcDomainPinVcpuFlags"
    refusals.check_flags(call, flags, _AFFECT)
    there = numbers(core.host.facts.cpu.online)
    chosen = sorted(from_map(cpumap) & there)
    if not chosen:
        what = "emulator pinning" if vcpu is None else "vcpu pinning"
        raise refusals.bad_argument(f"Empty cpu list for {what}")
    cpuset = None if set(chosen) == there else as_list(chosen)

    def change(domain: model.Domain) -> model.Domain:
        if vcpu is not None:
            _check_vcpu(domain, vcpu)
        return replace(domain, cpuset=cpuset)

    def act(view: View, changed: model.Domain) -> None:
        tuning.write(core, view, Limits(cpus=as_list(chosen)))

    with core.changing(ref, "pin") as (entry, _):
        wanted = impact.resolve(entry.view, flags)
        view = impact.apply(core, entry, flags, change, act)
    if wanted & Affect.LIVE:
        name = "cputune.emulatorpin" if vcpu is None else f"cputune.vcpupin{vcpu}"
        core.events.emit(
            Tunable(view.ref, (Param(name, ParamType.STRING, as_list(chosen)),))
        )


def _check_vcpu(domain: model.Domain, vcpu: int) -> None:
    count = shown(domain)
    if vcpu >= count:
        raise refusals.bad_argument(f"vcpu {vcpu} is out of range of live cpu count {count}")
    if count > 1:
        raise VirtlxcError(
            "Operation not supported: a container has no virtual processors that could be pinned"
            " one by one (pin all of it: emulatorpin)",
            Code.OPERATION_UNSUPPORTED,
        )


def numbers(text: str) -> set[int]:
    """The numbers of a list such as "0-3,7"."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def as_list(chosen: Iterable[int]) -> str:
    return model.cpuset(",".join(map(str, chosen)))


def to_map(chosen: set[int], length: int) -> bytes:
    """As libvirt's maps of processors: the lowest bit of the first byte is number 0."""
    found = bytearray(length)
    for number in chosen:
        if number // 8 < length:
            found[number // 8] |= 1 << number % 8
    return bytes(found)


def from_map(cpumap: bytes) -> set[int]:
    return {
        at * 8 + bit for at, byte in enumerate(cpumap) for bit in range(8) if byte >> bit & 1
    }


# Memory nodes


def numa_parameters(view: View, flags: int) -> list[Param]:
    refusals.check_flags("lxcDomainGetNumaParameters", flags, _AFFECT | _STRING_OKAY)
    tune = impact.of_get(view, flags).numatune
    mode = NUMA_MODES.index(tune.mode or "strict")
    return [
        Param("numa_nodeset", ParamType.STRING, tune.nodeset or ""),
        Param("numa_mode", ParamType.INT, mode),
    ]


def set_numa_parameters(core: Core, ref: Ref, params: Sequence[Param], flags: int) -> None:
    """The nodes change while the container runs; the mode, of which there is one, does not."""
    refusals.check_flags("lxcDomainSetNumaParameters", flags, _AFFECT)
    mode, nodeset = _numa_wishes(params)

    def change(domain: model.Domain) -> model.Domain:
        tune = domain.numatune
        if nodeset is not None:
            tune = replace(tune, nodeset=nodeset, mode=tune.mode or "strict")
        return replace(domain, numatune=replace(tune, mode=mode or tune.mode))

    def act(view: View, changed: model.Domain) -> None:
        assert view.live is not None
        if mode not in (None, view.live.numatune.mode or "strict"):
            raise refusals.invalid("can't change numatune mode for running domain")
        if nodeset is not None:
            tuning.write(core, view, Limits(mems=nodeset))

    with core.changing(ref, "tune") as (entry, _):
        impact.apply(core, entry, flags, change, act)


def _numa_wishes(params: Sequence[Param]) -> tuple[str | None, str | None]:
    mode = nodeset = None
    for param in params:
        if param.name == "numa_mode" and isinstance(param.value, int):
            if not 0 <= param.value < len(NUMA_MODES):
                raise refusals.bad_argument(f"unsupported numatune mode: '{param.value}'")
            mode = NUMA_MODES[param.value]
        elif param.name == "numa_nodeset" and isinstance(param.value, str):
            try:
                nodeset = model.cpuset(param.value)
            except ValueError:
                raise refusals.bad_argument(
                    f"Invalid nodeset of 'numatune': {param.value}"
                ) from None
        else:
            raise refusals.bad_argument(f"parameter '{param.name}' not supported")
    return mode, nodeset
