"""The performer: the controller's hands during one boot, gone when init runs.

Performing a plan touches much memory. A process forked for it takes that along when it leaves, and
the controller stays small. The performer acts for the controller, under its side of the plan; the
stage that it forks is the controller's child, not its own.
"""

from __future__ import annotations

import os
import select
import struct
import zlib

from . import protocol
from .console import open_slave
from .journal import undo, undo_records
from .lean import Socket, parse, send_fds, signal, unparse
from .ops.context import Context
from .ops.process import die_with_parent
from .perform import Conductor, quiet_signals
from .protocol import Failed, ProtocolError, resolve
from .service import FEATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: A zero byte, which no failure (JSON) begins with, and the numbers of a report.
REPORT = struct.Struct("=x8q")
_HEAD = REPORT.size
_LOG_BYTES = 2 << 20
_LOG_FILES = 3
#: How long a signal may stop an init that is traced before it is handed on.
_ATTEND_MS = 20


class Start:
    """What a controller was started with: the packed plan, in a file of no name.

    ``packed_boot``: the steps of the next boots, when devices have come or gone since.
    """

    def __init__(self) -> None:
        self.plan_fd = -1
        self.packed_boot = b""
        self.controller = 0

    def plan(self) -> dict[str, Any]:
        """The whole plan; who reads it needs much memory."""
        packed = os.pread(self.plan_fd, os.fstat(self.plan_fd).st_size, 0)
        plan: dict[str, Any] = parse(zlib.decompress(packed))
        return plan


def settings(plan: dict[str, Any], controller: int) -> list[str]:
    """What of a plan the controller itself needs, once init runs.

    The run folder, what a reboot shall do, the folder of the cgroup that has the domain's
    processes, the log's path, its bytes and files. What there is not is empty.
    """
    kill = resolve(plan.get("kill"), {"controller": controller})
    return [
        plan.get("run", ""),
        plan.get("on_reboot") or "restart",
        kill["mount"] + kill["path"] if kill else "",
        plan.get("log") or "",
        str(plan.get("log_bytes") or _LOG_BYTES),
        str(plan.get("log_files") or _LOG_FILES),
    ]


def pack_report(numbers: list[int], title: bytes, texts: list[str]) -> bytes:
    """What ``read_report`` reads with less effort than JSON takes."""
    return REPORT.pack(*numbers) + title + os.fsencode("\0".join(texts))


def read_report(packet: bytes) -> tuple[tuple[int, ...], bytes, list[str]]:
    """Numbers, title and texts; raises Failed when the packet tells that, or nothing."""
    if packet[:1] == b"\0":
        numbers = REPORT.unpack_from(packet)
        end = _HEAD + numbers[3]
        texts = packet[end:].decode("utf-8", "surrogateescape").split("\0")
        return numbers, packet[_HEAD:end], texts
    if not packet:
        raise Failed("controller", "", 0, "", "the performer was killed during the start")
    raise Failed.from_json(parse(packet)["failed"])


def perform(start: Start, channel: Socket, report: Socket) -> None:
    """The whole life of the first performer, forked by the controller; never returns."""

    def work() -> Context:
        _introduce(start, channel)
        plan = start.plan()
        ctx = _context(start, plan, report)
        if plan.get("fds"):
            ctx.keys = _receive_fds(channel, plan["fds"])
        if plan.get("go"):
            ctx.journalled = lambda: _still_wanted(channel)
        elif any(step["op"] == "await-scope" for step in plan["steps"]):
            ctx.scoped = lambda: _await_go(channel)
        else:
            _await_go(channel)
        _conduct(ctx, plan["steps"], report)
        return ctx

    _live(work, report)


def perform_again(start: Start, keys: dict[str, int], report: Socket) -> None:
    """The performer of a reboot from inside: the boot half is undone, then performed."""

    def work() -> Context:
        plan = start.plan()
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


def _receive_fds(channel: Socket, keys: list[str]) -> dict[str, int]:
    """The descriptors that the daemon hands over, by the names that the plan has for them."""
    got = protocol.receive(channel)
    if got is None:
        raise Failed("daemon", "", 0, "", "the start was given up")
    return dict(zip(keys, got[1], strict=True))


def _await_go(channel: Socket) -> None:
    got = protocol.receive(channel)
    # Held open here, the controller's end would not tell the daemon of its death.
    channel.close()
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
    """Report a boot: all that the controller needs to know, found out here, and descriptors.

    Numbers: init's pid and start time; the stage's pid, 0 if it became init; the size of the title;
    how many masters and slaves of consoles there are, if a listener and messages. Texts: identity,
    the settings, keys of steps that are not performed again at a reboot. Descriptors: init's
    pidfd, masters, slaves, those of the keys (last one first), the listener, the messages.
    """
    masters = set(ctx.masters)
    kept = {
        key: fd for key, fd in ctx.keys.items() if key not in ctx.boot_keys and fd not in masters
    }
    slaves = [slave for slave in map(open_slave, ctx.masters) if slave >= 0]
    if len(slaves) < len(ctx.masters):
        slaves = []  # the controller tries again
    init, stage, controller = ctx.pids["init"], ctx.pids["stage"], ctx.pids["controller"]
    identity = {
        "proto": protocol.PROTO,
        "version": protocol.VERSION,
        "features": FEATURES,
        "pid": controller,
        "starttime": protocol.start_time(controller),
        "boot_id": protocol.boot_id(),
    }
    title = os.fsencode("\0".join(ctx.title))
    numbers = [
        *(init, protocol.start_time(init), 0 if stage == init else stage, len(title)),
        *(len(ctx.masters), len(slaves), ctx.listener is not None, ctx.messages is not None),
    ]
    texts = [unparse(identity).decode()[1:-1], *settings(ctx.plan, controller), *kept]
    fds = [os.pidfd_open(init), *ctx.masters, *slaves, *reversed(kept.values())]
    if ctx.listener is not None:
        fds.append(ctx.listener.fileno())
    if ctx.messages is not None:
        fds.append(ctx.messages.fileno())
    send_fds(report, pack_report(numbers, title, texts), fds)


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
