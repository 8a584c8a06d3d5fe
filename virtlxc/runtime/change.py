"""Giving a running container a device, or taking one from it.

Forked by the spawner, for one change. The request is JSON: ``steps`` (of the sides controller and
init, in this order), ``pids`` by side, ``namespaces`` (kinds; those that are ours already are left
out). Descriptors: a pidfd of init, then any that shall stay open as long as this process works (the
lock on the change's journal). Steps of the controller are performed as on the host, those of init
in the container's namespaces; what they need from each other they hand over by keys.

Answers {"done": {}} or {"failed": ...}; what was done before a failure is the caller's to undo.
"""

from __future__ import annotations

import os

from . import protocol, syscalls
from .enter import differs, pid_of
from .lean import Socket, signal, stream
from .ops.context import Context, StepError
from .ops.identity import become
from .ops.process import die_with_parent
from .perform import run_step
from .protocol import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = ("user", "mnt", "net")


def main(fd: int) -> None:
    """Receive a request and serve it; never returns."""
    channel = stream(fd)
    try:
        # When the daemon dies, the spawner ends, and this process with it: nothing is done that
        # the next daemon does not know of.
        die_with_parent()
        got = protocol.receive(channel)
        if got is not None:
            _perform(*got)
            _tell(channel, {"done": {}})
    except Failed as failure:
        _tell(channel, {"failed": failure.to_json()})
    except BaseException as error:
        ours = Failed("change", "read the request", 0, "", f"internal error: {error!r}")
        _tell(channel, {"failed": ours.to_json()})
    finally:
        os._exit(0)


def _tell(channel: Socket, data: dict[str, Any]) -> None:
    try:
        protocol.send(channel, data)
    except OSError:
        return


def _perform(request: dict[str, Any], fds: list[int]) -> None:
    syscalls.set_signal(signal.SIGCHLD, ignored=False)
    ctx = Context("controller", {})
    ctx.pids = {side: int(pid) for side, pid in request["pids"].items()}
    inside = False
    for step in request["steps"]:
        if step["side"] == "init" and not inside:
            _enter(ctx, fds[0], request.get("namespaces", _KINDS))
            inside = True
        ctx.side = step["side"]
        run_step(ctx, step)


def _enter(ctx: Context, init_fd: int, wanted: list[str]) -> None:
    """Join the container's namespaces, as its root; its tree is key "root" from then on."""
    try:
        # Before the first setns: from then on a process inside could look at our memory.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        pid = pid_of(init_fd)
        mask = 0
        for kind in _KINDS:
            if kind in wanted and differs(pid, kind):
                mask |= syscalls.NAMESPACES[kind]
        if mask:
            syscalls.setns(init_fd, mask)
        if mask & syscalls.CLONE_NEWUSER:
            become(0, 0, [])
            die_with_parent()
        ctx.put("root", os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    except StepError as error:
        raise Failed("init", "enter the container", error.errno, "", error.text) from None
    except OSError as error:
        number = error.errno or 0
        raise Failed("init", "enter the container", number, "", os.strerror(number)) from None
