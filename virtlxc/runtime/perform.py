"""Walking a plan: each process performs its own segments, and phases keep them in step.

All processes of a start derive the same segments from the same steps. The controller announces each
of its segments with ``{"phase": n}``, and awaits that number from the stage or init for each of
theirs; any other number is an error. ``{"failed": ...}`` may come at any time, and the end of the
stream means that the process was killed - or, once init has announced its last segment, that its
program runs: the socket is close-on-exec.
"""

from __future__ import annotations

import _socket
import os
import select

from .lean import Socket, parse, receive_fds, send_fds, signal, unparse
from .ops import OPS
from .ops.context import Context, StepError
from .ops.process import die_with_parent
from .protocol import Failed, ProtocolError, resolve, segments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_PACKET = 65536
_DYING_MS = 50
#: Operations of the controller that look at nothing which stage or init do once they run: a segment
#: of these alone is performed while they are at work, not after. (A veth pair takes 2 ms.)
_AHEAD = frozenset(("open-ns", "link-veth", "address", "route"))


def run_step(ctx: Context, step: dict[str, Any]) -> None:
    """Perform one step; raises Failed, whatever went wrong."""
    name = step["name"]
    ctx.again = bool(step.get("boot"))
    try:
        operation = OPS.get(step["op"])
        if operation is None:
            raise StepError(0, step["op"], f"unknown operation '{step['op']}'")
        operation(ctx, **resolve(step.get("args", {}), ctx.pids))
    except Failed:
        raise
    except StepError as error:
        text = error.text or os.strerror(error.errno)
        raise Failed(ctx.side, name, error.errno, error.path, text) from None
    except OSError as error:
        raise Failed(ctx.side, name, error.errno or 0, _path(error), _text(error)) from None
    except Exception as error:
        text = f"internal error in operation '{step['op']}': {error!r}"
        raise Failed(ctx.side, name, 0, "", text) from error


def _path(error: OSError) -> str:
    name = error.filename
    return os.fsdecode(name) if isinstance(name, str | bytes) else ""


def _text(error: OSError) -> str:
    path = _path(error)
    reason = error.strerror or str(error)
    return f"{path}: {reason}" if path else reason


def announce(channel: Socket, phase: int, keys: Mapping[str, int] | None = None) -> None:
    """Say that a segment is done; the controller hands over descriptors that it made meanwhile."""
    if keys:
        send_fds(channel, unparse({"phase": phase, "keys": list(keys)}), list(keys.values()))
    else:
        channel.send(b'{"phase":%d}' % phase)


# --- stage and init -----------------------------------------------------------------------------


def follow(ctx: Context, steps: list[dict[str, Any]], phase: int) -> None:
    """The way of a child through ``steps`` from ``phase`` on; init leaves it by executing.

    Raises Failed; ProtocolError when the controller is gone or out of step.
    """
    assert ctx.channel is not None
    parts = segments(steps)
    while phase < len(parts):
        side, first, last = parts[phase]
        ctx.phase = phase
        if side == ctx.side:
            for step in steps[first:last]:
                run_step(ctx, step)
            announce(ctx.channel, phase)
        elif side == "controller":
            _await_controller(ctx, ctx.channel, phase)
        else:
            raise Failed(ctx.side, "", 0, "", f"a step of {side} follows one of {ctx.side}")
        phase += 1
    raise Failed(ctx.side, "", 0, "", f"the plan ends before {ctx.side} executes anything")


def before_exec(ctx: Context) -> None:
    """What init does last: from now on the controller's death is its own.

    That is right only once the stage is gone and the controller is the parent. Were the controller
    gone as well, its end of the socket would be closed, and the announcement refused.
    """
    assert ctx.channel is not None
    if ctx.stage_fd >= 0:
        poll = select.poll()
        poll.register(ctx.stage_fd, select.POLLIN)
        poll.poll()
    die_with_parent()
    announce(ctx.channel, ctx.phase)


