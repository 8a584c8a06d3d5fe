"""The calls about domains, as the wire's handlers and the daemon make them.

One line a call: what it means and how it is done is in the room's other files. Calls marked
[fast] read the snapshot and a few small kernel files and may run on the event loop; the others
block and belong into a worker thread. All raise VirtlxcError only. ``flags`` are libvirt's and
refused when unknown.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from virtlxc.driver import batches, refusals
from virtlxc.driver.change import devices, own_limits, processors, traffic, tuning
from virtlxc.driver.constants import Listing
from virtlxc.driver.core import Core
from virtlxc.driver.domain import definitions, metadata
from virtlxc.driver.domain.domain import View
from virtlxc.driver.figures import blocks, bulk, info, stats
from virtlxc.driver.inside import addresses, consoles, execs, guest, logs
from virtlxc.driver.inside.execs import ExecHandle, Request
from virtlxc.driver.life import actions, inits, shutdown, starting, stopping
from virtlxc.driver.life.starting import Wish
from virtlxc.driver.ref import (
    BlockInfo,
    BlockStats,
    Defined,
    FsInfo,
    Info,
    InterfaceAddresses,
    InterfaceStats,
    Param,
    Ref,
    VcpuInfo,
)


class Domains:
    """What a connection can ask about domains; see the module's text."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def _view(self, ref: Ref) -> View:
        return self._core.view(ref)

    def _active(self, ref: Ref) -> View:
        return self._core.active(ref)

    def list_all(self, flags: int = 0) -> list[Ref]:
        """[fast] The domains that pass the filters of constants.Listing, sorted by name."""
        refusals.check_flags("lxcConnectListAllDomains", flags, Listing.ALL)
        return self._core.registry.refs(flags)

    def lookup_name(self, name: str) -> Ref:
        """[fast] Raises NO_DOMAIN when there is none, as the two below."""
        return self._core.registry.named(name).ref

    def lookup_uuid(self, uuid: bytes) -> Ref:
        """[fast]"""
        return self._core.registry.with_uuid(uuid).ref

    def lookup_id(self, id: int) -> Ref:
        """[fast]"""
        return self._core.registry.with_id(id).ref

    # Definitions

    def define(self, xml: str, flags: int = 0) -> Defined:
        return definitions.define(self._core, xml, flags)

    def define_many(self, xmls: Sequence[str], *, stop: bool = False) -> list[batches.Outcome]:
        return batches.define_many(self._core, xmls, stop=stop)

    def definitions(self, refs: Sequence[Ref]) -> list[batches.Kept]:
        return batches.kept(self._core, refs)

    def undefine(self, ref: Ref, flags: int = 0) -> None:
        definitions.undefine(self._core, ref, flags)

    def rename(self, ref: Ref, new_name: str, flags: int = 0) -> Ref:
        return definitions.rename(self._core, ref, new_name, flags)

    def autostart(self, ref: Ref) -> bool:
        """[fast]"""
        return self._view(ref).autostart

    def set_autostart(self, ref: Ref, on: bool) -> None:
        definitions.set_autostart(self._core, ref, on)

    def xml(self, ref: Ref, flags: int = 0, hide_environment: bool = False) -> str:
        """[fast] The live definition while it runs, unless flags have Xml.INACTIVE.

        ``hide_environment`` is for read-only clients: values of init's environment are secrets.
        """
        return definitions.xml(self._view(ref), flags, hide_environment=hide_environment)

    def messages(self, ref: Ref, flags: int = 0) -> list[str]:
        """[fast] What the owner of this domain should know: ``virDomainGetMessages``."""
        return info.messages(self._view(ref))

    def programs(self, ref: Ref) -> list[str]:
        """The names of the programs that run inside, each once."""
        return info.programs(self._view(ref))

    # Life

    def create(
        self, xml: str, flags: int = 0, fds: Sequence[int] = (), owner: object = None
    ) -> Ref:
        """Starts a transient domain; with Start.AUTODESTROY it ends with ``owner``."""
        return starting.create(self._core, xml, Wish(flags=flags, fds=fds, owner=owner))

    def start(
        self,
        ref: Ref,
        flags: int = 0,
        fds: Sequence[int] = (),
        ignore: frozenset[str] = frozenset(),
        owner: object = None,
    ) -> Ref:
        """Returns when init's exec succeeded and the live state is on disk.

        ``fds`` become init's descriptors from 3 on and stay the caller's to close. ``ignore`` names
        protecting elements that are not acted on and shall not make the start fail.
        """
        return starting.start(
            self._core, ref, Wish(flags=flags, fds=fds, ignore=ignore, owner=owner)
        )

    def owner_gone(self, owner: object) -> None:
        """Destroys what was started with Start.AUTODESTROY by this connection."""
        stopping.owner_gone(self._core, owner)

    def destroy(self, ref: Ref, flags: int = 0) -> None:
        stopping.destroy(self._core, ref, flags)

    def shutdown(self, ref: Ref, flags: int = 0) -> str:
        """Asks init to power off and returns at once, with a sentence that says how it was asked.

        Raises OPERATION_FAILED when init would not notice.
        """
        return shutdown.request(self._core, ref, inits.POWEROFF, flags)

    def reboot(self, ref: Ref, flags: int = 0) -> str:
        return shutdown.request(self._core, ref, inits.REBOOT, flags)

    def suspend(self, ref: Ref) -> None:
        stopping.suspend(self._core, ref)

    def resume(self, ref: Ref) -> None:
        stopping.resume(self._core, ref)

    def send_signal(self, ref: Ref, pid: int, signum: int, flags: int = 0) -> None:
        """``pid`` is as init's namespace counts; ``signum`` is a ``virDomainProcessSignal``."""
        info.send_signal(self._core, ref, pid, signum, flags)

    # Questions

    def state(self, ref: Ref, flags: int = 0) -> tuple[int, int]:
        """[fast] (constants.State, constants.Reason)."""
        refusals.check_flags("lxcDomainGetState", flags)
        view = self._view(ref)
        return view.state, view.reason

    def status_text(self, ref: Ref) -> str:
        """[fast] One sentence about how the last run ended or how long this one lasts."""
        return info.status_text(self._view(ref))

    def info(self, ref: Ref) -> Info:
        """[fast]"""
        return info.info(self._view(ref))

    def is_active(self, ref: Ref) -> bool:
        """[fast]"""
        return self._view(ref).active

    def is_persistent(self, ref: Ref) -> bool:
        """[fast]"""
        return self._view(ref).persistent

    def is_updated(self, ref: Ref) -> bool:
        """[fast] Whether the definition was changed since the domain was started."""
        return self._view(ref).updated

    def os_type(self, ref: Ref) -> str:
        """[fast]"""
        return self._view(ref).current.os.type

    def hostname(self, ref: Ref, flags: int = 0) -> str:
        """The name that the guest's UTS namespace has now."""
        return info.hostname(self._active(ref))

    def security_label(self, ref: Ref) -> tuple[str, bool]:
        """[fast] (label of init, enforcing)."""
        return info.security_label(self._view(ref))

    # Devices

    def attach_device(self, ref: Ref, xml: str, flags: int = 0) -> None:
        devices.attach(self._core, ref, xml, flags)

    def detach_device(self, ref: Ref, xml: str, flags: int = 0) -> None:
        devices.detach(self._core, ref, xml, flags)

    def detach_alias(self, ref: Ref, alias: str, flags: int = 0) -> None:
        devices.detach_alias(self._core, ref, alias, flags)

    def update_device(self, ref: Ref, xml: str, flags: int = 0) -> None:
        devices.update(self._core, ref, xml, flags)

    # Metadata

    def metadata(self, ref: Ref, type: int, uri: str | None, flags: int = 0) -> str:
        """[fast] Raises NO_DOMAIN_METADATA when there is none."""
        return metadata.get(self._view(ref), type, uri, flags)

    def set_metadata(
        self,
        ref: Ref,
        type: int,
        text: str | None,
        key: str | None = None,
        uri: str | None = None,
        flags: int = 0,
    ) -> None:
        metadata.change(self._core, ref, type, text, key, uri, flags)

    # Tuning; every getter is [fast]

    def max_memory(self, ref: Ref) -> int:
        """KiB."""
        return self._view(ref).current.memory

    def set_max_memory(self, ref: Ref, kib: int, flags: int = 0) -> None:
        tuning.set_memory(self._core, ref, kib, flags | tuning.MAXIMUM)

    def set_memory(self, ref: Ref, kib: int, flags: int = 0) -> None:
        tuning.set_memory(self._core, ref, kib, flags)

    def memory_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        return tuning.memory_parameters(self._view(ref), flags)

    def set_memory_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        tuning.set_memory_parameters(self._core, ref, params, flags)

    def scheduler_type(self, ref: Ref) -> tuple[str, int]:
        """("posix", the number of scheduler parameters)."""
        self._view(ref)
        return "posix", tuning.SCHEDULER_PARAMETERS

    def scheduler_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        return tuning.scheduler_parameters(self._view(ref), flags)

    def set_scheduler_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        tuning.set_scheduler_parameters(self._core, ref, params, flags)

    def blkio_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        return tuning.blkio_parameters(self._view(ref), flags)

    def set_blkio_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        tuning.set_blkio_parameters(self._core, ref, params, flags)

    def interface_parameters(self, ref: Ref, device: str, flags: int = 0) -> list[Param]:
        """``device``: the host end's name, or the MAC."""
        return traffic.parameters(self._view(ref), device, flags)

    def set_interface_parameters(
        self, ref: Ref, device: str, params: Sequence[Param], flags: int = 0
    ) -> None:
        traffic.set_parameters(self._core, ref, device, params, flags)

    def set_lifecycle_action(self, ref: Ref, type: int, action: int, flags: int = 0) -> None:
        actions.change(self._core, ref, type, action, flags)

    def vcpus(self, ref: Ref, flags: int = 0) -> int:
        return processors.vcpus(self._view(ref), flags)

    def set_vcpus(self, ref: Ref, count: int, flags: int = 0) -> None:
        processors.set_vcpus(self._core, ref, count, flags)

    def vcpu_infos(self, ref: Ref) -> list[VcpuInfo]:
        return processors.vcpu_infos(self._view(ref))

    def affinity(self, ref: Ref, flags: int, maplen: int) -> bytes:
        """The host's processors that the container may use, as a map of ``maplen`` bytes."""
        return processors.affinity(self._core, self._view(ref), flags, maplen)

    def pin(self, ref: Ref, cpumap: bytes, flags: int = 0, vcpu: int | None = None) -> None:
        """``vcpu`` None is the whole container."""
        processors.pin(self._core, ref, cpumap, flags, vcpu)

    def numa_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        return processors.numa_parameters(self._view(ref), flags)

    def set_numa_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        processors.set_numa_parameters(self._core, ref, params, flags)

    def own_limits(self, ref: Ref, flags: int = 0) -> list[Param]:
        """What libvirt has no call for: pids, memory_low, memory_min."""
        return own_limits.parameters(self._view(ref), flags)

    def set_own_limits(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        own_limits.set_parameters(self._core, ref, params, flags)

    # What an agent would tell

    def fs_info(self, ref: Ref, flags: int = 0) -> list[FsInfo]:
        return guest.fs_info(self._active(ref), flags)

    def guest_info(self, ref: Ref, types: int, flags: int = 0) -> list[Param]:
        return guest.guest_info(self._core, self._active(ref), types, flags)

    # Statistics, all [fast]

    def memory_stats(self, ref: Ref, flags: int = 0) -> list[tuple[int, int]]:
        """[(constants.MemoryStat, value)]."""
        return stats.memory_stats(self._active(ref))

    def cpu_stats(
        self, ref: Ref, start_cpu: int, ncpus: int, flags: int = 0
    ) -> list[list[Param]]:
        """``start_cpu`` -1: one list, the total; else one list a CPU. ``ncpus`` 0: [] a CPU."""
        return stats.cpu_stats(self._active(ref), start_cpu, ncpus)

    def block_stats(self, ref: Ref, path: str) -> BlockStats:
        """``path`` "" is the whole domain, else a disk's target, source or alias."""
        return blocks.stats_of(self._core, self._active(ref), path)

    def block_info(self, ref: Ref, path: str, flags: int = 0) -> BlockInfo:
        """Not [fast]: the image may be on a network."""
        return blocks.info(self._core, self._view(ref), path, flags)

    def block_peek(self, ref: Ref, path: str, offset: int, size: int, flags: int = 0) -> bytes:
        return blocks.peek(self._view(ref), path, offset, size, flags)

    def block_resize(self, ref: Ref, path: str, size: int, flags: int = 0) -> None:
        """``size`` in KiB, or in bytes as ``flags`` say."""
        blocks.resize(self._core, self._active(ref), path, size, flags)

    def interface_stats(self, ref: Ref, device: str) -> InterfaceStats:
        """``device``: the host end's name, or the MAC."""
        return stats.interface_stats(self._active(ref), device)

    def interface_addresses(
        self, ref: Ref, source: int, flags: int = 0
    ) -> list[InterfaceAddresses]:
        return addresses.find(self._core, self._active(ref), source)

    def all_stats(
        self, refs: Sequence[Ref], groups: int, flags: int = 0
    ) -> list[tuple[Ref, list[Param]]]:
        """``refs`` empty: every domain that passes the filter bits in ``flags``."""
        return bulk.all_stats(self._core, refs, groups, flags)

    # Consoles, processes, logs

    def open_console(self, ref: Ref, device: str | None, flags: int = 0) -> socket.socket:
        """A raw stream of the console's bytes; what was missed comes first."""
        return consoles.open_console(self._core, ref, device, flags)

    def resize_console(self, ref: Ref, device: str | None, rows: int, columns: int) -> None:
        consoles.resize(self._core, ref, device, rows, columns)

    def open_namespaces(self, ref: Ref, flags: int = 0) -> list[int]:
        """Descriptors of init's namespaces: user ipc uts net pid mnt; the caller closes them."""
        return execs.open_namespaces(self._core, ref, flags)

    def exec(self, ref: Ref, request: Request, fds: Sequence[int]) -> ExecHandle:
        """Runs a program inside; see :mod:`virtlxc.driver.inside.execs`."""
        return execs.start(self._core, ref, request, fds)

    def logs(self, ref: Ref, offset: int = 0, size: int = 1 << 20) -> tuple[bytes, int]:
        """(bytes of the log from ``offset`` on, at most ``size``; the offset after them).

        A negative ``offset`` counts from the log's end.
        """
        return logs.read(self._core, ref, offset, size)

    def plan(self, xml: str | None = None, ref: Ref | None = None) -> str:
        """The start plan of a document or of a defined domain, as a person reads it."""
        return starting.plan_text(self._core, xml, ref)
