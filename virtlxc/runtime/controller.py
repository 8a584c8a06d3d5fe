"""The controller: one process for one running domain, from its plan to its exit.json.

It is forked by the spawner, imports nothing, never unshares, and is single-threaded. It keeps the
plan as bytes: at a reboot from inside it performs the boot half again, at the end it undoes what
the plan made. What it must not need is the daemon: that may be away at any time after the start.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time

from . import protocol, syscalls
from .console import Console, Log
from .disk import replace
from .journal import undo, undo_records, write_journal
from .ops.cgroups import kill_tree
from .ops.context import Context
from .perform import Conductor
from .protocol import Failed, ProtocolError
from .service import FEATURES, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "0.1.0"
_LOG_BYTES = 2 << 20
_LOG_FILES = 3
#: A guest that reboots again and again within this time (seconds) is slowed down to it.
_SHORT_LIFE = 1.0
_SHORT_LIVES = 3
#: How a pid namespace's reboot(2) looks from outside.
_GUEST_ASKS: dict[int, str] = {int(signal.SIGHUP): "reboot", int(signal.SIGINT): "poweroff"}
#: How long the killed processes of a failed start may take to be gone, in seconds.
_REAP = 5.0


class Controller:
    """The state of one domain's controller."""

    def __init__(self, channel: socket.socket, raw_plan: bytes, fds: list[int]) -> None:
        self.channel: socket.socket | None = channel
        self.raw_plan = raw_plan
        self.service = Service(self)
        self.state = "starting"
        self.intent: str | None = None
        self.boots = 0
        self.init = 0
        self.init_start = 0
        self._init_fd = -1
        self._booted = 0.0
        self._short = 0
        self._over = False
        plan = json.loads(raw_plan)
        self._ctx = Context("controller", plan)
        self._ctx.pids["controller"] = os.getpid()
        for key, fd in zip(plan.get("fds", ()), fds, strict=True):
            self._ctx.put(key, fd)
        self._kill: dict[str, str] | None = protocol.resolve(
            plan.get("kill"), {"controller": os.getpid()}
        )
        self._run: str = plan["run"]
        self._on_reboot = plan.get("on_reboot", "restart")

    # --- identity -------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """The answer to HELLO."""
        pid = os.getpid()
        return {
            "proto": protocol.PROTO,
            "version": VERSION,
            "features": list(FEATURES),
            "pid": pid,
            "starttime": protocol.start_time(pid),
            "boot_id": protocol.boot_id(),
            **self.status(),
        }

    def status(self) -> dict[str, Any]:
        init = {"pid": self.init, "starttime": self.init_start} if self.init else None
        return {
            "state": self.state,
            "init": init,
            "boots": self.boots,
            "intent": self.intent,
            "consoles": len(self.service.consoles),
        }

    # --- start ----------------------------------------------------------------------------------

    def run(self) -> None:
        """The whole life. Errors of the start go to the daemon, later ones to exit.json."""
        self._settle()
        plan = self._ctx.plan
        steps = plan["steps"]
        conductor = Conductor(self._ctx, steps, self._wait)
        try:
            self._introduce()
            self.service.consoles = make_consoles(plan)
            self._boot(conductor)
            if self._ctx.listener is not None:
                self.service.listen(self._ctx.listener)
            self._report_start()
        except (Failed, ProtocolError, OSError) as error:
            self._abandon(steps[: conductor.done], error)
            return
        del conductor, steps, plan
        self._ctx.plan = {}
        self._live()

    def _settle(self) -> None:
        """A session of its own, deaf to all signals but TERM, heir of its orphans."""
        os.setsid()
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGTERM, lambda number, frame: self.kill())
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.service.watch(reader, lambda: self._drain(reader))

    def _drain(self, reader: int) -> None:
        try:
            os.read(reader, 64)
        except BlockingIOError:
            return

    def _introduce(self) -> None:
        """Tell the daemon who we are; it may put us into a scope before it says go."""
        assert self.channel is not None
        pid = os.getpid()
        pidfd = os.pidfd_open(pid)
        try:
            data = {"controller": {"pid": pid, "starttime": protocol.start_time(pid)}}
            protocol.send(self.channel, data, (pidfd,))
        finally:
            os.close(pidfd)
        got = protocol.receive(self.channel)
        if got is None or not got[0].get("go"):
            raise Failed("daemon", "", 0, "", "the start was given up")

    def _boot(self, conductor: Conductor) -> None:
        """Perform the steps of a boot; afterwards init runs and is our child."""
        ctx = self._ctx
        ctx.masters.clear()
        ctx.boot_keys = []
        conductor.conduct()
        self.init = ctx.pids["init"]
        self.init_start = protocol.start_time(self.init)
        self._init_fd = os.pidfd_open(self.init)
        self.service.watch(self._init_fd, self._init_ended)
        self.service.connect_consoles(ctx.masters)
        self._forget_keys()
        self.boots += 1
        self._booted = time.monotonic()
        self.state = "running"

    def _forget_keys(self) -> None:
        """Close what only the steps needed: a descriptor can keep a namespace or a mount alive."""
        masters = set(self._ctx.masters)
        for key in self._ctx.boot_keys or ():
            fd = self._ctx.keys.pop(key, None)
            if fd is not None and fd not in masters:
                os.close(fd)
        self._ctx.boot_keys = None

    def _wait(self, channel: socket.socket) -> None:
        """Wait for the children's socket; give up when the daemon does."""
        if self.channel is None:
            return
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        poll.register(self.channel, select.POLLRDHUP)
        while True:
            for fd, event in poll.poll():
                if fd == channel.fileno():
                    return
                if event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                    raise Failed("daemon", "", 0, "", "the start was given up")

    def _report_start(self) -> None:
        assert self.channel is not None
        started = {
            "init": self.init,
            "init_starttime": self.init_start,
            "consoles": len(self.service.consoles),
        }
        protocol.send(self.channel, {"started": started})
        self.channel.close()
        self.channel = None

    # --- life -----------------------------------------------------------------------------------

    def _live(self) -> None:
        self.service.tell({"event": "boot", "init": self.init, "boots": self.boots})
        while True:
            while not self._over:
                self.service.turn()
            self._over = False
            status = self._bury()
            if not self._reboots(status):
                self._finish(status, None)
                return
            self.service.tell({"event": "reboot", "boots": self.boots})
            self._pace()
            try:
                self._reboot()
            except (Failed, ProtocolError, OSError) as error:
                self._kill_all()
                self._finish(status, _describe(error))
                return
            self.service.tell({"event": "boot", "init": self.init, "boots": self.boots})

    def _init_ended(self) -> None:
        self.service.unwatch(self._init_fd)
        self._over = True

    def _bury(self) -> dict[str, Any]:
        """Reap init; how it ended, in the words of exit.json."""
        _, code = os.waitpid(self.init, 0)
        os.close(self._init_fd)
        self.service.disconnect_consoles()
        self.init = self.init_start = 0
        uptime = time.monotonic() - self._booted
        number = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
        # The kernel tells reboot(2) of a pid namespace by a signal: reboot(2), "Behavior inside
        # PID namespaces".
        asked = _GUEST_ASKS.get(number)
        return {
            "how": "signaled" if number else "exited",
            "status": 0 if number else os.WEXITSTATUS(code),
            "signal": number,
            "guest": asked,
            "init_uptime_s": round(uptime, 3),
        }

    def _reboots(self, status: dict[str, Any]) -> bool:
        return (
            status["guest"] == "reboot"
            and self.intent != "destroy"
            and self._on_reboot in ("restart", "rename-restart")
        )

    def _pace(self) -> None:
        """A guest that only reboots must not cost a core."""
        self.state = "rebooting"
        life = time.monotonic() - self._booted
        self._short = self._short + 1 if life < _SHORT_LIFE else 0
        if self._short >= _SHORT_LIVES:
            deadline = self._booted + _SHORT_LIFE
            while time.monotonic() < deadline and self.intent != "destroy":
                self.service.turn(deadline)

    def _reboot(self) -> None:
        """Undo the boot half and perform it again, in fresh namespaces."""
        if self.intent == "destroy":
            raise Failed("controller", "", 0, "", "destroyed while it rebooted")
        self.intent = None
        plan = json.loads(self.raw_plan)
        steps = protocol.boot_half(plan["steps"])
        self._ctx.plan = plan
        self._kill_all()
        self._ctx.pids = {"controller": os.getpid()}
        undo(undo_records(plan, self._ctx.pids, steps))
        self._boot(Conductor(self._ctx, steps, self._wait))
        self._ctx.plan = {}

    # --- end ------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill every process of the domain; the rest follows from init's end."""
        if self._kill is not None:
            kill_tree(self._kill["mount"] + self._kill["path"])
        for pid in (self.init, self._ctx.pids.get("stage", 0), self._ctx.pids.get("init", 0)):
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def _kill_all(self) -> None:
        """Kill, and wait until no child is left."""
        self.kill()
        deadline = time.monotonic() + _REAP
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.0005)
            except ChildProcessError:
                break
        self._ctx.pids.pop("stage", None)
        self._ctx.pids.pop("init", None)
        self.init = 0

    def _undo(self, steps: list[dict[str, Any]]) -> list[str]:
        """Undo in reverse; what must wait for our own end, or was refused, stays in the journal.

        The daemon undoes its own steps, but for those that wait for our end.
        """
        own = [
            step
            for step in steps
            if step["side"] != "daemon" or (step.get("undo") or {}).get("late")
        ]
        records = undo_records({}, {"controller": os.getpid()}, own)
        late = [record for record in records if record.get("late")]
        refused = undo([record for record in records if not record.get("late")])
        if self._ctx.journal is not None:
            left = [record for record, _ in refused] + late
            write_journal(self._ctx.journal, left, self._kill if refused else None)
        return [f"{record['step']}: {reason}" for record, reason in refused]

    def _abandon(self, steps: list[dict[str, Any]], error: Exception) -> None:
        """A start that failed: nothing may be left, then the daemon hears why."""
        self._kill_all()
        left = self._undo(steps)
        failure = _describe(error)
        if left:
            failure["left"] = left
        try:
            assert self.channel is not None
            protocol.send(self.channel, {"failed": failure})
        except OSError:
            return

    def _finish(self, status: dict[str, Any], error: dict[str, Any] | None) -> None:
        """The end of life: undo everything, leave exit.json, tell who listens."""
        self.state = "ending"
        if self._kill is not None:
            kill_tree(self._kill["mount"] + self._kill["path"])
        plan = json.loads(self.raw_plan)
        left = self._undo(plan["steps"])
        report = {
            "proto": protocol.PROTO,
            **status,
            "intent": self.intent,
            "boots": self.boots,
            "time": time.time(),
            "error": error,
        }
        if left:
            report["left"] = left
        replace(f"{self._run}/exit.json", json.dumps(report).encode())
        self.service.tell({"event": "exit", **report})


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, Failed):
        return error.to_json()
    number = error.errno or 0 if isinstance(error, OSError) else 0
    return Failed("controller", "", number, "", str(error)).to_json()


