"""Limits that change while a domain exists: memory, processor shares, block I/O.

A live change is written to the control groups first; only what the kernel took goes into the
definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.constants import Affect, ParamType
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.domain.domain import View
from virtlxc.driver.events import Tunable
from virtlxc.driver.figures import stats
from virtlxc.driver.life import groups
from virtlxc.driver.ref import Param, Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.cgroup import limits
from virtlxc.host.cgroup.limits import IoDevice, Limits
from virtlxc.host.gather import look
from virtlxc.plan.steps import Group

_AFFECT = Affect.LIVE | Affect.CONFIG
# virDomainMemoryModFlags: the maximum is meant, not what may be used now.
MAXIMUM = 4
SCHEDULER_PARAMETERS = 3
_STRING_OKAY = 4


def set_memory(core: Core, ref: Ref, kib: int, flags: int) -> None:
    """What the container may use (current memory), or with MAXIMUM what it may be given at most."""
    refusals.check_flags("lxcDomainSetMemoryFlags", flags, _AFFECT | MAXIMUM)
    if kib <= 0:
        raise refusals.bad_argument(f"memory in {kib} must be greater than zero")
    maximum = bool(flags & MAXIMUM)
    with core.changing(ref, "change the memory of") as (entry, _):
        impact_of = impact.resolve(entry.view, flags)
        if maximum and impact_of & Affect.LIVE:
            raise refusals.invalid("Cannot resize the max memory on an active domain")

        def change(domain: model.Domain) -> model.Domain:
            if maximum:
                current = domain.current_memory
                kept = current if current is not None and current < kib else None
                return replace(domain, memory=kib, current_memory=kept)
            if kib > domain.memory:
                raise refusals.bad_argument("Cannot set memory higher than max memory")
            total = domain.memtune.swap_hard_limit
            if total is not None and kib > total:
                raise refusals.bad_argument(
                    f"{kib} KiB are more than memory and swap may have together, {total} KiB"
                    " (raise it: virtlxc memtune --swap-hard-limit)"
                )
            return replace(domain, current_memory=None if kib == domain.memory else kib)

        def act(view: View, changed: model.Domain) -> None:
            write(core, view, Limits(memory=kib, swap=changed.memtune.swap_hard_limit))

        impact.apply(core, entry, flags, change, act)


# Memory parameters


def memory_parameters(view: View, flags: int) -> list[Param]:
    refusals.check_flags("lxcDomainGetMemoryParameters", flags, _AFFECT | _STRING_OKAY)
    domain = impact.of_get(view, flags)
    tune = domain.memtune
    hard = tune.hard_limit
    if domain is view.live:
        hard = stats.memory_limit(view)
    values = (
        ("hard_limit", hard),
        ("soft_limit", tune.soft_limit),
        ("swap_hard_limit", tune.swap_hard_limit),
    )
    return [
        Param(name, ParamType.ULLONG, limits.UNLIMITED_KIB if value is None else value)
        for name, value in values
    ]


def set_memory_parameters(core: Core, ref: Ref, params: Sequence[Param], flags: int) -> None:
    refusals.check_flags("lxcDomainSetMemoryParameters", flags, _AFFECT)
    wanted = _numbers(params, ("hard_limit", "soft_limit", "swap_hard_limit"))

    def change(domain: model.Domain) -> model.Domain:
        values: dict[str, Any] = {
            name: None if value >= limits.UNLIMITED_KIB else value for name, value in wanted.items()
        }
        tune = replace(domain.memtune, **values)
        hard = domain.memory if tune.hard_limit is None else tune.hard_limit
        if tune.swap_hard_limit is not None and tune.swap_hard_limit < hard:
            raise refusals.bad_argument("memory hard_limit tunable value must be lower than or"
                                        " equal to swap_hard_limit")
        return replace(domain, memtune=tune)

    def act(view: View, changed: model.Domain) -> None:
        fields = {"hard_limit": "memory", "soft_limit": "memory_soft", "swap_hard_limit": "swap"}
        chosen: dict[str, Any] = {fields[name]: value for name, value in wanted.items()}
        # cgroup v2 limits swap alone: it follows from the total and the memory's share.
        if "swap" in chosen:
            chosen.setdefault("memory", changed.memtune.hard_limit or changed.memory)
        elif "memory" in chosen and changed.memtune.swap_hard_limit is not None:
            chosen["swap"] = changed.memtune.swap_hard_limit
        write(core, view, Limits(**chosen))

    _apply(core, ref, flags, change, act)


# Scheduler parameters


def scheduler_parameters(view: View, flags: int) -> list[Param]:
    refusals.check_flags("lxcDomainGetSchedulerParametersFlags", flags, _AFFECT | _STRING_OKAY)
    tune = impact.of_get(view, flags).cputune
    shares = limits.DEFAULT_SHARES if tune.shares is None else tune.shares
    period = limits.DEFAULT_PERIOD_US if tune.period is None else tune.period
    return [
        Param("cpu_shares", ParamType.ULLONG, shares),
        Param("vcpu_period", ParamType.ULLONG, period),
        Param("vcpu_quota", ParamType.LLONG, -1 if tune.quota is None else tune.quota),
    ]


def set_scheduler_parameters(core: Core, ref: Ref, params: Sequence[Param], flags: int) -> None:
    refusals.check_flags("lxcDomainSetSchedulerParametersFlags", flags, _AFFECT)
    wanted = _numbers(params, ("cpu_shares", "vcpu_period", "vcpu_quota"))
    _check_range("cpu_shares", wanted, *limits.SHARES_RANGE)
    _check_range("vcpu_period", wanted, 1000, 1_000_000)
    if wanted.get("vcpu_quota", -1) >= 0:
        _check_range("vcpu_quota", wanted, 1000, 17_592_186_044_415)
    fields = {"cpu_shares": "shares", "vcpu_period": "period", "vcpu_quota": "quota"}
    values: dict[str, Any] = {fields[name]: value for name, value in wanted.items()}

    def change(domain: model.Domain) -> model.Domain:
        return replace(domain, cputune=replace(domain.cputune, **values))

    def act(view: View, changed: model.Domain) -> None:
        chosen = dict(values)
        if "quota" in chosen or "period" in chosen:
            # cpu.max has both in one line.
            chosen["quota"] = -1 if changed.cputune.quota is None else changed.cputune.quota
            chosen["period"] = changed.cputune.period or limits.DEFAULT_PERIOD_US
        write(core, view, Limits(**chosen))

    view = _apply(core, ref, flags, change, act)
    if impact.resolve(view, flags) & Affect.LIVE:
        told = [Param(f"cputune.{one.name}", one.type, one.value) for one in params]
        core.events.emit(Tunable(view.ref, tuple(told)))


# Block I/O parameters

# Typed parameters of single devices, and the field of model.BlkioDevice behind each.
_DEVICE_PARAMETERS = {
    "device_weight": "weight",
    "device_read_iops_sec": "read_iops_sec",
    "device_write_iops_sec": "write_iops_sec",
    "device_read_bytes_sec": "read_bytes_sec",
    "device_write_bytes_sec": "write_bytes_sec",
}


def blkio_parameters(view: View, flags: int) -> list[Param]:
    refusals.check_flags("lxcDomainGetBlkioParameters", flags, _AFFECT | _STRING_OKAY)
    tune = impact.of_get(view, flags).blkiotune
    found = [Param("weight", ParamType.UINT, tune.weight or 0)]
    for name, field in _DEVICE_PARAMETERS.items():
        pairs = [(device.path, getattr(device, field)) for device in tune.devices]
        text = ",".join(f"{path},{value}" for path, value in pairs if value is not None)
        found.append(Param(name, ParamType.STRING, text))
    return found


def set_blkio_parameters(core: Core, ref: Ref, params: Sequence[Param], flags: int) -> None:
    refusals.check_flags("lxcDomainSetBlkioParameters", flags, _AFFECT)
    devices = [param for param in params if param.name in _DEVICE_PARAMETERS]
    wanted = _numbers([param for param in params if param not in devices], ("weight",))
    _check_range("weight", wanted, 10, 1000)
    parsed = [(_DEVICE_PARAMETERS[param.name], _pairs(str(param.value))) for param in devices]

    def change(domain: model.Domain) -> model.Domain:
        tune = domain.blkiotune
        found = {device.path: device for device in tune.devices}
        for field, pairs in parsed:
            for path, value in pairs:
                device = found.get(path, model.BlkioDevice(path=path))
                limit: dict[str, Any] = {field: value or None}
                found[path] = replace(device, **limit)
        kept = (one for one in found.values() if one != model.BlkioDevice(path=one.path))
        tune = replace(tune, devices=tuple(kept))
        if "weight" in wanted:
            tune = replace(tune, weight=wanted["weight"])
        return replace(domain, blkiotune=tune)

    def act(view: View, changed: model.Domain) -> None:
        io_devices = tuple(_io_devices(parsed)) or None
        write(core, view, Limits(io_weight=wanted.get("weight"), io_devices=io_devices))

    _apply(core, ref, flags, change, act)


# Fields of model.BlkioDevice, and those of the limits that are written.
_IO_FIELDS = {
    "weight": "weight",
    "read_iops_sec": "read_iops",
    "write_iops_sec": "write_iops",
    "read_bytes_sec": "read_bytes",
    "write_bytes_sec": "write_bytes",
}


def _io_devices(parsed: Sequence[tuple[str, list[tuple[str, int]]]]) -> Iterator[IoDevice]:
    """What is to be written; 0 lifts a limit."""
    for field, pairs in parsed:
        for path, value in pairs:
            source = look(path)
            if source.kind != "block":
                raise refusals.bad_argument(f"'{path}' is no block device of the host")
            if field == "weight" and not source.weigher:
                if not value:
                    continue
                cause, mend = limits.unweighed(path, source.device)
                raise VirtlxcError(
                    f"unsupported configuration: {cause} ({mend})", Code.CONFIG_UNSUPPORTED
                )
            limit: dict[str, Any] = {_IO_FIELDS[field]: value}
            yield IoDevice(device=source.device, weigher=source.weigher, **limit)


def _pairs(text: str) -> list[tuple[str, int]]:
    """"/dev/sda,500,/dev/sdb,100" as libvirt writes it."""
    words = text.split(",") if text else []
    try:
        if len(words) % 2:
            raise ValueError
        return [(words[at], int(words[at + 1])) for at in range(0, len(words), 2)]
    except ValueError:
        raise refusals.bad_argument(f"unable to parse blkio device '{text}'") from None


# The parts


def _apply(
    core: Core,
    ref: Ref,
    flags: int,
    change: Callable[[model.Domain], model.Domain],
    act: Callable[[View, model.Domain], None],
) -> View:
    with core.changing(ref, "tune") as (entry, _):
        return impact.apply(core, entry, flags, change, act)


def write(core: Core, view: View, wanted: Limits) -> None:
    """Makes the running groups follow; what was written is put back when the kernel refuses."""
    assert view.run is not None
    facts = core.host.facts.cgroup
    bound = facts.version_of()
    rows = limits.writes(wanted, bound, io_weight_files=facts.io_weight_files)

    def group_of(row: limits.Write) -> Group:
        assert view.run is not None
        if bound[row.controller] == 2:
            return view.run.payload
        group = view.run.v1.get(row.controller)
        if group is None:
            raise refusals.invalid(
                f"it was started without a group of {row.controller} (start it again)"
            )
        return group

    def current(row: limits.Write) -> int | None:
        return groups.read_number(group_of(row), row.file)

    done: list[tuple[limits.Write, str | None]] = []
    try:
        for row in limits.live_order(rows, current):
            before = groups.read(group_of(row), row.file)
            _write_one(group_of(row), row, bound[row.controller])
            done.append((row, before))
    except BaseException:
        for row, before in reversed(done):
            if before is not None:
                groups.write(group_of(row), row.file, before)
        raise


def _write_one(group: Group, row: limits.Write, version: int) -> None:
    if row.controller == "cpuset" and version == 1:
        groups.write_cpuset_v1(group, row.file, row.value)
    else:
        groups.write(group, row.file, row.value)


def _numbers(params: Sequence[Param], known: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for param in params:
        if param.name not in known:
            raise refusals.bad_argument(f"parameter '{param.name}' not supported")
        if not isinstance(param.value, int):
            raise refusals.bad_argument(f"invalid type for parameter '{param.name}'")
        found[param.name] = param.value
    return found


def _check_range(name: str, wanted: dict[str, int], low: int, high: int) -> None:
    value = wanted.get(name)
    if value is not None and not low <= value <= high:
        raise refusals.bad_argument(f"value of '{name}' is out of range [{low}, {high}]")

