"""Doing before the first fork what every controller will do.

Python writes into code when it runs it for the first times (specialised instructions, inline
caches, method caches, hash values of strings). What is written before a fork is shared by
all that are forked; afterwards each pays for it, with private memory and with time.
"""

from __future__ import annotations

import os
import sys
import zlib

from . import lean, netlink, protocol, syscalls
from .controller import Controller
from .journal import undo_records
from .ops.context import Context
from .perform import Conductor
from .performer import pack_report, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Code specialises after some runs, and its caches settle in a few more.
_TIMES = 20
_REQUESTS = (
    b'{"call":"HELLO","proto":1,"pidfd":true}',
    b'{"call":"STATUS"}',
    b'{"call":"SUBSCRIBE"}',
    b'{"call":"CONSOLE"}',
)
#: Python's allocator keeps blocks of one size, up to 512 bytes in steps of 16, in pools of so many
#: bytes, behind a header.
_POOL = 16384
_POOL_HEADER = 48
_LARGEST = 512
_STEP = 16
#: A pool whose first blocks come in a row is one of which nothing is in use.
_ROW = 3
#: What is taken of one size at most, in bytes: another allocator may have no such pools.
_FILLING = 1 << 20
_filled: list[bytes] = []


def warm_up() -> None:
    """Live a controller's life, with sockets for ptys and ourselves for init."""
    for _ in range(_TIMES):
        _rehearse()
        _perform()


def fill_holes() -> None:
    """Take the free blocks among what there is: what a fork makes then lies together.

    In a hole, an object dirties a page that is shared otherwise, and its pool's header as well. The
    blocks are free memory among what is in use: some hundred KiB, once.
    """
    empty = sys.getsizeof(b"")
    for size in range(empty // _STEP * _STEP + _STEP, _LARGEST + 1, _STEP):
        row = last = taken = 0
        while row < _ROW and taken < _FILLING:
            _filled.append(bytes(size - empty))
            at = id(_filled[-1])
            follows = row and at == last + size
            row = 1 if at % _POOL == _POOL_HEADER else row + 1 if follows else 0
            last = at
            taken += size
        for _ in range(row):
            _filled.pop()  # so that the first one is the next to be given


#: Steps that leave nothing: a file system and a clone that nobody attached.
_STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("new-mount", {"key": "dev", "fstype": "tmpfs", "options": [["mode", "755"]], "attrs": ["ro"]}),
    ("open-tree", {"key": "root", "path": "/"}),
    ("mount-attr", {"key": "root", "set": ["ro"]}),
    ("open", {"key": "null", "path": "/dev/null", "flags": "w"}),
    ("write", {"path": "/dev/null", "data": "\0controller\0"}),
    ("close", {"key": "null"}),
    ("new-mount", {"key": "dev", "fstype": "tmpfs", "options": [["mode", "755"]]}),
    ("node", {"key": "dev", "path": "pts", "kind": "dir"}),
    # As a device node, which a host that is a container itself cannot make.
    ("node", {"key": "dev", "path": "null", "kind": "fifo", "major": 1, "minor": 3, "gid": 0}),
    ("node", {"key": "dev", "path": "fd", "kind": "link", "target": "/proc/self/fd"}),
    ("node", {"key": "dev", "path": "tty1", "kind": "file"}),
    ("close", {"key": "dev"}),
    ("close", {"key": "root"}),
)


def _perform() -> None:
    """What a performer does with its plan."""
    steps = [
        {
            "name": op, "side": "controller", "op": op, "args": args, "boot": True,
            "undo": {"op": "unlink", "args": {"path": "/\0controller\0"}},
        }
        for op, args in _STEPS
    ]  # fmt: skip
    plan = lean.parse(zlib.decompress(zlib.compress(lean.unparse({"steps": steps}))))
    ctx = Context("controller", plan)
    ctx.pids["controller"] = os.getpid()
    lean.unparse(undo_records(plan, ctx.pids))
    Conductor(ctx, plan["steps"], lambda channel: None).conduct()
    netlink.veth_request("host", "fe:00:00:00:00:01", "eth0", 1, "52:54:00:00:00:01", 1400, 1)
    with netlink.Route() as route:
        route.link("lo")


def _rehearse() -> None:
    daemon, channel = lean.stream_pair()
    guest, master = lean.stream_pair()
    terminal, slave = lean.stream_pair()
    listener = lean.listener()
    ends = syscalls.signal_fd(lean.signal.SIGTERM)
    controller = Controller(ends)
    master.setblocking(False)
    controller.begin(channel.detach(), ends, os.dup(ends))
    controller.boot(lambda report: _report(report, [master, slave, listener]))
    controller.report_start()
    protocol.receive(daemon)
    service = controller.service
    viewer = lean.connect(listener)
    service.turn()
    for request in _REQUESTS:
        viewer.send(len(request).to_bytes(4, "big") + request)
        service.turn()
        for fd in (protocol.receive(viewer) or ({}, []))[1]:
            os.close(fd)
    for _ in range(3):
        guest.send(b"some words of a guest\r\n")
        service.turn()
    for sock in (viewer, daemon):
        sock.shutdown(2)  # the performer has it open as well
        service.turn()
    controller.serve()
    controller.release()
    os.close(ends)
    for sock in (daemon, viewer, guest, terminal, master, slave, listener):
        sock.close()


def _report(report: lean.Socket, console: list[lean.Socket]) -> None:
    """A performer that has nothing to do, and is init itself."""
    own = os.getpid()
    title = b"virtlxc\0spawner"
    texts = ['"proto":1', *settings({"log": "/dev/null"}, own)]
    packet = pack_report([own, 1, 0, len(title), 1, 1, True, False], title, texts)
    try:
        fds = [os.pidfd_open(own), *(sock.fileno() for sock in console)]
        lean.send_fds(report, packet, fds)
        lean.signal.pause()
    finally:
        os._exit(0)
