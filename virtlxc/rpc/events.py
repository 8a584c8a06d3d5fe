"""What the driver tells, as messages, and which client wants which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from virtlxc.driver import events as told
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc import wire
from virtlxc.rpc.tables import procedure


class Kind(NamedTuple):
    """One kind of event: its group and number, its messages, and the fields of both.

    ``legacy`` is the message without the number of a callback, "" when there is none. ``about`` is
    the object that a registration may be limited to.
    """

    group: str
    number: int
    legacy: str
    modern: str
    fields: Callable[[Any], tuple[Any, ...]]
    about: Callable[[Any], bytes | str]


KINDS: dict[type, Kind] = {
    told.Lifecycle: Kind(
        "domain", 0, "DOMAIN_EVENT_LIFECYCLE", "DOMAIN_EVENT_CALLBACK_LIFECYCLE",
        lambda event: (event.ref, event.event, event.detail), lambda event: event.ref.uuid,
    ),
    told.Reboot: Kind(
        "domain", 1, "DOMAIN_EVENT_REBOOT", "DOMAIN_EVENT_CALLBACK_REBOOT",
        lambda event: (event.ref,), lambda event: event.ref.uuid,
    ),
    told.Metadata: Kind(
        "domain", 23, "", "DOMAIN_EVENT_CALLBACK_METADATA_CHANGE",
        lambda event: (event.ref, event.type, event.uri), lambda event: event.ref.uuid,
    ),
    told.DeviceRemoved: Kind(
        "domain", 15, "DOMAIN_EVENT_DEVICE_REMOVED", "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED",
        lambda event: (event.ref, event.alias), lambda event: event.ref.uuid,
    ),
    told.Tunable: Kind(
        "domain", 17, "", "DOMAIN_EVENT_CALLBACK_TUNABLE",
        lambda event: (event.ref, event.params), lambda event: event.ref.uuid,
    ),
    told.DeviceAdded: Kind(
        "domain", 19, "", "DOMAIN_EVENT_CALLBACK_DEVICE_ADDED",
        lambda event: (event.ref, event.alias), lambda event: event.ref.uuid,
    ),
    told.DeviceRemovalFailed: Kind(
        "domain", 22, "", "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED",
        lambda event: (event.ref, event.alias), lambda event: event.ref.uuid,
    ),
    told.NetworkLifecycle: Kind(
        "network", 0, "", "NETWORK_EVENT_LIFECYCLE",
        lambda event: (event.network, event.event, event.detail), lambda event: event.network[1],
    ),
    told.PoolLifecycle: Kind(
        "pool", 0, "", "STORAGE_POOL_EVENT_LIFECYCLE",
        lambda event: (event.pool, event.event, event.detail), lambda event: event.pool[1],
    ),
    told.PoolRefresh: Kind(
        "pool", 1, "", "STORAGE_POOL_EVENT_REFRESH",
        lambda event: (event.pool,), lambda event: event.pool[1],
    ),
    told.NodeDeviceLifecycle: Kind(
        "node device", 0, "", "NODE_DEVICE_EVENT_LIFECYCLE",
        lambda event: ((event.device,), event.event, event.detail), lambda event: event.device,
    ),
}  # fmt: skip

# How many kinds of events libvirt 9.0.0 knows of each group; any of them may be wanted, and those
# that containers never have just do not come.
_KNOWN = {"domain": 27, "network": 1, "pool": 2, "node device": 2}
_REGISTRATIONS_MAX = 1024


class Registrations:
    """What one client wants to hear."""

    def __init__(self) -> None:
        self._next = 1
        # number of the callback -> (group, event, the object or None, whether of the old kind)
        self._wanted: dict[int, tuple[str, int, bytes | str | None, bool]] = {}

    def add(self, group: str, event: int, about: object, legacy: bool) -> int:
        if not 0 <= event < _KNOWN[group]:
            raise VirtlxcError(
                f"internal error: unsupported event ID {event}", Code.INTERNAL_ERROR, From.LXC
            )
        if len(self._wanted) >= _REGISTRATIONS_MAX:
            raise VirtlxcError(
                f"operation failed: a client may have {_REGISTRATIONS_MAX} event callbacks, "
                "not more",
                Code.OPERATION_FAILED,
                From.RPC,
            )
        if legacy and self._legacy(group, event) is not None:
            raise VirtlxcError(
                f"operation failed: domain event {event} already registered",
                Code.OPERATION_FAILED,
                From.RPC,
            )
        number = self._next
        self._next += 1
        # By UUID, or by name what has nothing else.
        one = about[min(1, len(about) - 1)] if isinstance(about, tuple) else None
        self._wanted[number] = (group, event, one, legacy)
        return number

    def remove(self, number: int) -> None:
        found = self._wanted.get(number)
        if found is None or found[3]:
            raise VirtlxcError(
                f"internal error: domain event callback {number} not registered",
                Code.INTERNAL_ERROR,
                From.RPC,
            )
        del self._wanted[number]

    def remove_legacy(self, group: str, event: int) -> None:
        number = self._legacy(group, event)
        if number is None:
            raise VirtlxcError(
                f"internal error: domain event {event} not registered",
                Code.INTERNAL_ERROR,
                From.RPC,
            )
        del self._wanted[number]

    def _legacy(self, group: str, event: int) -> int | None:
        for number, (one, kind, _about, legacy) in self._wanted.items():
            if legacy and (one, kind) == (group, event):
                return number
        return None

    def packets(self, event: object) -> list[tuple[str, bytes]]:
        """What tells this client of an event, by message and packet: one for each callback."""
        if not self._wanted:
            return []
        kind = KINDS.get(type(event))
        if kind is None:
            return []
        about = kind.about(event)
        found = []
        for number, (group, wanted, uuid, legacy) in self._wanted.items():
            if (group, wanted) != (kind.group, kind.number) or uuid not in (None, about):
                continue
            if legacy:
                if kind.legacy:
                    found.append(_packet(kind.legacy, kind.fields(event)))
            else:
                found.append(_packet(kind.modern, (number, *kind.fields(event))))
        return found


def _packet(name: str, values: tuple[Any, ...]) -> tuple[str, bytes]:
    row = procedure(name)
    payload = row.args.encode(values)
    # libvirtd numbers its events 1, and clients do not look.
    packet = wire.packet(row.program, row.version, row.number, wire.MESSAGE, 1, wire.OK, payload)
    return name, packet
