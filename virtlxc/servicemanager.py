"""What systemd's sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3) do, without its library.

Everything comes by environment variables. They are meant for one process, so :func:`take` removes
them: nothing that the daemon starts may speak for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping

_LISTEN_FDS_START = 3
_VARIABLES = (
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
)


class ServiceManager:
    """Whoever started the daemon, if it wants to hear from it. ``sockets`` are what it passed.

    ``watchdog`` is the number of seconds after which a silent daemon is ended, 0 for never.
    """

    def __init__(
        self, sockets: list[socket.socket] | None = None, address: str = "", watchdog: float = 0.0
    ) -> None:
        self.sockets = sockets or []
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def notify(self, state: str) -> None:
        """Tells it, if it listens: lines of NAME=VALUE."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        ) as sock:
            sock.connect(self._address)
            sock.sendall(state.encode())

    async def keep_alive(self) -> None:
        """Shows for ever that the event loop turns; in half the time that is allowed."""
        while self.watchdog:
            self.notify("WATCHDOG=1")
            await asyncio.sleep(self.watchdog / 2)


def take(environment: MutableMapping[str, str]) -> ServiceManager:
    """The service manager that ``environment`` tells of; its variables are removed."""
    found = {name: environment.pop(name, "") for name in _VARIABLES}
    pid = str(os.getpid())
    watchdog = 0.0
    if found["WATCHDOG_PID"] in ("", pid) and found["WATCHDOG_USEC"].isdigit():
        watchdog = int(found["WATCHDOG_USEC"]) / 1e6
    sockets = []
    if found["LISTEN_PID"] == pid and found["LISTEN_FDS"].isdigit():
        sockets = [_inherit(_LISTEN_FDS_START + at) for at in range(int(found["LISTEN_FDS"]))]
    return ServiceManager(sockets, found["NOTIFY_SOCKET"], watchdog)


def reads_levels(environment: Mapping[str, str], fd: int) -> bool:
    """Whether what is written to ``fd`` goes to journald, as systemd.exec(5) tells."""
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _inherit(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
