"""``<ip>`` and ``<route>``: addresses of an interface, and the ways out."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """``family`` 'ipv4' or 'ipv6'; ``prefix`` is None when the document has none."""

    address: str
    family: str = "ipv4"
    prefix: int | None = None
    peer: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The network ``address``/``prefix`` is reached through ``gateway``.

    ``family`` is None when the document leaves it to be seen from the address; ``netmask`` is the
    IPv4 way to say ``prefix``.
    """

    address: str
    gateway: str
    family: str | None = None
    prefix: int | None = None
    netmask: str | None = None
    metric: int | None = None
    kept: tuple[Kept, ...] = ()


FAMILY = types.choice("ipv4", "ipv6")
PREFIX = types.integer(0, 128)

IP = Table(
    "ip",
    Ip,
    (
        Value(path="@address", field="address", type=types.IP),
        Value(path="@family", field="family", type=FAMILY, always=True),
        Value(path="@prefix", field="prefix", type=PREFIX),
        Value(path="@peer", field="peer", type=types.IP),
    ),
)

ROUTE = Table(
    "route",
    Route,
    (
        Value(path="@family", field="family", type=FAMILY),
        Value(path="@address", field="address", type=types.IP),
        Value(path="@netmask", field="netmask", type=types.IP),
        Value(path="@prefix", field="prefix", type=PREFIX),
        Value(path="@gateway", field="gateway", type=types.IP),
        Value(path="@metric", field="metric", type=types.UINT),
    ),
)
