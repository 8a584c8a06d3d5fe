"""``<ip>`` and ``<route>``: addresses of an interface, and the ways out."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


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
    """The network ``address``/``prefix`` is reached through ``gateway``."""

    address: str
    gateway: str
    family: str = "ipv4"
    prefix: int | None = None
    netmask: str | None = None
    metric: int | None = None
    kept: tuple[Kept, ...] = ()
