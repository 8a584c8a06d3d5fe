"""Descriptors made by a process of their own, whose namespaces end with it."""

from __future__ import annotations

import os

from .. import syscalls
from ..lean import Socket, packet_pair, receive_fds, send_fds
from .context import StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def made_aside(make: Callable[[], list[int]], what: str) -> list[int]:
    """What ``make`` gives in a forked process; its OSError here. ``what`` that process does."""
    ours, theirs = packet_pair()
    pid = syscalls.clone(0)
    if pid == 0:
        _answer(make, theirs)
    theirs.close()
    answer, fds = receive_fds(ours, 4096)
    ours.close()
    os.waitpid(pid, 0)
    if not fds:
        number, _, path = answer.decode().partition(" ")
        if not number:
            raise StepError(0, "", f"the process that {what} was killed")
        raise OSError(int(number), os.strerror(int(number)), path or None)
    return fds


def _answer(make: Callable[[], list[int]], parent: Socket) -> None:
    try:
        send_fds(parent, b"made", make())
    except OSError as error:
        parent.send(f"{error.errno or 0} {error.filename or ''}".encode())
    finally:
        os._exit(0)
