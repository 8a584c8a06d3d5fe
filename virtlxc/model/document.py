"""The ``<domain>`` document: its field table, reading and writing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtlxc import xmlmap
from virtlxc.model import metadata
from virtlxc.model.blkio import BLKIOTUNE
from virtlxc.model.boot import OS
from virtlxc.model.clock import CLOCK
from virtlxc.model.console import CONSOLE
from virtlxc.model.cpu import CPUSET, CPUTUNE, NUMATUNE
from virtlxc.model.disk import DISK
from virtlxc.model.domain import Domain
from virtlxc.model.features import FEATURES
from virtlxc.model.filesystem import FILESYSTEM
from virtlxc.model.hostdev import HOSTDEV
from virtlxc.model.idmap import IDMAP
from virtlxc.model.interface import INTERFACE
from virtlxc.model.live import LiveView
from virtlxc.model.memory import MEMTUNE
from virtlxc.model.share import KINDS, SHARE, URI
from virtlxc.xmlmap import (
    KEPT,
    REFUSED,
    Const,
    Ignore,
    Keep,
    Object,
    Repeat,
    Row,
    Table,
    Value,
    types,
)

EMULATOR = "/usr/lib/libvirt/libvirt_lxc"

_MACHINE = "for virtual machines"
_ENDS = ("destroy", "restart", "preserve", "rename-restart")


_SIZE = types.size("KiB")


def _keeps(*names: str, note: str = _MACHINE, treatment: str = KEPT) -> tuple[Row, ...]:
    return tuple(Keep(path=name, note=note, treatment=treatment) for name in names)


def _labels(element: Any) -> bool:
    return bool(element.get("type") != "none" and element.get("model") != "none")


_RESOURCES: tuple[Row, ...] = (
    Value(path="memory", field="memory", type=_SIZE, unit="unit"),
    Keep(path="memory/@dumpCore", note=_MACHINE),
    Value(path="currentMemory", field="current_memory", type=_SIZE, unit="unit", always=True),
    Object(
        path="blkiotune",
        field="blkiotune",
        table=BLKIOTUNE,
    ),
    Object(path="memtune", field="memtune", table=MEMTUNE),
    *_keeps("memoryBacking"),
    Value(
        path="vcpu/@placement",
        field="vcpu_placement",
        type=types.choice("static", "auto"),
        always=True,
        treatment=KEPT,
        served=("static",),
        note="processors are not chosen automatically",
    ),
    Value(path="vcpu/@cpuset", field="cpuset", type=CPUSET),
    Value(path="vcpu/@current", field="vcpus_current", type=types.integer(1, 2**31 - 1)),
    Value(
        path="vcpu",
        field="vcpus",
        type=types.integer(1, 2**31 - 1),
        always=True,
        note="the number is shown; it limits only with <virtlxc:cpu limit='vcpu'/>",
    ),
    *_keeps("vcpus", "iothreads", "iothreadids", "defaultiothread"),
    Object(path="cputune", field="cputune", table=CPUTUNE),
    Object(
        path="numatune",
        field="numatune",
        table=NUMATUNE,
    ),
    Value(path="resource/partition", field="partition", type=types.PATH),
    *_keeps("resource/fibrechannel"),
)

_DEVICES: tuple[Row, ...] = (
    Value(
        path="devices/emulator",
        field="emulator",
        type=types.PATH,
        note="shown again; virtlxc runs its own controller",
    ),
    Repeat(path="devices/disk", field="disks", table=DISK),
    *_keeps("devices/controller", "devices/lease"),
    Repeat(path="devices/filesystem", field="filesystems", table=FILESYSTEM),
    Repeat(path="devices/interface", field="interfaces", table=INTERFACE),
    *_keeps("devices/smartcard", "devices/serial", "devices/parallel", "devices/channel"),
    Repeat(path="devices/console", field="consoles", table=CONSOLE),
    *_keeps("devices/input", "devices/tpm", "devices/graphics", "devices/sound", "devices/audio"),
    *_keeps("devices/video"),
    Repeat(path="devices/hostdev", field="hostdevs", table=HOSTDEV),
    *_keeps("devices/redirdev", "devices/redirfilter", "devices/hub", "devices/watchdog"),
    *_keeps("devices/memballoon", "devices/rng", "devices/nvram", "devices/panic"),
    *_keeps("devices/shmem", "devices/memory", "devices/iommu", "devices/vsock"),
    *_keeps("devices/crypto"),
)


def _make(values: dict[str, Any]) -> Domain:
    """What libvirt fills in while it reads: one meaning, one value."""
    current = values.get("current_memory")
    if current is not None and (current == 0 or current >= values["memory"]):
        values["current_memory"] = None
    if values.get("vcpus_current") == values.get("vcpus", 1):
        values["vcpus_current"] = None
    last = {share.kind: share for share in values.get("shares", ())}
    values["shares"] = tuple(last[kind] for kind in KINDS if kind in last)
    values["consoles"] = tuple(
        replace(console, target_port=None) if console.target_port == at else console
        for at, console in enumerate(values.get("consoles", ()))
    )
    return Domain(**values)


DOMAIN = Table(
    "domain",
    Domain,
    (
        Const(path="@type", value="lxc"),
        Ignore(path="@id"),
        Value(path="name", field="name"),
        Value(path="uuid", field="uuid", type=types.UUID),
        *_keeps("genid"),
        Value(path="title", field="title"),
        Value(path="description", field="description"),
        Keep(path="metadata", verbatim=True, note="byte for byte", treatment=KEPT),
        *_keeps("maxMemory"),
        *_RESOURCES,
        *_keeps("sysinfo", "bootloader", "bootloader_args"),
        Object(path="os", field="os", table=OS),
        Object(path="idmap", field="idmap", table=IDMAP),
        Object(path="features", field="features", table=FEATURES),
        *_keeps("cpu"),
        Object(path="clock", field="clock", table=CLOCK, always=True),
        Value(path="on_poweroff", field="on_poweroff", type=types.choice(*_ENDS), always=True),
        Value(path="on_reboot", field="on_reboot", type=types.choice(*_ENDS), always=True),
        Value(
            path="on_crash",
            field="on_crash",
            type=types.choice(*_ENDS, "coredump-destroy", "coredump-restart"),
            always=True,
        ),
        *_keeps("on_lockfailure", "pm", "perf"),
        *_DEVICES,
        Keep(
            path="seclabel",
            treatment=REFUSED,
            protects=_labels,
            note="refused unless type='none': labels are not set",
        ),
        *_keeps("keywrap"),
        Keep(path="launchSecurity", treatment=REFUSED, note=_MACHINE),
        Repeat(
            path="lxc:namespace/*",
            field="shares",
            table=SHARE,
            tags=tuple(f"share{kind}" for kind in KINDS),
        ),
    ),
    namespaces={"lxc": URI},
    make=_make,
)


def parse_domain(text: str | bytes) -> Domain:
    """The domain in a ``<domain>`` document.

    Raises VirtlxcError (XML_ERROR) that names line, path, value and what is allowed. What the
    document says about a running domain (its id, terminals, generated names) is read over.
    """
    element = xmlmap.read(text, "domain")
    domain: Domain = xmlmap.parse(DOMAIN, element)
    place = element.find("metadata")
    if place is None:
        return domain
    foreign, container = metadata.split(text, place)
    return replace(domain, metadata=foreign, container=container)


def format_domain(domain: Domain, *, live: LiveView | None = None) -> str:
    """The document of a domain, in libvirt's order and layout; with ``live``, of a running one."""
    attributes: tuple[tuple[str, str], ...] = ()
    if live is not None:
        domain = _running(domain, live)
        attributes = (("id", str(live.id)),)
    shown = replace(
        domain,
        current_memory=domain.memory if domain.current_memory is None else domain.current_memory,
        consoles=tuple(
            replace(console, target_port=at) if console.target_port is None else console
            for at, console in enumerate(domain.consoles)
        ),
    )
    verbatim = metadata.join(domain.metadata, domain.container)
    return xmlmap.format(
        DOMAIN,
        shown,
        attributes=attributes,
        verbatim={"metadata": verbatim} if verbatim is not None else {},
    )


