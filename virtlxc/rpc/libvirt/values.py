"""From what libvirt's library takes and gives to what stands in the fields of a message, and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# libvirt's virTypedParameterType, as far as Python's own types tell.
_INT, _LLONG, _ULLONG, _DOUBLE, _BOOLEAN, _STRING = 1, 3, 4, 5, 6, 7
Param = tuple[str, int, Any]


def params(found: dict[str, Any]) -> list[Param]:
    """A dictionary of the library's as typed parameters."""
    return [(name, _type(value), value) for name, value in found.items()]


def _type(value: Any) -> int:
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int):
        return _LLONG if value < 0 else _ULLONG
    return _DOUBLE if isinstance(value, float) else _STRING


def dictionary(found: Iterable[Param]) -> dict[str, Any]:
    return {name: bool(value) if kind == _BOOLEAN else value for name, kind, value in found}


def bits(flags: Iterable[bool]) -> bytes:
    """A map of processors as bytes, the lowest one in the lowest bit."""
    listed = list(flags)
    raw = bytearray(-(-len(listed) // 8))
    for at, on in enumerate(listed):
        raw[at // 8] |= bool(on) << at % 8
    return bytes(raw)


def flags(raw: bytes) -> tuple[bool, ...]:
    return tuple(bool(raw[at // 8] >> at % 8 & 1) for at in range(8 * len(raw)))


def reference(thing: Any) -> tuple[Any, ...]:
    """What a message has for an object of the library's: its kind is in its class's name."""
    kind = type(thing).__name__
    if kind == "virDomain":
        return (thing.name(), thing.UUID(), thing.ID())
    if kind == "virStorageVol":
        return (thing.storagePoolLookupByVolume().name(), thing.name(), thing.key())
    if kind == "virInterface":
        return (thing.name(), thing.MACString())
    if kind == "virNodeDevice":
        return (thing.name(),)
    if kind == "virNetworkPort":
        network = thing.network()
        return ((network.name(), network.UUID()), thing.UUID())
    if kind == "virSecret":
        return (thing.UUID(), thing.usageType(), thing.usageID())
    return (thing.name(), thing.UUID())


def is_object(thing: Any) -> bool:
    return type(thing).__name__.startswith("vir")


def reply(kinds: Sequence[tuple[str, str]], found: Any) -> tuple[Any, ...]:
    """What the library gave, as the fields of a reply of these (name, kind)."""
    if not kinds:
        return ()
    first = kinds[0][1]
    if isinstance(found, dict):
        values: list[Any] = [params(found)]
    elif is_object(found):
        values = [reference(found)]
    elif first.endswith(">") and not first.startswith("chars"):
        values = [[reference(one) if is_object(one) else one for one in found or ()]]
    elif isinstance(found, list | tuple) and len(kinds) > 1:
        return tuple(found)
    else:
        return (found,)
    # A list and its length, parameters and their number.
    return tuple(values) if len(kinds) == 1 else (values[0], len(values[0]))
