"""The kernel's announcements of devices that come and go (NETLINK_KOBJECT_UEVENT)."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_BUFFER = 1 << 20
_SETTLE_MS = 50  # announcements come in bursts: one look for all of a burst


class Watcher:
    """Calls ``look`` in a thread of its own after each burst of announcements."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
            _KOBJECT_UEVENT,
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _KERNEL_GROUP))
        self._wake, self._stop = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._stop)
        self._thread.join()
        os.close(self._wake)
        self._socket.close()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        changed = False
        while True:
            ready = {fd for fd, _ in poll.poll(_SETTLE_MS if changed else None)}
            if self._wake in ready:
                return
            if ready:
                self._drain()
                changed = True
            elif changed:
                changed = False
                try:
                    self._look()
                except Exception:
                    _log.exception("looking for devices that came or went failed")

    def _drain(self) -> None:
        while True:
            try:
                self._socket.recv(1 << 16)
            except OSError:
                # All read, or too many came at once: what is there is looked at as a whole.
                return
