"""``<virtlxc:container>`` inside ``<metadata>``: what libvirt's elements cannot say."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept

URI = "urn:virtlxc:domain:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemExtra:
    """More about the ``<filesystem>`` with this ``target``.

    ``idmap``: 'mount' (bind it by an idmapped mount), 'none' (bind it as it is), None (decided by
    the owner of its top folder). ``options`` are mount options such as 'noexec'. ``optional``:
    skipped when its source does not exist. ``propagation``: 'private', 'slave' or 'shared'.
    """

    target: str
    idmap: str | None = None
    options: tuple[str, ...] = ()
    optional: bool = False
    propagation: str | None = None
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    """``name`` as in 'nofile'; None is unlimited."""

    name: str
    soft: int | None = None
    hard: int | None = None
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
    in ``<vcpu>``. ``memory_low`` and ``memory_min`` in KiB.
    """

    nesting: bool = False
    pids_limit: int | None = None
    cgroup_view: str | None = None
    cpu_limit: str | None = None
    memory_low: int | None = None
    memory_min: int | None = None
    filesystems: tuple[FilesystemExtra, ...] = ()
    rlimits: tuple[Rlimit, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    kept: tuple[Kept, ...] = ()

    def filesystem(self, target: str) -> FilesystemExtra | None:
        """What is said about the file system at ``target``, if anything."""
        return next((extra for extra in self.filesystems if extra.target == target), None)
