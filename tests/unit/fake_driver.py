"""A driver that only remembers: what the wire's tests put behind the server.

It stands in for our own driver, never for the kernel.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from virtlxc.config import Config
from virtlxc.driver import constants
from virtlxc.driver.domain.domains import Domains
from virtlxc.driver.events import EventBus, Lifecycle
from virtlxc.driver.ref import Defined, Info, Param, Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.cgroup.limits import UNLIMITED_KIB
from virtlxc.paths import Paths


class FakeDomains(Domains):
    """Domains that are only names."""

    def __init__(self, events: EventBus) -> None:
        self.events = events
        self.refs: dict[bytes, Ref] = {}
        self.params: dict[bytes, list[Param]] = {}
        self.gone: list[object] = []
        self.slow = threading.Event()
        self.slow.set()
        self.console: socket.socket | None = None

    def add(self, name: str, id: int = -1) -> Ref:
        ref = Ref(name, uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes, id)
        self.refs[ref.uuid] = ref
        return ref

    def list_all(self, flags: int = 0) -> list[Ref]:
        wanted = flags & 3
        return sorted(
            ref for ref in self.refs.values() if wanted in (0, 3) or (wanted == 1) == (ref.id > 0)
        )

    def lookup_name(self, name: str) -> Ref:
        for ref in self.refs.values():
            if ref.name == name:
                return ref
        raise VirtlxcError(
            f"Domain not found: no domain with matching name '{name}'", Code.NO_DOMAIN
        )

    def lookup_uuid(self, uuid: bytes) -> Ref:
        try:
            return self.refs[uuid]
        except KeyError:
            raise VirtlxcError(
                f"Domain not found: no domain with matching uuid '{uuid.hex()}'", Code.NO_DOMAIN
            ) from None

    def lookup_id(self, id: int) -> Ref:
        for ref in self.refs.values():
            if ref.id == id:
                return ref
        raise VirtlxcError(f"Domain not found: no domain with matching id {id}", Code.NO_DOMAIN)

    def define(self, xml: str, flags: int = 0) -> Defined:
        if flags & ~constants.Define.VALIDATE:
            raise VirtlxcError(
                f"invalid argument: unsupported flags (0x{flags:x}) in function "
                "lxcDomainDefineXMLFlags",
                Code.INVALID_ARG,
            )
        name = xml.partition("<name>")[2].partition("</name>")[0]
        if not name:
            raise VirtlxcError("XML error: no name", Code.XML_ERROR)
        ref = self.add(name)
        self.events.emit(Lifecycle(ref, constants.Event.DEFINED, constants.Detail.DEFINED_ADDED))
        return Defined(ref, ("no root filesystem is given",))

    def undefine(self, ref: Ref, flags: int = 0) -> None:
        found = self.lookup_uuid(ref.uuid)
        del self.refs[found.uuid]
        self.events.emit(Lifecycle(found, constants.Event.UNDEFINED, 0))

    def start(
        self,
        ref: Ref,
        flags: int = 0,
        fds: Sequence[int] = (),
        ignore: frozenset[str] = frozenset(),
        owner: object = None,
    ) -> Ref:
        self.slow.wait(120)
        found = self.lookup_uuid(ref.uuid)
        started = self.refs[ref.uuid] = found._replace(id=4242)
        self.events.emit(Lifecycle(started, constants.Event.STARTED, 0))
        return started

    def destroy(self, ref: Ref, flags: int = 0) -> None:
        found = self.lookup_uuid(ref.uuid)
        self.refs[ref.uuid] = found._replace(id=-1)
        self.events.emit(
            Lifecycle(found, constants.Event.STOPPED, constants.Detail.STOPPED_DESTROYED)
        )

    def shutdown(self, ref: Ref, flags: int = 0) -> str:
        raise ZeroDivisionError("a mistake of ours")

    def owner_gone(self, owner: object) -> None:
        self.gone.append(owner)

    def state(self, ref: Ref, flags: int = 0) -> tuple[int, int]:
        running = self.lookup_uuid(ref.uuid).id > 0
        return (constants.State.RUNNING, 1) if running else (constants.State.SHUTOFF, 2)

    def info(self, ref: Ref) -> Info:
        return Info(self.state(ref)[0], 65536, 65536, 2, 123456789)

    def is_active(self, ref: Ref) -> bool:
        return self.lookup_uuid(ref.uuid).id > 0

    def is_persistent(self, ref: Ref) -> bool:
        return bool(self.lookup_uuid(ref.uuid))

    def is_updated(self, ref: Ref) -> bool:
        return False

    def autostart(self, ref: Ref) -> bool:
        return False

    def os_type(self, ref: Ref) -> str:
        return "exe"

    def messages(self, ref: Ref, flags: int = 0) -> list[str]:
        return ["root in this container is root on the host"]

    def security_label(self, ref: Ref) -> tuple[str, bool]:
        return "", False

    def xml(self, ref: Ref, flags: int = 0, hide_environment: bool = False) -> str:
        hidden = "<!-- hidden -->" if hide_environment else "<initenv name='A'>secret</initenv>"
        name = self.lookup_uuid(ref.uuid).name
        return f"<domain type='lxc'>\n  <name>{name}</name>\n  {hidden}\n</domain>\n"

    def memory_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        names = ("hard_limit", "soft_limit", "swap_hard_limit")
        return self.params.get(ref.uuid) or [
            Param(name, constants.ParamType.ULLONG, UNLIMITED_KIB) for name in names
        ]

    def set_memory_parameters(self, ref: Ref, params: Sequence[Param], flags: int = 0) -> None:
        self.params[ref.uuid] = list(params)

    def blkio_parameters(self, ref: Ref, flags: int = 0) -> list[Param]:
        return [Param("weight", constants.ParamType.UINT, 500), Param("device_weight", 7, "")]

    def cpu_stats(self, ref: Ref, start_cpu: int, ncpus: int, flags: int = 0) -> list[list[Param]]:
        if ncpus == 0:
            return [[], []]
        total = [Param("cpu_time", 4, 1000), Param("user_time", 4, 600)]
        return [total] if start_cpu == -1 else [total[:1]] * min(ncpus, 2)

    def open_console(self, ref: Ref, device: str | None, flags: int = 0) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.console = ours
        return theirs

    def open_namespaces(self, ref: Ref, flags: int = 0) -> list[int]:
        import os

        return [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("ipc", "uts")]

    def logs(self, ref: Ref, offset: int = 0, size: int = 1 << 20) -> tuple[bytes, int]:
        return b"a line\n"[:size], 7

    def plan(self, xml: str | None = None, ref: Ref | None = None) -> str:
        time.sleep(0.01)
        return "1. nothing\n"


def _refuse(*_args: Any, **_more: Any) -> Any:
    raise VirtlxcError("this is only a fake", Code.OPERATION_FAILED)


for _name, _value in vars(Domains).items():
    if not _name.startswith("_") and callable(_value) and _name not in vars(FakeDomains):
        setattr(FakeDomains, _name, _refuse)


class Refusing:
    """Whatever it is asked, it refuses."""

    __call__ = staticmethod(_refuse)

    def __getattr__(self, name: str) -> Any:
        return _refuse


class FakeHost(Refusing):
    """A host that never changes."""

    def hostname(self) -> str:
        return "fake.example"

    def kernel_version(self) -> int:
        return 6018000


class FakeDriver:
    """What the server needs of a driver."""

    def __init__(self, root: str, config: Config | None = None) -> None:
        self.paths = Paths(root)
        self.config = config or Config()
        self.events = EventBus()
        self.domains = FakeDomains(self.events)
        self.host: Any = FakeHost()
        self.networks: Any = Refusing()
        self.images: Any = Refusing()
        self.pools: Any = Refusing()
        self.volumes: Any = Refusing()

    def __getattr__(self, name: str) -> Any:
        """What the real one has more of: as a room of its own, and as a call."""
        return Refusing()