def _running(domain: Domain, live: LiveView) -> Domain:
    """The domain with what only a running one has."""
    consoles = list(domain.consoles)
    for at, path in enumerate(live.consoles[: len(consoles)]):
        tty = path or None if at == 0 else None
        consoles[at] = replace(consoles[at], path=path or None, tty=tty, alias=f"console{at}")
    interfaces = list(domain.interfaces)
    for at, (host, guest) in enumerate(live.links[: len(interfaces)]):
        bridge = live.bridges[at] if at < len(live.bridges) else None
        interfaces[at] = replace(
            interfaces[at],
            target=host or interfaces[at].target,
            guest=guest or interfaces[at].guest,
            bridge=bridge,
        )
    names = live.aliases
    return replace(
        domain,
        disks=_named(domain.disks, names.disks),
        filesystems=_named(domain.filesystems, names.filesystems),
        consoles=tuple(consoles),
        interfaces=_named(tuple(interfaces), names.interfaces),
        hostdevs=_named(domain.hostdevs, names.hostdevs),
        partition=domain.partition or live.partition,
    )


def _named(devices: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The devices with their aliases; those that nobody named stay without."""
    named = [replace(device, alias=name) for device, name in zip(devices, names, strict=False)]
    return (*named, *devices[len(named) :])
