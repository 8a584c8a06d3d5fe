"""What only a running domain has: shown in its XML, never read from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from virtlxc.model.domain import Domain
from virtlxc.model.names import DEFAULT_PARTITION

# What libvirt calls the devices of each kind: net0, net1 ...
PREFIXES = {"disks": "disk", "filesystems": "fs", "interfaces": "net", "hostdevs": "hostdev"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aliases:
    """The names of a running domain's devices, in the order of each kind in its definition.

    A device keeps its name as long as it is there, whatever comes and goes before it.
    """

    disks: tuple[str, ...] = ()
    filesystems: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    hostdevs: tuple[str, ...] = ()


def first_aliases(domain: Domain) -> Aliases:
    """The names that the devices of a domain get when it starts."""
    return Aliases(
        **{
            kind: tuple(f"{prefix}{at}" for at in range(len(getattr(domain, kind))))
            for kind, prefix in PREFIXES.items()
        }
    )


def free_alias(kind: str, taken: Sequence[str]) -> str:
    """The first name of this kind (a field of :class:`Aliases`) that no device has."""
    prefix, number = PREFIXES[kind], 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """``id`` is the host pid of the container's init.

    ``consoles``: the host's terminal of each console, in the domain's order ('' when there is
    none). ``links``: (name on the host, name inside) of each interface, in the domain's order;
    ``bridges``: the bridge that each one's network gave it. ``aliases``: the devices' names.
    """

    id: int
    consoles: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    bridges: tuple[str | None, ...] = ()
    aliases: Aliases = Aliases()
    partition: str | None = DEFAULT_PARTITION
