"""The definition that fits a system: made alike for all templates."""

from __future__ import annotations

import platform
import re

from virtlxc.images.template import Request
from virtlxc.model import (
    Console,
    Domain,
    Features,
    Filesystem,
    IdMap,
    IdRange,
    Interface,
    Os,
)

IDS = 65536


def definition(
    request: Request, *, memory: int, init: str = "/sbin/init", consoles: int = 1
) -> Domain:
    """A guest in a user namespace of its own; ``memory`` in KiB if the request has none."""
    return Domain(
        name=request.name,
        uuid=request.uuid,
        memory=request.memory or memory,
        vcpus=1,
        os=Os(arch=platform.machine(), init=init),
        idmap=id_map(request.first_id),
        features=Features(privnet=not request.network),
        filesystems=(Filesystem(type="mount", source=request.root, target="/"),),
        interfaces=interfaces(request),
        consoles=tuple(Console() for _ in range(consoles)),
    )


def id_map(first: int) -> IdMap:
    ids = (IdRange(start=0, target=first, count=IDS),)
    return IdMap(uids=ids, gids=ids)


def interfaces(request: Request) -> tuple[Interface, ...]:
    """The one card on the network that was asked for; none for ''."""
    if not request.network:
        return ()
    return (Interface(type="network", source=request.network, mac=request.mac),)


def host_name(name: str) -> str:
    """The part of a domain's name that can be a host's: letters, digits, dashes."""
    kept = re.sub(r"[^A-Za-z0-9-]", "", name)
    return kept.strip("-")[:63] or "container"
