"""The spawner: forks controllers and entering processes from one warm, frozen interpreter.

It has imported everything they can ever need, so that a fork is cheap and its pages stay shared. It
holds no state: its children belong to themselves, the kernel reaps them, and it leaves when the
daemon's end of its socket is closed.
"""

from __future__ import annotations

import gc
import os

from . import change, controller, enter, lean, protocol, syscalls
from .lean import signal
from .protocol import Failed
from .warm import warm_up

MAINS = {b"C": controller.main, b"E": enter.main, b"D": change.main}


def main(fd: int) -> None:
    """Serve the daemon's SOCK_SEQPACKET ``fd``: a kind of process, its channel, ... per packet."""
    requests = lean.Socket(fileno=fd)
    os.set_inheritable(fd, False)
    warm_up()
    # Ignored, so that the kernel reaps: no child of ours is ever waited for here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # The orphans of a controller that was killed are reaped here as well.
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    controller.take_signals()
    os.umask(0)
    # What runs inside a domain competes like any other process, however the daemon does.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    gc.collect()
    gc.freeze()
    gc.disable()
    requests.send(b"ready")
    while True:
        packet, fds = lean.receive_fds(requests, 32)
        if not packet:
            return
        run = MAINS.get(packet[:1])
        if run is not None and fds:
            _fork(run, requests, fds, packet[1:])
        for fd in fds:
            os.close(fd)


def _fork(
    run: Callable[[lean.Socket], None], requests: lean.Socket, fds: list[int], wanted: bytes
) -> None:
    """Fork a process for the channel ``fds[0]``; in the cgroup ``fds[1]`` with pid ``wanted``."""
    channel, *cgroup = fds
    try:
        pid = syscalls.clone(0, cgroup[0], int(wanted)) if cgroup else syscalls.clone(0)
    except OSError as error:
        failure = Failed("spawner", "fork", error.errno or 0, "", f"fork: {error.strerror}")
        sock = lean.stream(channel)
        protocol.send(sock, {"failed": failure.to_json()})
        sock.detach()
        return
    if pid == 0:
        try:
            requests.close()
            for fd in cgroup:
                os.close(fd)
            run(lean.stream(channel))
        finally:
            os._exit(1)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
