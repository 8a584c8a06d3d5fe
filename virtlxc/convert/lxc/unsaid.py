"""What a written configuration does not give back: found by reading it, field by field.

So a field that the model gets tomorrow is named here without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from virtlxc.model import Domain
from virtlxc.model.names import DEFAULT_PARTITION

# Said otherwise, by a note of its own, or by nothing that LXC would need.
_DOMAIN = {
    *("name", "uuid", "title", "description", "metadata", "memory", "current_memory", "vcpus"),
    *("vcpus_current", "vcpu_placement", "memtune", "cputune", "numatune", "os", "features"),
    *("filesystems", "interfaces", "consoles", "hostdevs", "disks", "container", "kept"),
    *("emulator", "blkiotune"),
}
_FILESYSTEM = {"accessmode", "kept", "driver_type", "driver_format", "type", "source"}
_INTERFACE = {"kept", "type", "source", "source_mode", "link_state", "host_ips", "host_routes",
              "ips", "routes", "bridge"}  # fmt: skip
_CONTAINER = {"filesystems", "kept", "rlimits", "cpu_limit"}


def unsaid(domain: Domain, back: Domain) -> Iterator[str]:
    """A line for each field of ``domain`` with a value that ``back`` has not."""
    for name in _differing(domain, back, _DOMAIN):
        if name != "partition" or domain.partition != DEFAULT_PARTITION:
            yield f"no key for the {name} of the domain"
    for name in _differing(domain.container, back.container, _CONTAINER):
        yield f"no key for '{name}' in <virtlxc:container>"
    found = {extra.target: extra for extra in back.container.filesystems}
    for extra in domain.container.filesystems:
        for name in _differing(extra, found.get(extra.target), {"kept", "target"}):
            yield f"no key for '{name}' of the file system at {extra.target}"
    there = {filesystem.target: filesystem for filesystem in back.filesystems}
    for filesystem in domain.filesystems:
        if filesystem.target in there:
            for name in _differing(filesystem, there[filesystem.target], _FILESYSTEM):
                yield f"no key for '{name}' of the file system at {filesystem.target}"
    for at, (one, other) in enumerate(zip(domain.interfaces, back.interfaces, strict=False), 1):
        for name in _differing(one, other, _INTERFACE):
            yield f"no key for '{name}' of interface {at}"


def _differing(one: Any, other: Any, said: set[str]) -> Iterator[str]:
    for field in fields(one):
        value = getattr(one, field.name)
        if field.name in said or value == _default(field):
            continue
        if value != getattr(other, field.name, None):
            yield field.name


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
