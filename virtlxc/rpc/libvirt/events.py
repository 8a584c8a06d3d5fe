"""What libvirt's library tells of: its callbacks' arguments, as the fields of a message.

The library wants a loop that is run by us; it runs while somebody waits for an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from virtlxc.rpc.client import Event
from virtlxc.rpc.libvirt.values import is_object, params, reference
from virtlxc.rpc.tables import procedure

# The messages by libvirt's numbers of events. A callback gets the fields behind the object's.
_DOMAIN = (
    "LIFECYCLE", "REBOOT", "RTC_CHANGE", "WATCHDOG", "IO_ERROR", "GRAPHICS", "IO_ERROR_REASON",
    "CONTROL_ERROR", "BLOCK_JOB", "DISK_CHANGE", "TRAY_CHANGE", "PMWAKEUP", "PMSUSPEND",
    "BALLOON_CHANGE", "PMSUSPEND_DISK", "DEVICE_REMOVED", "", "TUNABLE", "AGENT_LIFECYCLE",
    "DEVICE_ADDED", "MIGRATION_ITERATION", "JOB_COMPLETED", "DEVICE_REMOVAL_FAILED",
    "METADATA_CHANGE",
)  # fmt: skip
_MESSAGES = {
    "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY": (
        *(name and f"DOMAIN_EVENT_CALLBACK_{name}" for name in _DOMAIN),
        "DOMAIN_EVENT_BLOCK_THRESHOLD",
        "DOMAIN_EVENT_MEMORY_FAILURE",
        "DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE",
    ),
    "CONNECT_NETWORK_EVENT_REGISTER_ANY": ("NETWORK_EVENT_LIFECYCLE",),
    "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY": (
        "STORAGE_POOL_EVENT_LIFECYCLE", "STORAGE_POOL_EVENT_REFRESH",
    ),
    "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY": (
        "NODE_DEVICE_EVENT_LIFECYCLE", "NODE_DEVICE_EVENT_UPDATE",
    ),
}  # fmt: skip
_BLOCK_JOB_2 = 16
# The library's function for each, and the field with the object that it is about.
REGISTER = {
    "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY": ("domainEventRegisterAny", "dom"),
    "CONNECT_NETWORK_EVENT_REGISTER_ANY": ("networkEventRegisterAny", "net"),
    "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY": ("storagePoolEventRegisterAny", "pool"),
    "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY": ("nodeDeviceEventRegisterAny", "dev"),
}


class Events:
    """What was registered, and what has come. ``library`` is the module ``libvirt``."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._waiting: deque[Event] = deque()

    def register(self, conn: Any, name: str, number: int, about: Any) -> int:
        function, field = REGISTER[name]
        message = self._message(name, number)
        told = self._callback(message, field)
        registered: int = getattr(conn, function)(about, number, told, None)
        return registered

    def _message(self, name: str, number: int) -> str:
        if name.startswith("CONNECT_DOMAIN") and number == _BLOCK_JOB_2:
            return "DOMAIN_EVENT_BLOCK_JOB_2"
        known = _MESSAGES[name]
        return known[number] if 0 <= number < len(known) else ""

    def _callback(self, message: str, field: str) -> Callable[..., None]:
        names = [one for one in procedure(message).args.names if one not in ("callbackID", field)]

        def told(_conn: Any, thing: Any, *values: Any) -> None:
            plain = [params(one) if isinstance(one, dict) else one for one in values[:-1]]
            fields = {field: reference(thing) if is_object(thing) else thing}
            fields.update(zip(names, plain, strict=False))
            self._waiting.append(Event(message, fields))

        return told

    def next(self, timeout: float | None) -> Event | None:
        """The next event, None when none came in time."""
        end = None if timeout is None else monotonic() + timeout
        timer = self._library.virEventAddTimeout(-1, self._time_is_over, None)
        try:
            while not self._waiting:
                left = None if end is None else end - monotonic()
                if left is not None and left <= 0:
                    return None
                self._library.virEventUpdateTimeout(timer, -1 if left is None else _ms(left))
                self._library.virEventRunDefaultImpl()
        finally:
            self._library.virEventRemoveTimeout(timer)
        return self._waiting.popleft()

    def _time_is_over(self, _timer: int, _opaque: object) -> None:
        """The loop turns, and its caller sees that the time is over."""


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
