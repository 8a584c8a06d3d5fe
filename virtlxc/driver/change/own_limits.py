"""Limits that libvirt has no call for: ``<virtlxc:pids>`` and ``<virtlxc:memory>``, live or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.change import tuning
from virtlxc.driver.constants import Affect, ParamType
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.domain.domain import View
from virtlxc.driver.ref import Param, Ref
from virtlxc.host.cgroup.limits import NO_LIMIT, Limits

_AFFECT = Affect.LIVE | Affect.CONFIG
# Name, field of model.Container, field of the limits that are written, what lifts it there.
_ROWS = (
    ("pids", "pids_limit", "pids", NO_LIMIT),
    ("memory_low", "memory_low", "memory_low", 0),
    ("memory_min", "memory_min", "memory_min", 0),
)


def parameters(view: View, flags: int) -> list[Param]:
    """Processes, and KiB of protected memory; 0 where nothing is said."""
    refusals.check_flags("virtlxcDomainGetLimits", flags, _AFFECT)
    container = impact.of_get(view, flags).container
    return [
        Param(name, ParamType.ULLONG, getattr(container, field) or 0)
        for name, field, _, _ in _ROWS
    ]


def set_parameters(core: Core, ref: Ref, params: Sequence[Param], flags: int) -> None:
    """0 lifts a limit."""
    refusals.check_flags("virtlxcDomainSetLimits", flags, _AFFECT)
    rows = {name: row for name, *row in _ROWS}
    fields: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for param in params:
        if param.name not in rows:
            raise refusals.bad_argument(f"parameter '{param.name}' not supported")
        if not isinstance(param.value, int) or param.value < 0:
            raise refusals.bad_argument(f"invalid value for parameter '{param.name}'")
        field, limit, none = rows[param.name]
        fields[str(field)] = param.value or None
        limits[str(limit)] = param.value or none

    def change(domain: model.Domain) -> model.Domain:
        return replace(domain, container=replace(domain.container, **fields))

    def act(view: View, changed: model.Domain) -> None:
        tuning.write(core, view, Limits(**limits))

    with core.changing(ref, "tune") as (entry, _):
        impact.apply(core, entry, flags, change, act)
