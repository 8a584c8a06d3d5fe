"""The spawner: forks controllers and entering processes from one warm, frozen interpreter.

It has imported everything they can ever need, so that a fork is cheap and its pages stay shared. It
holds no state: its children belong to themselves, the kernel reaps them, and it leaves when the
daemon's end of its socket is closed.
"""

from __future__ import annotations

import gc
import os
import signal
import socket

from . import controller, enter

MAINS = {b"C": controller.main, b"E": enter.main}


def main(fd: int) -> None:
    """Serve the daemon's SOCK_SEQPACKET ``fd``: a kind of process and its channel per packet."""
    requests = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    # Ignored, so that the kernel reaps: no child of ours is ever waited for here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0)
    gc.collect()
    gc.freeze()
    gc.disable()
    requests.send(b"ready")
    while True:
        kind, fds, _, _ = socket.recv_fds(requests, 16, 4, socket.MSG_CMSG_CLOEXEC)
        if not kind:
            return
        run = MAINS.get(kind)
        if run is not None and len(fds) == 1:
            _fork(run, requests, fds[0])
        for channel in fds:
            os.close(channel)


def _fork(run: Callable[[socket.socket], None], requests: socket.socket, channel: int) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        # The closed channel tells the daemon that nothing was started.
        os.write(2, f"virtlxc spawner: fork: {error.strerror}\n".encode())
        return
    if pid == 0:
        try:
            requests.close()
            run(socket.socket(fileno=channel))
        finally:
            os._exit(1)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
