"""The capabilities documents: of the connection, as libvirt's LXC driver writes it, and of domains.

libvirt's LXC driver has no domain capabilities; ours say what a client may ask for, in libvirt's
``<domainCapabilities>``.
"""

from __future__ import annotations

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.facts import Cache, Cell, HostFacts
from virtlxc.markup import Lines, document, tag

EMULATOR = "/usr/lib/libvirt/libvirt_lxc"

# Architecture: bits of a word, and the 32-bit twin that its kernel also runs.
ARCHITECTURES: dict[str, tuple[int, str | None]] = {
    "x86_64": (64, "i686"),
    "aarch64": (64, "armv7l"),
    "ppc64": (64, "ppc"),
    "ppc64le": (64, None),
    "riscv64": (64, None),
    "s390x": (64, "s390"),
    "sparc64": (64, "sparc"),
    "mips64": (64, "mips"),
    "mips64el": (64, "mipsel"),
    "loongarch64": (64, None),
}


def guest_architectures(arch: str) -> tuple[tuple[str, int], ...]:
    """(name, bits of a word) of what containers can be on a host of ``arch``."""
    bits, twin = ARCHITECTURES.get(arch, (32, None))
    return ((arch, bits), (twin, 32)) if twin else ((arch, bits),)


def capabilities(host: HostFacts) -> str:
    """``virsh capabilities``."""
    lines = ["<capabilities>", "", "  <host>", *_host(host), "  </host>", ""]
    for arch, bits in guest_architectures(host.arch):
        lines += [
            "  <guest>",
            "    <os_type>exe</os_type>",
            f"    <arch name='{arch}'>",
            f"      <wordsize>{bits}</wordsize>",
            f"      <emulator>{EMULATOR}</emulator>",
            "      <domain type='lxc'/>",
            "    </arch>",
            "  </guest>",
            "",
        ]
    lines += ["</capabilities>", ""]
    return "\n".join(lines)


def _host(host: HostFacts) -> list[str]:
    sizes = sorted({size for cell in host.cpu.cells for size, _ in cell.pages})
    lines = [
        f"    <uuid>{host.uuid}</uuid>",
        "    <cpu>",
        f"      <arch>{host.arch}</arch>",
        *(f"      <pages unit='KiB' size='{size}'/>" for size in sizes),
        "    </cpu>",
        "    <power_management/>",
        "    <iommu support='no'/>",
    ]
    if host.cpu.cells:
        lines += ["    <topology>", f"      <cells num='{len(host.cpu.cells)}'>"]
        for cell in host.cpu.cells:
            lines += _cell(cell)
        lines += ["      </cells>", "    </topology>"]
    if host.cpu.caches:
        lines += ["    <cache>", *map(_cache, host.cpu.caches), "    </cache>"]
    lines += [
        "    <secmodel>",
        "      <model>none</model>",
        "      <doi>0</doi>",
        "    </secmodel>",
    ]
    return lines


def _cell(cell: Cell) -> list[str]:
    lines = [
        f"        <cell id='{cell.id}'>",
        f"          <memory unit='KiB'>{cell.memory_kib}</memory>",
    ]
    lines += [
        f"          <pages unit='KiB' size='{size}'>{count}</pages>" for size, count in cell.pages
    ]
    lines.append("          <distances>")
    lines += [
        f"            <sibling id='{node}' value='{value}'/>" for node, value in cell.distances
    ]
    lines += ["          </distances>", f"          <cpus num='{len(cell.cpus)}'>"]
    lines += [
        f"            <cpu id='{cpu.id}' socket_id='{cpu.socket}' die_id='{cpu.die}' "
        f"core_id='{cpu.core}' siblings='{cpu.siblings}'/>"
        for cpu in cell.cpus
    ]
    return [*lines, "          </cpus>", "        </cell>"]


def _cache(cache: Cache) -> str:
    in_mib = cache.size_kib >= 1024 and cache.size_kib % 1024 == 0
    size, unit = (cache.size_kib // 1024, "MiB") if in_mib else (cache.size_kib, "KiB")
    return (
        f"      <bank id='{cache.id}' level='{cache.level}' type='{cache.type}' size='{size}' "
        f"unit='{unit}' cpus='{cache.cpus}'/>"
    )


def domain_capabilities(
    host: HostFacts,
    *,
    emulator: str | None = None,
    arch: str | None = None,
    machine: str | None = None,
    virttype: str | None = None,
) -> str:
    """``virsh domcapabilities``: what a domain's document may ask for here.

    Raises VirtlxcError INVALID_ARG for a type, architecture, emulator or machine that we lack.
    """
    arch = arch or host.arch
    known = {name for name, _ in guest_architectures(host.arch)}
    if virttype not in (None, "lxc"):
        raise _unknown(f"unknown virttype: {virttype}")
    if arch not in known:
        raise _unknown(f"no emulator for arch '{arch}' (there is {', '.join(sorted(known))})")
    if emulator not in (None, EMULATOR):
        raise _unknown(f"unknown emulator binary: {emulator}")
    if machine is not None:
        raise _unknown(f"the machine '{machine}' is not supported: containers have none")
    return document(tag("domainCapabilities", [
        *tag("path", EMULATOR),
        *tag("domain", "lxc"),
        *tag("arch", arch),
        *tag("vcpu", max=max(host.cpu.count, 1)),
        *_lacking("iothreads"),
        *tag("os", _lacking("loader"), supported="yes"),
        *tag("devices", [
            *_has("disk", diskDevice=("disk",)),
            *_lacking("graphics", "video"),
            *_has("hostdev", mode=("subsystem", "capabilities"), subsysType=("usb",),
                  capsType=("storage", "misc", "net")),
            *_lacking("rng"),
            *_has("filesystem"),
            *_lacking("tpm", "channel"),
        ]),
        *tag("features", _lacking("gic", "genid", "backup", "sev")),
    ]))  # fmt: skip


def _has(name: str, **values: tuple[str, ...]) -> Lines:
    """A device that a document may have, and what its attributes may say."""
    enums = [
        line
        for what, names in values.items()
        for line in tag("enum", [row for one in names for row in tag("value", one)], name=what)
    ]
    return tag(name, enums or None, supported="yes")


def _lacking(*names: str) -> Lines:
    return [line for name in names for line in tag(name, supported="no")]


def _unknown(message: str) -> VirtlxcError:
    return VirtlxcError(message, Code.INVALID_ARG)
