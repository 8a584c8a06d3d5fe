"""What happens to domains, told to whoever listens.

Events are plain values. Listeners are called from whatever thread the event happened in, one event
at a time and in the order of their happening; they must be quick and must not call the driver back
(the RPC server only hands the event to its loop).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtlxc.driver.ref import Param, Ref

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """``VIR_DOMAIN_EVENT_ID_LIFECYCLE``: see constants.Event and constants.Detail."""

    ref: Ref
    event: int
    detail: int


@dataclass(frozen=True, slots=True)
class Reboot:
    """``VIR_DOMAIN_EVENT_ID_REBOOT``: init asked for a reboot and runs again, with another id."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Metadata:
    """``VIR_DOMAIN_EVENT_ID_METADATA_CHANGE``; ``type`` as in constants.MetadataType."""

    ref: Ref
    type: int
    uri: str | None


@dataclass(frozen=True, slots=True)
class DeviceAdded:
    """``VIR_DOMAIN_EVENT_ID_DEVICE_ADDED``: a running domain has one more."""

    ref: Ref
    alias: str


@dataclass(frozen=True, slots=True)
class DeviceRemoved:
    """``VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED``."""

    ref: Ref
    alias: str


@dataclass(frozen=True, slots=True)
class DeviceRemovalFailed:
    """``VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED``: the container keeps it busy."""

    ref: Ref
    alias: str


@dataclass(frozen=True, slots=True)
class Tunable:
    """``VIR_DOMAIN_EVENT_ID_TUNABLE``: limits of a running domain that were changed, by name."""

    ref: Ref
    params: tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class NetworkLifecycle:
    """``VIR_NETWORK_EVENT_ID_LIFECYCLE``; ``network`` is (name, UUID bytes)."""

    network: tuple[str, bytes]
    event: int
    detail: int = 0


@dataclass(frozen=True, slots=True)
class PoolLifecycle:
    """``VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE``; ``pool`` is (name, UUID bytes)."""

    pool: tuple[str, bytes]
    event: int
    detail: int = 0


@dataclass(frozen=True, slots=True)
class PoolRefresh:
    """``VIR_STORAGE_POOL_EVENT_ID_REFRESH``."""

    pool: tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class NodeDeviceLifecycle:
    """``VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE``: 0 is created, 1 deleted."""

    device: str
    event: int
    detail: int = 0


Event = (
    Lifecycle | Reboot | Metadata | DeviceAdded | DeviceRemoved | DeviceRemovalFailed | Tunable
    | NetworkLifecycle | PoolLifecycle | PoolRefresh | NodeDeviceLifecycle
)
Listener = Callable[[Any], None]


class EventBus:
    """Delivers every event to every listener."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener(event)`` from now on; the returned function ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def emit(self, event: Event) -> None:
        with self._lock:
            for listener in self._listeners:
                try:
                    listener(event)
                except Exception:
                    _log.exception("a listener failed at %r", event)
