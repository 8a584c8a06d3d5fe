"""The system's D-Bus: one connection, made when it is needed and made again when it broke.

Everything here needs jeepney, which is optional: :func:`installed` says whether it is there.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_CALL_SECONDS = 10.0
_AUTH_SECONDS = 2.0
_MANAGER = "org.freedesktop.systemd1.Manager"
_SYSTEMD = "org.freedesktop.systemd1"
_SYSTEMD_PATH = "/org/freedesktop/systemd1"


class BusGone(Exception):
    """There is no bus, it does not answer, or nobody on it has the name that was called."""


class BusError(Exception):
    """Whoever was called refused: ``name`` is D-Bus's for the error."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


# What the bus itself says about a service that is not there or cannot be started.
_NOBODY = frozenset(
    f"org.freedesktop.DBus.Error.{name}"
    for name in (
        *("ServiceUnknown", "NameHasNoOwner", "NoReply", "Disconnected", "NoServer", "Timeout"),
        *("TimedOut", "Spawn.ServiceNotFound", "Spawn.ExecFailed", "Spawn.ChildExited"),
    )
)


def installed() -> bool:
    try:
        import jeepney  # noqa: F401
    except ImportError:
        return False
    return True


class Bus:
    """Calls from any thread, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None

    def close(self) -> None:
        with self._lock:
            self._drop()

    def call(self, message: Any, timeout: float = _CALL_SECONDS) -> tuple[Any, ...]:
        """Sends a call and gives what it returns. Raises BusGone or BusError."""
        with self._lock:
            return self._fresh(lambda: self._ask(message, timeout))

    def job(self, message: Any, timeout: float = _CALL_SECONDS) -> str:
        """A call of systemd's that queues a job; gives the job's result, "done" when all is well.

        Raises BusGone, also when the job does not end in time, or BusError.
        """
        with self._lock:
            return self._fresh(lambda: self._await_job(message, timeout))

    # Under the lock

    def _fresh(self, work: Callable[[], T]) -> T:
        """Does ``work`` on a living connection: one that broke since its last use is made again."""
        if self._connection is not None and self._broken():
            self._drop()
        try:
            if self._connection is None:
                self._connection = self._connect()
            return work()
        except (OSError, TimeoutError, EOFError, KeyError, ValueError) as error:
            self._drop()
            raise BusGone(str(error) or type(error).__name__) from None

    def _connect(self) -> Any:
        from jeepney import DBusAddress, MatchRule, new_method_call

        try:
            connection = _open()
        except Exception as error:  # jeepney has an exception of its own for each way this fails
            raise BusGone(f"the system bus: {error}") from None
        bus = DBusAddress(
            "/org/freedesktop/DBus",
            bus_name="org.freedesktop.DBus",
            interface="org.freedesktop.DBus",
        )
        rule = MatchRule(type="signal", interface=_MANAGER, member="JobRemoved")
        connection.send_and_get_reply(
            new_method_call(bus, "AddMatch", "s", (rule.serialise(),)), timeout=_CALL_SECONDS
        )
        return connection

    def _broken(self) -> bool:
        """Whether the other end is closed; reads and forgets what was sent meanwhile."""
        poll = select.poll()
        poll.register(self._connection.sock, select.POLLIN)
        try:
            while poll.poll(0):
                self._connection.receive(timeout=1.0)
        except (OSError, TimeoutError, EOFError):
            return True
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, message: Any, timeout: float) -> tuple[Any, ...]:
        from jeepney import HeaderFields, MessageType

        reply = self._connection.send_and_get_reply(message, timeout=timeout)
        body: tuple[Any, ...] = reply.body
        if reply.header.message_type is not MessageType.error:
            return body
        name = reply.header.fields.get(HeaderFields.error_name, "")
        text = " ".join(str(part) for part in body) or name
        if name in _NOBODY:
            raise BusGone(text)
        raise BusError(name, text)

    def _await_job(self, message: Any, timeout: float) -> str:
        from jeepney import MatchRule

        rule = MatchRule(type="signal", interface=_MANAGER, member="JobRemoved")
        end = time.monotonic() + timeout
        with self._connection.filter(rule, bufsize=1024) as removed:
            (path,) = self._ask(message, timeout)
            while True:
                left = max(0.0, end - time.monotonic())
                signal = self._connection.recv_until_filtered(removed, timeout=left)
                if signal.body[1] == path:
                    return str(signal.body[3])


def _open() -> Any:
    """A connection whose every question has a bound, its first one (Hello) too."""
    from jeepney.bus import get_bus
    from jeepney.io.blocking import DBusConnection, prep_socket

    class Connection(DBusConnection):  # type: ignore[misc]
        def send_and_get_reply(self, message: Any, *, timeout: float | None = None) -> Any:
            return super().send_and_get_reply(message, timeout=timeout or _CALL_SECONDS)

    sock = prep_socket(get_bus("SYSTEM"), False, timeout=_AUTH_SECONDS)
    try:
        return Connection(sock)
    except BaseException:
        sock.close()
        raise


def manager_call(method: str, signature: str, body: tuple[object, ...]) -> Any:
    """A call of systemd's manager."""
    from jeepney import DBusAddress, new_method_call

    address = DBusAddress(_SYSTEMD_PATH, bus_name=_SYSTEMD, interface=_MANAGER)
    return new_method_call(address, method, signature, body)