def _await_controller(ctx: Context, channel: Socket, phase: int) -> None:
    packet, fds = receive_fds(channel, _PACKET)
    if packet == b'{"phase":%d}' % phase:
        return
    if not packet:
        raise ProtocolError("the controller is gone")
    data = parse(packet)
    if data.get("phase") != phase:
        raise ProtocolError(f"waited for phase {phase} of the controller, got {packet!r}")
    for key, fd in zip(data["keys"], fds, strict=True):
        ctx.put(key, fd)


def keys_of(steps: list[dict[str, Any]]) -> set[str]:
    """The keys that stage and init use: what the controller has to hand over."""
    found = {"root"}
    for step in steps:
        if step["side"] in ("stage", "init"):
            args = step.get("args", {})
            found.update(args.get("keep") or ())
            if isinstance(key := args.get("key"), str):
                found.add(key)
    return found


def run_child(ctx: Context, side: str, steps: list[dict[str, Any]]) -> None:
    """The whole life of a forked child, to its exec or its end; called by the fork operations."""
    try:
        if side == "stage":
            die_with_parent()
        ctx.side = side
        ctx.executed = lambda: before_exec(ctx)
        follow(ctx, steps, ctx.phase + 1 if ctx.forked_last else ctx.phase)
    except Failed as failure:
        _tell(ctx, failure)
    except ProtocolError as error:
        _tell(ctx, Failed(side, "", 0, "", str(error)))
    except BaseException as error:
        _tell(ctx, Failed(side, "", 0, "", f"internal error: {error!r}"))
    finally:
        os._exit(127)


