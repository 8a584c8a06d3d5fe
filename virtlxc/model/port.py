"""``<vlan>`` and ``<virtualport>``: what the port of a bridge is that a card is on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from virtlxc.xmlmap import KEPT, REFUSED, Kept, Repeat, Table, Value, types

OPENVSWITCH = "openvswitch"


@dataclass(frozen=True, slots=True, kw_only=True)
class VlanTag:
    """``native_mode``: how frames of this VLAN leave the container's port, 'tagged' or 'untagged';
    untagged ones that come from the container are in it. None: it is no native VLAN."""

    id: int
    native_mode: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vlan:
    """The VLANs that a card is in. With ``trunk`` it sees their tags itself."""

    trunk: bool | None = None
    tags: tuple[VlanTag, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def native(self) -> VlanTag | None:
        """The VLAN of what comes untagged from the container; None for a trunk that has none."""
        named = next((tag for tag in self.tags if tag.native_mode), None)
        return named or (None if self.trunk or not self.tags else self.tags[0])

    @property
    def tagged(self) -> tuple[int, ...]:
        """The VLANs whose tags the container sees; in order, each once."""
        native = self.native
        hidden = native.id if native and native.native_mode != "tagged" else None
        return tuple(sorted({tag.id for tag in self.tags} - {hidden}))


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPort:
    """A port of a switch that is told who is there. ``type`` None: that of the card's network.

    ``interface_id`` and ``profile_id`` are what Open vSwitch is told; the rest belongs to others.
    """

    type: str | None = None
    manager_id: int | None = None
    type_id: int | None = None
    type_id_version: int | None = None
    instance_id: str | None = None
    interface_id: str | None = None
    profile_id: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """What a network, by itself or for a port group, says of its ports."""

    vlan: Vlan | None = None
    virtualport: VirtualPort | None = None


def merge(first: VirtualPort | None, then: VirtualPort | None) -> VirtualPort | None:
    """What ``first`` says, and what it leaves open as ``then`` says it; of one type, or of none."""
    if first is None or then is None:
        return first or then
    mine = {field.name: getattr(first, field.name) for field in fields(first)}
    return replace(then, **{name: value for name, value in mine.items() if value not in (None, ())})


def differ(first: VirtualPort | None, then: VirtualPort | None) -> bool:
    """Whether the two name different types, and cannot be one."""
    return bool(first and then and first.type and then.type and first.type != then.type)


def vlan_problems(vlan: Vlan | None) -> Iterator[str]:
    """What contradicts itself, in words."""
    if vlan is None:
        return
    if not vlan.tags:
        yield "<vlan> names no VLAN; add a <tag id='7'/>"
    natives = [tag.id for tag in vlan.tags if tag.native_mode]
    if len(natives) > 1:
        yield f"<vlan> has {len(natives)} tags with nativeMode; one VLAN can be native"
    if vlan.trunk is False:
        why = "more than one tag" if len(vlan.tags) > 1 else "a native VLAN"
        yield f"<vlan trunk='no'> has {why}, which a trunk only can have; write trunk='yes'"


_TAKES = {
    "802.1Qbg": ("manager_id", "type_id", "type_id_version", "instance_id"),
    "802.1Qbh": ("profile_id",),
    "midonet": ("interface_id",),
    OPENVSWITCH: ("interface_id", "profile_id"),
}


def virtualport_problems(port: VirtualPort | None) -> Iterator[str]:
    """What contradicts itself, in words."""
    if port is None or port.type is None:
        return
    for name in (field.name for field in fields(port)):
        spelt = name.replace("_", "")
        if name not in ("type", "kept", *_TAKES[port.type]) and getattr(port, name) is not None:
            yield f"<virtualport type='{port.type}'> has no parameter {spelt}; take it out"


def _vlan(values: dict[str, Any]) -> Vlan:
    """Several tags are a trunk; trunk='no' says nothing, where it is true."""
    vlan = Vlan(**values)
    plain = len(vlan.tags) < 2 and not any(tag.native_mode for tag in vlan.tags)
    if vlan.trunk is None and len(vlan.tags) > 1:
        return replace(vlan, trunk=True)
    return replace(vlan, trunk=None) if vlan.trunk is False and plain else vlan


_TAG = Table(
    "tag",
    VlanTag,
    (
        Value(path="@id", field="id", type=types.integer(0, 4095)),
        Value(path="@nativeMode", field="native_mode", type=types.choice("tagged", "untagged")),
    ),
)
VLAN = Table(
    "vlan",
    Vlan,
    (
        Value(path="@trunk", field="trunk", type=types.YES_NO),
        Repeat(path="tag", field="tags", table=_TAG),
    ),
    make=_vlan,
)
_OTHERS = "a parameter of other switches than Open vSwitch"
VIRTUALPORT = Table(
    "virtualport",
    VirtualPort,
    (
        Value(
            path="@type",
            field="type",
            type=types.choice(*_TAKES),
            treatment=REFUSED,
            served=(OPENVSWITCH,),
            note="acted on when openvswitch; others are for macvtap devices of virtual machines",
        ),
        *(
            Value(path=f"parameters/@{name}", field=field, type=type, treatment=KEPT, note=_OTHERS)
            for name, field, type in (
                ("managerid", "manager_id", types.any_base(0xFF)),
                ("typeid", "type_id", types.any_base(0xFFFFFF)),
                ("typeidversion", "type_id_version", types.any_base(0xFF)),
                ("instanceid", "instance_id", types.UUID),
            )
        ),
        Value(path="parameters/@interfaceid", field="interface_id", type=types.UUID),
        Value(
            path="parameters/@profileid",
            field="profile_id",
            type=types.matching(r"(?s).{0,39}", "at most 39 characters"),
        ),
    ),
)
