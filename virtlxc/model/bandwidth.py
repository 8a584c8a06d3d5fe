"""``<bandwidth>``: traffic limits of an interface or a network."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import REFUSED, Kept, Object, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """``average``, ``peak`` and ``floor`` in KiB a second, ``burst`` in KiB."""

    average: int | None = None
    peak: int | None = None
    burst: int | None = None
    floor: int | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """Seen from the container: ``inbound`` is what it receives, ``outbound`` what it sends."""

    inbound: Rate | None = None
    outbound: Rate | None = None
    kept: tuple[Kept, ...] = ()


def _rate(tag: str) -> Table:
    return Table(
        tag,
        Rate,
        (
            Value(path="@average", field="average", type=types.ULONG),
            Value(path="@peak", field="peak", type=types.ULONG),
            Value(
                path="@floor",
                field="floor",
                type=types.ULONG,
                treatment=REFUSED,
                note="no share of a network is promised to anybody",
            ),
            Value(path="@burst", field="burst", type=types.ULONG),
        ),
    )


BANDWIDTH = Table(
    "bandwidth",
    Bandwidth,
    (
        Object(path="inbound", field="inbound", table=_rate("inbound")),
        Object(path="outbound", field="outbound", table=_rate("outbound")),
    ),
)
