"""One device alone, as calls that attach, detach or update it get it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtlxc import xmlmap
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.complete import complete
from virtlxc.model.disk import DISK
from virtlxc.model.domain import Domain
from virtlxc.model.filesystem import FILESYSTEM
from virtlxc.model.hostdev import HOSTDEV
from virtlxc.model.interface import INTERFACE
from virtlxc.xmlmap import Table

_TABLES: dict[str, tuple[str, Table]] = {
    "disk": ("disks", DISK),
    "filesystem": ("filesystems", FILESYSTEM),
    "interface": ("interfaces", INTERFACE),
    "hostdev": ("hostdevs", HOSTDEV),
}
DEVICE_KINDS = tuple(kind for kind, _ in _TABLES.values())
"""The fields of a domain that hold devices which can come and go."""

# Devices that libvirt knows, and that a container's definition only keeps.
_OTHERS = frozenset({
    "audio", "channel", "console", "controller", "crypto", "graphics", "hub", "input", "iommu",
    "lease", "memballoon", "memory", "nvram", "panic", "parallel", "redirdev", "rng", "serial",
    "shmem", "smartcard", "sound", "tpm", "video", "vsock", "watchdog",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """``kind`` is the field of :class:`Domain` that it belongs to, ``value`` what stands there.

    ``alias`` and ``mac`` are what the document says; a completed interface has a MAC in any case.
    """

    tag: str
    kind: str
    value: Any
    alias: str | None = None
    mac: str | None = None


def parse_device(text: str, *, new_mac: Callable[[], str]) -> Device:
    """The device of a document such as ``<interface ...>``, completed like those of a definition.

    Raises VirtlxcError: XML_ERROR, or CONFIG_UNSUPPORTED for what is no device of a container.
    """
    element = xmlmap.read(text, "device", any_root=True)
    tag = str(element.tag)
    if tag not in _TABLES:
        known = tag in _OTHERS
        raise VirtlxcError(
            "unsupported configuration: "
            + (f"a running container has no device of type '{tag}'" if known
               else f"unknown device type '{tag}'"),
            Code.CONFIG_UNSUPPORTED,
            From.DOMAIN if known else From.CONF,
        )  # fmt: skip
    kind, table = _TABLES[tag]
    value = xmlmap.parse(table, element)
    alias = element.find("alias")
    alone: dict[str, Any] = {kind: (value,)}
    lone = complete(Domain(name="-", memory=1, **alone), new_uuid=str, new_mac=new_mac, arch="-")
    return Device(
        tag=tag,
        kind=kind,
        value=getattr(lone, kind)[0],
        alias=None if alias is None else alias.get("name"),
        mac=getattr(value, "mac", None),
    )
