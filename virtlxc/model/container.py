"""``<virtlxc:container>`` inside ``<metadata>``: what libvirt's elements cannot say."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import Kept, Repeat, Table, Value, types

URI = "urn:virtlxc:domain:1"
RAM = "ram"
"""The value of ``overlay`` that keeps what is written in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemExtra:
    """More about the ``<filesystem>`` with this ``target``.

    ``idmap``: 'mount' (bind it by an idmapped mount), 'none' (bind it as it is), None (decided by
    the owner of its top folder). ``options`` are mount options such as 'noexec'. ``optional``:
    skipped when its source does not exist. ``propagation``: 'private', 'slave' or 'shared'.
    ``overlay``: the source is only read; what is written goes to this folder of the host, or, with
    :data:`RAM`, to memory, and is gone with the container.
    """

    target: str
    idmap: str | None = None
    options: tuple[str, ...] = ()
    optional: bool = False
    propagation: str | None = None
    overlay: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    """``name`` as in 'nofile'; the limits are numbers or 'unlimited', None leaves them alone."""

    name: str
    soft: str | None = None
    hard: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl:
    """``name`` with dots, such as 'net.ipv4.ip_forward'; written inside the container."""

    name: str
    value: str
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything is optional; the defaults are what a document without the element means.

    ``cgroup_view``: 'v2', 'v1', 'none', or None (the guest's own libsystemd decides).
    ``cpu_limit``: the number of processors whose time the container may use, 'vcpu' for the number
    in ``<vcpu>``. ``memory_low`` and ``memory_min`` in KiB. ``start_order``: a domain that
    starts by itself comes before those with a higher one, 0 when nothing is said; ``start_delay``:
    seconds that the next ones wait behind it.
    """

    nesting: bool = False
    pids_limit: int | None = None
    cgroup_view: str | None = None
    cpu_limit: str | None = None
    memory_low: int | None = None
    memory_min: int | None = None
    start_order: int | None = None
    start_delay: int | None = None
    filesystems: tuple[FilesystemExtra, ...] = ()
    rlimits: tuple[Rlimit, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    kept: tuple[Kept, ...] = ()

    def filesystem(self, target: str) -> FilesystemExtra | None:
        """What is said about the file system at ``target``, if anything."""
        return next((extra for extra in self.filesystems if extra.target == target), None)


_NAMESPACE = {"virtlxc": URI}


def _options(text: str) -> tuple[str, ...]:
    options = tuple(text.split(","))
    if not all(options) or any(set(option) & set(" /") for option in options):
        raise ValueError(text)
    return options


OPTIONS = types.Type(
    allowed="mount options separated by commas, such as noexec,nosuid",
    parse=_options,
    format=",".join,
)
CPU_LIMIT = types.matching(
    r"vcpu|[1-9][0-9]{0,4}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])",
    "'vcpu', or a number of processors such as 1.5",
)
LIMIT = types.matching(r"unlimited|[0-9]{1,19}", "a whole number, or 'unlimited'")
LIMIT_NAMES = types.choice(
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"),
    *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)

OVERLAY = types.matching(r"ram|/[^\n:,\\]+", "'ram', or a folder of the host's (no : , or \\)")

FILESYSTEM_EXTRA = Table(
    "virtlxc:filesystem",
    FilesystemExtra,
    (
        Value(path="@target", field="target", type=types.PATH),
        Value(path="@idmap", field="idmap", type=types.choice("mount", "none")),
        Value(path="@options", field="options", type=OPTIONS),
        Value(path="@optional", field="optional", type=types.YES_NO),
        Value(
            path="@propagation",
            field="propagation",
            type=types.choice("private", "slave", "shared"),
        ),
        Value(path="@overlay", field="overlay", type=OVERLAY),
    ),
    namespaces=_NAMESPACE,
)

RLIMIT = Table(
    "virtlxc:rlimit",
    Rlimit,
    (
        Value(path="@name", field="name", type=LIMIT_NAMES),
        Value(path="@soft", field="soft", type=LIMIT),
        Value(path="@hard", field="hard", type=LIMIT),
    ),
    namespaces=_NAMESPACE,
)

SYSCTL = Table(
    "virtlxc:sysctl",
    Sysctl,
    (
        Value(
            path="@name",
            field="name",
            type=types.matching(r"[a-z0-9_-]+([./][A-Za-z0-9_:-]+)+", "a name with dots"),
        ),
        Value(path="@value", field="value"),
    ),
    namespaces=_NAMESPACE,
)

CONTAINER = Table(
    "virtlxc:container",
    Container,
    (
        Value(path="@nesting", field="nesting", type=types.YES_NO),
        Value(path="virtlxc:pids/@limit", field="pids_limit", type=types.integer(1, 2**22)),
        Value(
            path="virtlxc:cgroup/@view",
            field="cgroup_view",
            type=types.choice("v2", "v1", "none"),
        ),
        Value(path="virtlxc:cpu/@limit", field="cpu_limit", type=CPU_LIMIT),
        Value(
            path="virtlxc:memory/virtlxc:low",
            field="memory_low",
            type=types.size("KiB"),
            unit="unit",
        ),
        Value(
            path="virtlxc:memory/virtlxc:min",
            field="memory_min",
            type=types.size("KiB"),
            unit="unit",
        ),
        Value(
            path="virtlxc:autostart/@order",
            field="start_order",
            type=types.integer(0, 2**31 - 1),
        ),
        Value(
            path="virtlxc:autostart/@delay",
            field="start_delay",
            type=types.integer(0, 3600),
        ),
        Repeat(path="virtlxc:filesystem", field="filesystems", table=FILESYSTEM_EXTRA),
        Repeat(path="virtlxc:rlimit", field="rlimits", table=RLIMIT),
        Repeat(path="virtlxc:sysctl", field="sysctls", table=SYSCTL),
    ),
    namespaces=_NAMESPACE,
)