def quiet_signals() -> None:
    """What the controller listens to is not for the processes that it forks."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))


def _tell(ctx: Context, failure: Failed) -> None:
    assert ctx.channel is not None
    try:
        ctx.channel.send(unparse({"failed": failure.to_json()}))
    except OSError:
        return


# --- controller ---------------------------------------------------------------------------------


def _packet(channel: Socket, flags: int = 0) -> bytes:
    """What a child says next; nothing when it is gone.

    One that had not read all that it got is told of by an error, once, before its last words.
    """
    try:
        return channel.recv(_PACKET, flags)
    except ConnectionResetError:
        return channel.recv(_PACKET, flags)


def _last_words(channel: Socket) -> Failed | None:
    """The failure that a child has told and that we have not read yet; None when it lives on."""
    try:
        while packet := _packet(channel, _socket.MSG_DONTWAIT):
            if "failed" in (data := parse(packet)):
                return Failed.from_json(data["failed"])
    except BlockingIOError:
        return None
    return Failed("stage", "", 0, "", "stage or init was killed during the start")


class Conductor:
    """The controller's way through the steps of one boot.

    ``done`` counts the steps performed or begun by any side: what has to be undone after a failure.
    ``wait(channel)`` blocks until the channel is readable; it may raise Failed, when nobody
    waits for the start any more.
    """

    def __init__(
        self, ctx: Context, steps: list[dict[str, Any]], wait: Callable[[Socket], None]
    ) -> None:
        self.ctx = ctx
        self.steps = steps
        self.wait = wait
        self.done = 0
        self._early: dict[str, Any] | None = None
        self._handed = keys_of(steps)
        self._known: dict[str, int] = {}
        self._ahead = -1

    def conduct(self) -> None:
        """Perform all steps; returns when init's program runs. Raises Failed or ProtocolError."""
        ctx = self.ctx
        ctx.enter = lambda child, side: run_child(child, side, self.steps)
        parts = segments(self.steps)
        last_of_init = max((i for i, part in enumerate(parts) if part[0] == "init"), default=-1)
        for phase, (side, first, last) in enumerate(parts):
            ctx.phase = phase
            if side == "daemon":
                self.done = last
            elif side == "controller":
                if phase != self._ahead:
                    self._segment(phase, first, last, last_of_init)
                self._go_ahead(parts, phase, last_of_init)
            else:
                self.done = last
                self._await(phase, side)
                if phase == last_of_init:
                    self._await_exec()

    def _segment(self, phase: int, first: int, last: int, last_of_init: int) -> None:
        try:
            forked_last = self._own(first, last)
        except Failed as failure:
            # It may only follow from the end of the child, who may have said why.
            raise self._why_gone() or failure from None
        if self.ctx.channel is not None and not forked_last and phase < last_of_init:
            self._announce(self.ctx.channel, phase)

    def _why_gone(self) -> Failed | None:
        channel = self.ctx.channel
        if channel is None:
            return None
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        # The kernel takes a dying process's namespaces away a moment before it closes its sockets.
        poll.poll(_DYING_MS)
        return _last_words(channel)

    def _go_ahead(self, parts: list[tuple[str, int, int]], phase: int, last_of_init: int) -> None:
        """Perform the controller's next segment now, if it needs not to wait for its turn.

        Its announcement waits in the socket until stage or init come to ask for it.
        """
        following = (i for i in range(phase + 1, last_of_init) if parts[i][0] == "controller")
        number = next(following, -1)
        if number < 0 or self.ctx.channel is None:
            return
        _, first, last = parts[number]
        if all(step["op"] in _AHEAD for step in self.steps[first:last]):
            self._ahead = number
            self._segment(number, first, last, last_of_init)

    def _own(self, first: int, last: int) -> bool:
        """Perform a segment of the controller; True if its last step forked the stage.

        Then the stage goes on at once; else it awaits the end of the segment like any other.
        """
        ctx = self.ctx
        ctx.forked_last = self.steps[last - 1]["op"] == "fork-stage"
        for number in range(first, last):
            self.done = number + 1
            run_step(ctx, self.steps[number])
            if self.steps[number]["op"] == "fork-stage":
                # The child has our table as it was when it was forked.
                self._known = dict(ctx.keys)
        return ctx.forked_last

    def _announce(self, channel: Socket, phase: int) -> None:
        """Tell a phase, with the keys that are new; a child that is gone may have said why."""
        fresh = {
            key: fd
            for key, fd in self.ctx.keys.items()
            if key in self._handed and self._known.get(key) != fd
        }
        self._known.update(fresh)
        try:
            announce(channel, phase, fresh)
        except OSError as error:
            failure = Failed("stage", "", error.errno or 0, "", f"stage or init: {error.strerror}")
            raise _last_words(channel) or failure from None

    def _await(self, phase: int, side: str) -> None:
        data = self._early or self._receive(side)
        self._early = None
        if side == "stage" and data.get("phase") == phase + 1 and "init" not in data:
            # Init may be quicker than the stage's report of having forked it.
            self._early, data = data, self._receive(side)
        if data.get("phase") != phase:
            raise ProtocolError(f"waited for phase {phase} of {side}, got {data!r}")
        if "init" in data:
            pid = int(data["init"])
            self.ctx.pids["init"] = pid or self.ctx.pids["stage"]

    def _receive(self, side: str) -> dict[str, Any]:
        channel = self.ctx.channel
        if channel is None:
            raise ProtocolError(f"the plan has steps of {side} before fork-stage")
        self.wait(channel)
        packet = _packet(channel)
        if not packet:
            raise Failed(side, "", 0, "", f"{side} was killed during the start")
        data = parse(packet)
        if "failed" in data:
            raise Failed.from_json(data["failed"])
        if not isinstance(data, dict):
            raise ProtocolError(f"{side} sent {packet!r}")
        return data

    def _await_exec(self) -> None:
        """The end of the stream: init's program runs. Anything else: it could not be executed."""
        channel = self.ctx.channel
        assert channel is not None
        self.wait(channel)
        packet = channel.recv(_PACKET)
        if packet:
            raise Failed.from_json(parse(packet).get("failed", {}))
        channel.close()
        self.ctx.channel = None
