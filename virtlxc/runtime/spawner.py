"""The spawner: forks controllers and entering processes from one warm, frozen interpreter.

It has imported everything they can ever need, so that a fork is cheap and its pages stay shared. It
holds no state: its children belong to themselves, the kernel reaps them, and it leaves when the
daemon's end of its socket is closed.
"""

from __future__ import annotations

import gc
import os
from os import close

from . import change, controller, enter, lean, protocol, syscalls
from .lean import signal
from .protocol import Failed
from .warm import fill_holes, warm_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAINS: dict[bytes, Callable[..., None]] = {
    b"C": controller.main,
    b"E": enter.main,
    b"D": change.main,
}


def main(fd: int) -> None:
    """Serve the daemon's SOCK_SEQPACKET ``fd``: one process to fork per packet, see _fork."""
    requests = lean.Socket(fileno=fd)
    os.set_inheritable(fd, False)
    warm_up()
    # Ignored, so that the kernel reaps: no child of ours is ever waited for here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # The orphans of a controller that was killed are reaped here as well.
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    controller.prepare()
    os.umask(0)
    # What runs inside a domain competes like any other process, however the daemon does.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    gc.collect()
    syscalls.trim_heap()
    fill_holes()
    gc.freeze()
    gc.disable()
    requests.send(b"ready")
    while True:
        packet, fds = lean.receive_fds(requests, 32)
        if not packet:
            return
        run = MAINS.get(packet[:1])
        if run is not None and fds:
            _fork(run, fd, fds, packet[1:])
        for got in fds:
            os.close(got)


def _fork(run: Callable[..., None], requests: int, fds: list[int], wanted: bytes) -> None:
    """Fork a process that serves the channel ``fds[0]``; it gets the other descriptors as well.

    With a pid ``wanted``, the last one is the cgroup to be born in.
    """
    try:
        pid = syscalls.clone(0, fds[-1], int(wanted)) if wanted else syscalls.clone(0)
    except OSError as error:
        failure = Failed("spawner", "fork", error.errno or 0, "", f"fork: {error.strerror}")
        sock = lean.stream(fds[0])
        protocol.send(sock, {"failed": failure.to_json()})
        sock.detach()
        return
    if pid == 0:
        try:
            close(requests)
            run(*fds)
        finally:
            os._exit(1)
