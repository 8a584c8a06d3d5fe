"""Doing before the first fork what every controller will do.

Python writes into code when it runs it for the first times (specialised instructions, inline
caches, method caches, hash values of strings). What is written before a fork is shared by
all that are forked; afterwards each pays for it, with private memory and with time.
"""

from __future__ import annotations

import os

from . import lean, protocol, syscalls
from .controller import Controller

#: Code specialises after some runs, and its caches settle in a few more.
_TIMES = 20
_HEAD = b'{"log":"/dev/null","run":"/","kill":{"mount":"/","path":"/"},"fds":[]}'
_REQUESTS = (
    b'{"call":"HELLO"}',
    b'{"call":"STATUS"}',
    b'{"call":"SUBSCRIBE"}',
    b'{"call":"CONSOLE"}',
)


def warm_up() -> None:
    """Live a controller's life, with sockets for ptys and ourselves for init."""
    for _ in range(_TIMES):
        _fork()
        _rehearse()


def _fork() -> None:
    pid = syscalls.clone(0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _rehearse() -> None:
    daemon, channel = lean.stream_pair()
    controller = Controller(channel, _HEAD, b"", [])
    report, performer = lean.packet_pair()
    guest, master = lean.stream_pair()
    viewer, connection = lean.stream_pair()
    master.setblocking(False)
    performed = {
        "init": os.getpid(), "stage": 0, "title": ["virtlxc", "spawner"], "keys": [],
        "masters": 1, "listener": False,
    }  # fmt: skip
    lean.send_fds(performer, lean.unparse({"performed": performed}), [master.fileno()])
    controller.adopt(controller.await_performer(report))
    controller.report_start()
    protocol.receive_raw(daemon)
    service = controller.service
    service.admit(connection)
    for request in _REQUESTS:
        viewer.send(len(request).to_bytes(4, "big") + request)
        service.turn()
        protocol.receive_raw(viewer)
    for _ in range(3):
        guest.send(b"some words of a guest\r\n")
        service.turn()
    controller.release()
    for sock in (daemon, report, performer, guest, master, viewer):
        sock.close()
