"""polkit: may the process at the other end of a socket do this?

A question goes over the system bus and its answer can take as long as somebody types a password,
so it is sent here and asked for again whenever its descriptor is readable. Source: polkit's
org.freedesktop.PolicyKit1.Authority.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jeepney import DBusAddress, Message
    from jeepney.io.blocking import DBusConnection

MANAGE = "org.virtlxc.manage"
"""The action of a connection to the read-write socket; see polkit/org.virtlxc.policy."""

BUS = "/run/dbus/system_bus_socket"
_BUS_SECONDS = 5.0
_ALLOW_INTERACTION = 1
_DISMISSED = "polkit.dismissed"


class Unavailable(Exception):
    """polkit cannot be asked; the message says why."""


class Answer(NamedTuple):
    """``challenge``: it would be allowed after a password, but nobody could be asked for it."""

    authorized: bool
    challenge: bool
    dismissed: bool


class Question:
    """One question on its way. Raises Unavailable, then and later."""

    def __init__(
        self, pid: int, uid: int, is_there: Callable[[], bool], action: str = MANAGE
    ) -> None:
        self._connection = _connect()
        try:
            subject = ("unix-process", _process(pid, uid, is_there))
            body: tuple[Any, ...] = (subject, action, {}, _ALLOW_INTERACTION, "")
            call = _call("CheckAuthorization", "(sa{sv})sa{ss}us", body)
            self._serial = next(self._connection.outgoing_serial)
            self._connection.send(call, serial=self._serial)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return int(self._connection.sock.fileno())

    def poll(self) -> Answer | None:
        """The answer, None as long as there is none. Does not wait."""
        from jeepney import HeaderFields

        try:
            while True:
                message = self._connection.receive(timeout=0)
                if message.header.fields.get(HeaderFields.reply_serial) == self._serial:
                    ((allowed, challenge, details),) = _body(message)
                    return Answer(bool(allowed), bool(challenge), _DISMISSED in details)
        except TimeoutError:
            return None
        except (OSError, EOFError) as error:
            raise Unavailable(f"the system bus: {error}") from None

    def close(self) -> None:
        self._connection.close()


def check_available() -> None:
    """Raises Unavailable unless polkit answers here, and knows our actions."""
    connection = _connect()
    try:
        reply = connection.send_and_get_reply(
            _call("EnumerateActions", "s", ("",)), timeout=_BUS_SECONDS
        )
        (actions,) = _body(reply)
    except (OSError, EOFError) as error:
        raise Unavailable(f"the system bus: {error or 'no answer'}") from None
    finally:
        connection.close()
    if MANAGE not in {action[0] for action in actions}:
        raise Unavailable(
            f"it does not know the action {MANAGE} (is org.virtlxc.policy in "
            "/usr/share/polkit-1/actions?)"
        )


def _connect() -> DBusConnection:
    if not os.path.exists(BUS):
        raise Unavailable(f"there is no system bus at {BUS}")
    try:
        from jeepney.io.blocking import DBusConnection, prep_socket
    except ModuleNotFoundError:
        raise Unavailable("the Python package jeepney is not installed") from None

    class Bounded(DBusConnection):  # type: ignore[misc]
        """Its own greeting to the bus would wait for ever."""

        def receive(self, *, timeout: float | None = None) -> Message:
            return super().receive(timeout=_BUS_SECONDS if timeout is None else timeout)

    try:
        return Bounded(prep_socket(BUS, timeout=_BUS_SECONDS))
    except Exception as error:  # jeepney has an exception of its own for each way this fails
        raise Unavailable(f"the system bus: {error or 'no answer'}") from None


def _authority() -> DBusAddress:
    from jeepney import DBusAddress

    return DBusAddress(
        "/org/freedesktop/PolicyKit1/Authority",
        bus_name="org.freedesktop.PolicyKit1",
        interface="org.freedesktop.PolicyKit1.Authority",
    )


def _call(method: str, signature: str, body: tuple[Any, ...]) -> Message:
    from jeepney import new_method_call

    return new_method_call(_authority(), method, signature, body)


def _body(reply: Message) -> Any:
    from jeepney import DBusErrorResponse
    from jeepney.wrappers import unwrap_msg

    try:
        return unwrap_msg(reply)
    except DBusErrorResponse as error:
        raise Unavailable(f"{error.name}: {error.data[0] if error.data else ''}") from None


def _process(pid: int, uid: int, is_there: Callable[[], bool]) -> dict[str, tuple[str, int]]:
    """A process as a subject: its start time and user show that the pid still means it.

    Who connected may have ended since, and somebody else have its pid.
    """
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            # The name, in parentheses, may have blanks in it; the start time is field 22.
            started = int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        raise Unavailable(f"process {pid} is gone") from None
    if not is_there():
        raise Unavailable(f"process {pid}, which connected, is gone")
    return {"pid": ("u", pid), "start-time": ("t", started), "uid": ("i", uid)}
