"""What only a running domain has: shown in its XML, never read from one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """``id`` is the host pid of the container's init.

    ``consoles``: the host's terminal of each console, in the domain's order ('' when there is
    none). ``links``: (name on the host, name inside) of each interface, in the domain's order;
    ``bridges``: the bridge that each one's network gave it.
    """

    id: int
    consoles: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    bridges: tuple[str | None, ...] = ()
    partition: str | None = "/machine"
