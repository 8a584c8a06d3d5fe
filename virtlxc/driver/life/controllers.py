"""Talking to controllers: their socket's protocol from the daemon's side.

The protocol is frozen: every controller that a daemon of ours ever started understands these
calls, or answers UNSUPPORTED.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime import protocol

ANSWER_SECONDS = 5.0


class ControllerGone(Exception):
    """Nobody answers at the controller's socket, or not as a controller does."""


def connect(folder: str, timeout: float = ANSWER_SECONDS) -> socket.socket:
    """A connection to the controller whose live state is in ``folder``.

    Reached through the folder's descriptor: a socket's path may have 107 bytes only, and the
    instance's root may be deeper.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.settimeout(timeout)
    try:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{fd}/sock")
        finally:
            os.close(fd)
    except OSError as error:
        sock.close()
        raise ControllerGone(f"connect: {error.strerror or error}") from None
    return sock


def call(sock: socket.socket, name: str, **arguments: Any) -> dict[str, Any]:
    """One call and its answer's "ok" part; raises VirtlxcError for a refusal."""
    try:
        protocol.send(sock, {"call": name, **arguments})
        got = protocol.receive(sock)
    except (OSError, protocol.ProtocolError, ValueError) as error:
        raise ControllerGone(f"{name}: {error}") from None
    if got is None:
        raise ControllerGone(f"{name}: the connection was closed")
    answer, fds = got
    for fd in fds:
        os.close(fd)
    if "error" in answer:
        raise refused(name, answer["error"])
    ok = answer.get("ok")
    return ok if isinstance(ok, dict) else {}


def hello(sock: socket.socket) -> dict[str, Any]:
    return call(sock, "HELLO", proto=protocol.PROTO)


def subscribe(sock: socket.socket) -> dict[str, Any]:
    """Have it send its notices from now on; who it is and how it stands.

    Older controllers say only how they stand: without "pid".
    """
    return call(sock, "SUBSCRIBE")


def refused(name: str, error: Any) -> VirtlxcError:
    code = error.get("code") if isinstance(error, dict) else None
    text = error.get("text") if isinstance(error, dict) else str(error)
    if code == "UNSUPPORTED":
        return VirtlxcError(
            f"its controller is of an older version and cannot {name} (start the domain again)",
            Code.OPERATION_UNSUPPORTED,
        )
    return VirtlxcError(f"its controller refused {name}: {text or code}")
