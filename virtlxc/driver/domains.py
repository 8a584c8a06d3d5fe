"""The calls about domains, as the wire's handlers and the daemon make them.

One line a call: what it means and how it is done is in the room's other files. Calls marked
[fast] read the snapshot and a few small kernel files and may run on the event loop; the others
block and belong into a worker thread. All raise VirtlxcError only. ``flags`` are libvirt's and
refused when unknown.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from virtlxc.driver.ref import (
    BlockStats,
    Defined,
    Info,
    InterfaceAddresses,
    InterfaceStats,
    Param,
    Ref,
)


class Domains:
    """What a connection can ask about domains; see the module's text."""

    def list_all(self, flags: int = 0) -> list[Ref]:
        """[fast] The domains that pass the filters of constants.Listing, sorted by name."""
        raise NotImplementedError

    def lookup_name(self, name: str) -> Ref:
        """[fast] Raises NO_DOMAIN when there is none, as the two below."""
        raise NotImplementedError

    def lookup_uuid(self, uuid: bytes) -> Ref:
        """[fast]"""
        raise NotImplementedError

    def lookup_id(self, id: int) -> Ref:
        """[fast]"""
        raise NotImplementedError

    # Definitions

    def define(self, xml: str, flags: int = 0) -> Defined:
        raise NotImplementedError

    def undefine(self, ref: Ref, flags: int = 0) -> None:
        raise NotImplementedError

    def rename(self, ref: Ref, new_name: str, flags: int = 0) -> Ref:
        raise NotImplementedError

    def autostart(self, ref: Ref) -> bool:
        """[fast]"""
        raise NotImplementedError

    def set_autostart(self, ref: Ref, on: bool) -> None:
        raise NotImplementedError

    def xml(self, ref: Ref, flags: int = 0) -> str:
        """[fast] The live definition while it runs, unless flags have Xml.INACTIVE."""
        raise NotImplementedError

    def messages(self, ref: Ref, flags: int = 0) -> list[str]:
        """[fast] What the owner of this domain should know: ``virDomainGetMessages``."""
        raise NotImplementedError

    # Life

    def create(
        self, xml: str, flags: int = 0, fds: Sequence[int] = (), owner: object = None
    ) -> Ref:
        """Starts a transient domain; with Start.AUTODESTROY it ends with ``owner``."""
        raise NotImplementedError

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
        raise NotImplementedError

    def owner_gone(self, owner: object) -> None:
        """Destroys what was started with Start.AUTODESTROY by this connection."""
        raise NotImplementedError

    def destroy(self, ref: Ref, flags: int = 0) -> None:
        raise NotImplementedError

    def shutdown(self, ref: Ref, flags: int = 0) -> str:
        """Asks init to power off and returns at once, with a sentence that says how it was asked.

        Raises OPERATION_FAILED when init would not notice.
        """
        raise NotImplementedError

    def reboot(self, ref: Ref, flags: int = 0) -> str:
        raise NotImplementedError

    def suspend(self, ref: Ref) -> None:
        raise NotImplementedError

    def resume(self, ref: Ref) -> None:
        raise NotImplementedError

    def send_signal(self, ref: Ref, pid: int, signum: int, flags: int = 0) -> None:
        """``pid`` is as init's namespace counts; ``signum`` is a ``virDomainProcessSignal``."""
        raise NotImplementedError

    # Questions

    def state(self, ref: Ref, flags: int = 0) -> tuple[int, int]:
        """[fast] (constants.State, constants.Reason)."""
        raise NotImplementedError

    def status_text(self, ref: Ref) -> str:
        """[fast] One sentence about how the last run ended or how long this one lasts."""
        raise NotImplementedError

    def info(self, ref: Ref) -> Info:
        """[fast]"""
        raise NotImplementedError

    def is_active(self, ref: Ref) -> bool:
        """[fast]"""
        raise NotImplementedError

    def is_persistent(self, ref: Ref) -> bool:
        """[fast]"""
        raise NotImplementedError

    def is_updated(self, ref: Ref) -> bool:
        """[fast] Whether the definition was changed since the domain was started."""
        raise NotImplementedError

    def os_type(self, ref: Ref) -> str:
        """[fast]"""
        raise NotImplementedError

    def hostname(self, ref: Ref, flags: int = 0) -> str:
        """[fast] The name that the guest's UTS namespace has now."""
        raise NotImplementedError

    def security_label(self, ref: Ref) -> tuple[str, bool]:
        """[fast] (label of init, enforcing)."""
        raise NotImplementedError

    # Metadata

    def metadata(self, ref: Ref, type: int, uri: str | None, flags: int = 0) -> str:
        """[fast] Raises NO_DOMAIN_METADATA when there is none."""
        raise NotImplementedError

    def set_metadata(
        self,
        ref: Ref,
        type: int,
        text: str | None,
        key: str | None = None,
        uri: str | None = None,
        flags: int = 0,
    ) -> None:
        raise NotImplementedError

    # Tuning; every getter is [fast]

    def max_memory(self, ref: Ref) -> int:
        """KiB."""
        raise NotImplementedError

    def set_max_memory(self, ref: Ref, kib: int) -> None:
        raise NotImplementedError

    def set_memory(self, ref: Ref, kib: int, flags: int = 0) -> None:
        raise NotImplementedError

    def memory_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        raise NotImplementedError

    def set_memory_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        raise NotImplementedError

    def scheduler_type(self, ref: Ref) -> tuple[str, int]:
        """("posix", the number of scheduler parameters)."""
        raise NotImplementedError

    def scheduler_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        raise NotImplementedError

    def set_scheduler_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        raise NotImplementedError

    def blkio_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        raise NotImplementedError

    def set_blkio_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        raise NotImplementedError

    # Statistics, all [fast]

    def memory_stats(self, ref: Ref, flags: int = 0) -> list[tuple[int, int]]:
        """[(constants.MemoryStat, value)]."""
        raise NotImplementedError

    def cpu_stats(
        self, ref: Ref, start_cpu: int, ncpus: int, flags: int = 0
    ) -> list[list[Param]]:
        """``start_cpu`` -1: one list, the total; else one list a CPU. ``ncpus`` 0: [] a CPU."""
        raise NotImplementedError

    def block_stats(self, ref: Ref, path: str) -> BlockStats:
        """``path`` "" is the whole domain."""
        raise NotImplementedError

    def interface_stats(self, ref: Ref, device: str) -> InterfaceStats:
        """``device``: the host end's name, or the MAC."""
        raise NotImplementedError

    def interface_addresses(
        self, ref: Ref, source: int, flags: int = 0
    ) -> list[InterfaceAddresses]:
        raise NotImplementedError

    def all_stats(
        self, refs: Sequence[Ref], stats: int, flags: int = 0
    ) -> list[tuple[Ref, list[Param]]]:
        """``refs`` empty: every domain that passes the filter bits in ``flags``."""
        raise NotImplementedError

    # Consoles, processes, logs

    def open_console(self, ref: Ref, device: str | None, flags: int = 0) -> socket.socket:
        """A raw stream of the console's bytes; what was missed comes first."""
        raise NotImplementedError

    def resize_console(self, ref: Ref, device: str | None, rows: int, columns: int) -> None:
        raise NotImplementedError

    def open_namespaces(self, ref: Ref, flags: int = 0) -> list[int]:
        """Descriptors of init's namespaces: user ipc uts net pid mnt; the caller closes them."""
        raise NotImplementedError

    def exec(self, ref: Ref, request: dict[str, Any], fds: Sequence[int]) -> Any:
        """Runs a program inside; see :mod:`virtlxc.driver.execs`."""
        raise NotImplementedError

    def logs(self, ref: Ref, offset: int = 0, size: int = 1 << 20) -> tuple[bytes, int]:
        """(bytes of the log from ``offset`` on, at most ``size``; the offset after them).

        A negative ``offset`` counts from the log's end.
        """
        raise NotImplementedError

    def plan(self, xml: str | None = None, ref: Ref | None = None) -> str:
        """The start plan of a document or of a defined domain, as a person reads it."""
        raise NotImplementedError
