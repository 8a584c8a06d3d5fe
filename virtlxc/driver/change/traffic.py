"""How much a domain's interface may send and receive: ``virDomainInterfaceParameters``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from virtlxc.driver import refusals
from virtlxc.driver.change import devices
from virtlxc.driver.constants import Affect, ParamType
from virtlxc.driver.core import Core
from virtlxc.driver.domain import impact
from virtlxc.driver.domain.domain import View
from virtlxc.driver.ref import Param, Ref
from virtlxc.errors import VirtlxcError
from virtlxc.model import Bandwidth, Device, Interface, Rate

_AFFECT = Affect.LIVE | Affect.CONFIG
_STRING_OKAY = 4
# In libvirt's order; a floor is a promise that a bridge's other ports would have to keep.
_NAMES = tuple(
    f"{way}.{field}"
    for way, fields in (
        ("inbound", ("average", "peak", "burst", "floor")),
        ("outbound", ("average", "peak", "burst")),
    )
    for field in fields
)


def parameters(view: View, device: str, flags: int) -> list[Param]:
    """KiB and KiB a second; 0 where nothing is limited."""
    refusals.check_flags("lxcDomainGetInterfaceParameters", flags, _AFFECT | _STRING_OKAY)
    domain = impact.of_get(view, flags)
    mac = _mac(view, device)
    card = next((card for card in domain.interfaces if card.mac == mac), None)
    if card is None:
        raise _not_found(device)
    found = []
    for name in _NAMES:
        way, _, field = name.partition(".")
        rate = getattr(card.bandwidth, way) if card.bandwidth else None
        value = getattr(rate, field) if rate else None
        found.append(Param(name, ParamType.UINT, value or 0))
    return found


def set_parameters(
    core: Core, ref: Ref, device: str, params: Sequence[Param], flags: int
) -> None:
    """An average of 0 lifts the limit of its direction; the other direction stays as it is."""
    refusals.check_flags("lxcDomainSetInterfaceParameters", flags, _AFFECT)
    given: dict[str, dict[str, int]] = {"inbound": {}, "outbound": {}}
    for param in params:
        if param.name not in _NAMES:
            raise refusals.bad_argument(f"parameter '{param.name}' not supported")
        if not isinstance(param.value, int):
            raise refusals.bad_argument(f"invalid type for parameter '{param.name}'")
        way, _, field = param.name.partition(".")
        given[way][field] = param.value

    def change(card: Interface) -> Interface:
        old = card.bandwidth or Bandwidth()
        new = Bandwidth(
            inbound=_rate(old.inbound, given["inbound"]),
            outbound=_rate(old.outbound, given["outbound"]),
        )
        return replace(card, bandwidth=None if new == Bandwidth() else new)

    with core.changing(ref, "tune") as (entry, _):
        mac = _mac(entry.view, device)
        wanted = Device(tag="interface", kind="interfaces", value=None, mac=mac)
        devices.update_card(core, entry, flags, wanted, change)


def _rate(old: Rate | None, given: dict[str, int]) -> Rate | None:
    if not given:
        return old
    if not given.get("average") and not given.get("floor"):
        return None
    values: dict[str, Any] = {field: value or None for field, value in given.items()}
    return Rate(**values)


def _mac(view: View, device: str) -> str:
    """The MAC of the card with this name on the host, or this MAC."""
    domain = view.current
    names = [host for host, _ in view.run.links] if view.run else []
    names += [""] * (len(domain.interfaces) - len(names))
    cards = [*zip(names, domain.interfaces, strict=False)]
    if view.config is not None:
        cards += [("", card) for card in view.config.interfaces]
    for host, card in cards:
        if device and (device in (host, card.target) or device.lower() == card.mac):
            return card.mac or ""
    raise _not_found(device)


def _not_found(device: str) -> VirtlxcError:
    return refusals.bad_argument(f"can't find device {device}")
