"""The performer: the controller's hands during one boot, gone when init runs.

Performing a plan touches much memory. A process forked for it takes that along when it leaves, and
the controller stays small. The performer acts for the controller, under its side of the plan; the
stage that it forks is the controller's child, not its own.
"""

from __future__ import annotations

import os
import select
import zlib

from . import protocol
from .journal import undo, undo_records
from .lean import Socket, parse, send_fds, signal, unparse
from .ops.context import Context
from .ops.process import die_with_parent
from .perform import Conductor, quiet_signals
from .protocol import Failed, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: How long a signal may stop an init that is traced before it is handed on.
_ATTEND_MS = 20


class Boot:
    """What a performer achieved: pids, and the descriptors that the controller is to keep.

    ``stage`` is 0 when the stage became init itself. ``keys`` are those of steps that are not
    performed again at a reboot; ``masters`` those of the consoles; ``title`` the words to show.
    """

    def __init__(self, data: dict[str, Any], fds: list[int]) -> None:
        self.init = int(data["init"])
        self.stage = int(data["stage"])
        self.title: list[str] = data["title"]
        first = len(data["keys"])
        last = first + data["masters"]
        self.keys: dict[str, int] = dict(zip(data["keys"], fds[:first], strict=True))
        self.masters = fds[first:last]
        others = iter(fds[last:])
        self.listener = next(others) if data["listener"] else -1
        self.messages = next(others) if data["messages"] else -1


class Start:
    """What a start was asked for with: ``head`` and ``packed_plan`` unread, descriptors passed.

    ``packed_boot``: the steps of the next boots, when devices have come or gone since.
    """

    def __init__(self, head: bytes, packed_plan: bytes, fds: list[int]) -> None:
        self.head = head
        self.packed_plan = packed_plan
        self.packed_boot = b""
        self.fds = fds
        self.controller = os.getpid()


def perform(start: Start, channel: Socket, report: Socket) -> None:
    """The whole life of the first performer, forked by the controller; never returns."""

    def work() -> Context:
        _introduce(start, channel)
        plan = parse(zlib.decompress(start.packed_plan))
        ctx = _context(start, plan, report)
        if plan.get("go"):
            ctx.journalled = lambda: _still_wanted(channel)
        else:
            _await_go(channel)
            # Held open here, the controller's end would not tell the daemon of its death.
            channel.close()
        ctx.keys = dict(zip(plan.get("fds") or (), start.fds, strict=True))
        _conduct(ctx, plan["steps"], report)
        return ctx

    _live(work, report)


def perform_again(start: Start, keys: dict[str, int], report: Socket) -> None:
    """The performer of a reboot from inside: the boot half is undone, then performed."""

    def work() -> Context:
        plan = parse(zlib.decompress(start.packed_plan))
        ctx = _context(start, plan, report)
        ctx.keys = keys
        steps = amended(start) or protocol.boot_half(plan["steps"])
        # The controller has ended what ran; cgroup.kill would end what is born there next (see
        # Controller._reboot).
        records = undo_records(plan, ctx.pids, steps)
        undo([record for record in records if record["op"] != "cgroup-kill"])
        _conduct(ctx, steps, report)
        return ctx

    _live(work, report)


def amended(start: Start) -> list[dict[str, Any]]:
    """The boot half that replaces the plan's own; empty when nothing was changed."""
    steps: list[dict[str, Any]] = []
    if start.packed_boot:
        steps = parse(zlib.decompress(start.packed_boot))
    return steps


def _live(work: Callable[[], Context], report: Socket) -> None:
    try:
        quiet_signals()
        die_with_parent()
        _tell_done(work(), report)
        # To end costs a millisecond of a core, which the controller needs now; it kills us later.
        signal.pause()
    except (Failed, ProtocolError, OSError) as error:
        _tell_failed(report, describe(error))
    except BaseException as error:
        failure = Failed("controller", "", 0, "", f"internal error: {error!r}").to_json()
        _tell_failed(report, failure)
    finally:
        os._exit(0)


def _introduce(start: Start, channel: Socket) -> None:
    """Tell the daemon who the controller is; it may put it into a scope before it says go."""
    pid = start.controller
    pidfd = os.pidfd_open(pid)
    data = {"controller": {"pid": pid, "starttime": protocol.start_time(pid)}}
    protocol.send(channel, data, (pidfd,))
    os.close(pidfd)


def _await_go(channel: Socket) -> None:
    got = protocol.receive(channel)
    if got is None or not got[0].get("go"):
        raise Failed("daemon", "", 0, "", "the start was given up")


def _still_wanted(channel: Socket) -> None:
    """Give up if the daemon is gone, now that its successor can read in the journal whom to end.

    Before there was a journal, that one could not know; but then nothing had been made.
    """
    poll = select.poll()
    poll.register(channel, select.POLLRDHUP)
    gone = poll.poll(0)
    channel.close()
    if gone:
        raise Failed("daemon", "", 0, "", "the start was given up")


def _context(start: Start, plan: dict[str, Any], report: Socket) -> Context:
    ctx = Context("controller", plan)
    ctx.report = report
    ctx.pids["controller"] = start.controller
    return ctx


def _conduct(ctx: Context, steps: list[dict[str, Any]], report: Socket) -> None:
    Conductor(ctx, steps, lambda channel: _wait(ctx, channel, report)).conduct()


def _wait(ctx: Context, channel: Socket, report: Socket) -> None:
    """Wait for the stage's or init's socket; give up when the controller is gone."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(report, select.POLLRDHUP)
    while True:
        found = poll.poll(None if ctx.tracee is None else _ATTEND_MS)
        if ctx.tracee is not None:
            ctx.tracee.attend()
        for fd, event in found:
            if fd == channel.fileno():
                return
            if event:
                raise Failed("controller", "", 0, "", "the start was given up")


def _tell_done(ctx: Context, report: Socket) -> None:
    masters = set(ctx.masters)
    kept = {
        key: fd for key, fd in ctx.keys.items() if key not in ctx.boot_keys and fd not in masters
    }
    init, stage = ctx.pids["init"], ctx.pids["stage"]
    data = {
        "init": init,
        "stage": 0 if stage == init else stage,
        "title": ctx.title,
        "keys": list(kept),
        "masters": len(ctx.masters),
        "listener": ctx.listener is not None,
        "messages": ctx.messages is not None,
    }
    fds = [*kept.values(), *ctx.masters]
    if ctx.listener is not None:
        fds.append(ctx.listener.fileno())
    if ctx.messages is not None:
        fds.append(ctx.messages.fileno())
    send_fds(report, unparse({"performed": data}), fds)


def _tell_failed(report: Socket, failure: dict[str, Any]) -> None:
    try:
        report.send(unparse({"failed": failure}))
    except OSError:
        return


def describe(error: Exception) -> dict[str, Any]:
    """An error as the daemon gets it."""
    if isinstance(error, Failed):
        return error.to_json()
    number = error.errno or 0 if isinstance(error, OSError) else 0
    return Failed("controller", "", number, "", str(error)).to_json()
