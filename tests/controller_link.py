"""Talks to a controller by its frozen protocol, as a daemon does that takes over."""

from __future__ import annotations

import os
import socket
from typing import Any

from virtlxc.runtime import protocol


class CallFailed(Exception):
    """A controller refused a call: its code (UNSUPPORTED, INVALID, FAILED) and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class ControllerLink:
    """A connection to a controller's socket; OSError when there is none."""

    def __init__(self, path: str, timeout: float | None = 5.0) -> None:
        self.path = path
        self.pidfd = -1
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            folder, _, name = path.rpartition("/")
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # A socket's path may have 107 bytes only, and the folder's may be longer.
                self._socket.connect(f"/proc/self/fd/{fd}/{name}")
            finally:
                os.close(fd)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> ControllerLink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def hello(self, pidfd: bool = False) -> dict[str, Any]:
        """Identity and state; with ``pidfd`` the attribute has the controller's afterwards."""
        protocol.send(self._socket, {"call": "HELLO", "proto": protocol.PROTO, "pidfd": pidfd})
        data, fds = self._answer()
        if fds:
            self.pidfd = fds[0]
        return data

    def call(self, name: str, **args: Any) -> dict[str, Any]:
        """One call; CallFailed when the controller refuses it, ConnectionError when it is gone."""
        protocol.send(self._socket, {"call": name, **args})
        return self._answer()[0]

    def _answer(self) -> tuple[dict[str, Any], list[int]]:
        got = protocol.receive(self._socket)
        if got is None:
            raise ConnectionError("the controller is gone")
        data, fds = got
        if "error" in data:
            raise CallFailed(str(data["error"].get("code")), str(data["error"].get("text")))
        return dict(data["ok"]), fds

    def subscribe(self) -> dict[str, Any]:
        """From now on ``event`` gives the controller's events; the status as of now."""
        return self.call("SUBSCRIBE")

    def event(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next event, None when the controller has left."""
        self._socket.settimeout(timeout)
        try:
            got = protocol.receive(self._socket)
        except ConnectionError:
            return None
        return None if got is None else got[0]

    def console(self, tty: int = 0) -> socket.socket:
        """Turn the connection into a console's raw stream, the replay first; it is the caller's."""
        self.call("CONSOLE", tty=tty)
        self._socket.settimeout(None)
        return self._socket