def make_consoles(plan: dict[str, Any]) -> list[Console]:
    """The consoles of a plan: as many as its ptys, the first one with the domain's log."""
    count = sum(step["args"]["count"] for step in plan["steps"] if step["op"] == "ptys")
    log = None
    if plan.get("log"):
        log = Log(plan["log"], plan.get("log_bytes", _LOG_BYTES), plan.get("log_files", _LOG_FILES))
    return [Console(log if number == 0 else None) for number in range(count)]


def main(channel: socket.socket) -> None:
    """Receive the plan and run; never returns."""
    try:
        got = protocol.receive_raw(channel)
        if got is not None:
            Controller(channel, *got).run()
    except BaseException as error:
        _last_words(channel, error)
    finally:
        os._exit(0)


def _last_words(channel: socket.socket, error: BaseException) -> None:
    """A mistake of ours: with its trace to the daemon's log, in one line to the daemon."""
    trace, where = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        where.append(f"  {code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    text = "\n".join(["virtlxc controller: internal error", *where, f"  {error!r}\n"])
    failure = Failed("controller", "", 0, "", f"internal error: {error!r}")
    with contextlib.suppress(OSError):
        os.write(2, text.encode())
    with contextlib.suppress(OSError):
        protocol.send(channel, {"failed": failure.to_json()})
