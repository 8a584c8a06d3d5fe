"""The controller: one process for one running domain, from its plan to its exit.json.

It is forked by the spawner, imports nothing, never unshares, and is single-threaded. It keeps the
plan as bytes: at a reboot from inside it performs the boot half again, at the end it undoes what
the plan made. What it must not need is the daemon: that may be away at any time after the start.
"""

from __future__ import annotations

import os
import select
import time
import zlib

from . import protocol, syscalls
from .disk import read_text, replace
from .journal import undo, undo_records, write_journal
from .lean import Socket, packet_pair, parse, receive_fds, signal, stream, unparse
from .ops.cgroups import end_stragglers, kill_tree
from .ops.served import serves
from .performer import Boot, Start, amended, describe, perform, perform_again
from .protocol import Failed, ProtocolError
from .service import FEATURES, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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


class Settings:
    """What of a plan the controller itself needs, once init runs."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.run: str = head.get("run", "")
        self.on_reboot: str = head.get("on_reboot") or "restart"
        self.kill: dict[str, str] | None = protocol.resolve(
            head.get("kill"), {"controller": os.getpid()}
        )
        self.log: tuple[str, int, int] | None = None
        if head.get("log"):
            limits = head.get("log_bytes") or _LOG_BYTES, head.get("log_files") or _LOG_FILES
            self.log = (head["log"], *limits)


#: Whom SIGTERM is for; the handler is set once, in the spawner: see take_signals.
_current: Controller | None = None


def take_signals() -> None:
    """Deaf to all signals of terminals; TERM ends a controller's domain, or the spawner itself."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: object) -> None:
    if _current is None:
        os._exit(0)
    _current.kill()


class Controller:
    """The state of one domain's controller.

    ``head`` (JSON) is the plan without its steps, ``packed_plan`` the whole plan as zlib-packed
    JSON, which only performers and the end unpack: what the controller itself does costs memory for
    as long as it lives.
    """

    def __init__(self, channel: Socket, head: bytes, packed_plan: bytes, fds: list[int]) -> None:
        self.channel: Socket | None = channel
        self.start = Start(head, packed_plan, fds)
        self.service = Service(self)
        self.state = "starting"
        self.intent: str | None = None
        # A shutdown was asked for while init was busy with a reboot: that boot is not wanted.
        self.overruled = False
        self.boots = 0
        self.init = 0
        self.init_start = 0
        self._init_fd = -1
        self._booted = 0.0
        self._performer = 0
        self._short = 0
        self._over = False
        self._keys: dict[str, int] = {}
        self._settings = Settings({})

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
        try:
            self._boot(again=False)
            self.report_start()
        except Failed as error:
            self._abandon(error.to_json())
        except (ProtocolError, OSError) as error:
            self._abandon(describe(error))
        else:
            self._live()

    def _settle(self) -> None:
        """A session of its own, heir of its orphans."""
        os.setsid()
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        global _current
        _current = self
        syscalls.set_signal(signal.SIGCHLD, ignored=False)
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.service.watch(reader, lambda: self._drain(reader))

    def _drain(self, reader: int) -> None:
        try:
            os.read(reader, 64)
        except BlockingIOError:
            return

    def _boot(self, again: bool) -> None:
        """Have the steps of a boot performed; afterwards init runs and is our child."""
        ours, theirs = packet_pair()
        pid = syscalls.clone(0)
        if pid == 0:
            ours.close()
            if again:
                perform_again(self.start, self._keys, theirs)
            else:
                assert self.channel is not None
                perform(self.start, self.channel, theirs)
        theirs.close()
        if self.channel is not None:
            # The performer reads it; the daemon giving up is for us to see, whatever that one does.
            self.service.watch(self.channel.fileno(), self._given_up, select.POLLRDHUP)
        self._performer = pid
        try:
            boot = self.await_performer(ours)
        except BaseException:
            self._end_performer()
            raise
        finally:
            ours.close()
        self.adopt(boot)

    def _end_performer(self) -> None:
        """End the performer, which may have done its work, and reap it."""
        pid, self._performer = self._performer, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def await_performer(self, report: Socket) -> Boot:
        """What the performer achieved, while everything else is served; Failed if it did not."""
        answers: list[tuple[bytes, list[int]]] = []
        self.service.watch(report.fileno(), lambda: answers.append(receive_fds(report, 65536)))
        try:
            while not answers:
                self.service.turn()
        finally:
            self.service.unwatch(report.fileno())
        packet, fds = answers[0]
        if not packet:
            raise Failed("controller", "", 0, "", "the performer was killed during the start")
        data = parse(packet)
        if "failed" in data:
            raise Failed.from_json(data["failed"])
        return Boot(data["performed"], fds)

    def adopt(self, boot: Boot) -> None:
        """Take over what a performer made: init, consoles, and what outlives a boot."""
        if self.boots == 0:
            self._settings = Settings(parse(self.start.head))
        if boot.stage:
            os.waitpid(boot.stage, 0)
        self.init = boot.init
        self.init_start = protocol.start_time(self.init)
        self._init_fd = os.pidfd_open(self.init)
        self.service.watch(self._init_fd, self._init_ended)
        self.service.connect_consoles(boot.masters, self._settings.log)
        if boot.messages >= 0:
            self.service.hear(boot.messages)
        self._keys = boot.keys
        if boot.listener >= 0:
            self.service.listen(stream(boot.listener))
        if boot.title:
            _show(boot.title)
        self.boots += 1
        self._booted = time.monotonic()
        self.state = "running"

    def _given_up(self) -> None:
        raise Failed("daemon", "", 0, "", "the start was given up")

    def report_start(self) -> None:
        assert self.channel is not None
        started = {
            "init": self.init,
            "init_starttime": self.init_start,
            "consoles": len(self.service.consoles),
        }
        protocol.send(self.channel, {"started": started})
        self.service.unwatch(self.channel.fileno())
        # Who started us hears of what follows, without asking for it.
        self.service.admit(self.channel, subscribed=True)
        self.channel = None

    def release(self) -> None:
        """Close what a rehearsal opened."""
        self.service.unwatch(self._init_fd)
        os.close(self._init_fd)
        self.service.disconnect_consoles()
        self.service.close()

    # --- life -----------------------------------------------------------------------------------

    def _live(self) -> None:
        while True:
            self._end_performer()
            if self.boots > 1:
                self.service.tell({"event": "boot", "init": self.init, "boots": self.boots})
            while not self._over:
                self.service.turn()
            self._over = False
            status = self._bury()
            if not self._reboots(status):
                self._finish(status, None)
                return
            self.service.tell({"event": "reboot", "boots": self.boots})
            try:
                self._reboot()
            except Failed as error:
                self._abort_reboot(status, error.to_json())
                return
            except (ProtocolError, OSError) as error:
                self._abort_reboot(status, describe(error))
                return

    def _abort_reboot(self, status: dict[str, Any], error: dict[str, Any]) -> None:
        self._kill_all()
        self._finish(status, error)

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
            and not self.overruled
            and self._settings.on_reboot in ("restart", "rename-restart")
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
        self._pace()
        if self._settings.kill is not None:
            # Not by cgroup.kill: some kernels (6.18) then kill whatever is cloned into the cgroup
            # later, because they compare its count of kills with that of the parent's cgroup.
            end_stragglers(self._settings.kill["mount"] + self._settings.kill["path"])
        if self.intent == "destroy":
            raise Failed("controller", "", 0, "", "destroyed while it rebooted")
        self.intent = None
        self.overruled = False
        self._boot(again=True)

    # --- end ------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill every process of the domain; the rest follows from init's end."""
        if self._settings.kill is not None:
            kill_tree(self._settings.kill["mount"] + self._settings.kill["path"])
        if self.init:
            os.kill(self.init, signal.SIGKILL)

    def _kill_all(self) -> None:
        """Kill, and wait until no child is left."""
        self.kill()
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _REAP
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    if not _children():
                        break
                    time.sleep(0.0005)
            except ChildProcessError:
                break
        self.init = 0

    def _undo(self) -> list[str]:
        """Undo all in reverse; what waits for our own end, or was refused, stays in the journal.

        Every undo looks at what is there, so that steps never performed are no harm. The daemon
        undoes its own steps, but for those that wait for our end.
        """
        for fd in self._keys.values():
            os.close(fd)  # a loop device goes with its last user
        self._keys = {}
        plan = parse(zlib.decompress(self.start.packed_plan))
        own = [
            step
            for step in (*plan["steps"], *amended(self.start))
            if step["side"] != "daemon" or (step.get("undo") or {}).get("late")
        ]
        records = undo_records({}, {"controller": os.getpid()}, own)
        late = [record for record in records if record.get("late")]
        refused = undo([record for record in records if not record.get("late")])
        left = [record for record, _ in refused] + late
        for step in plan["steps"]:
            if step["op"] == "journal":
                kill = self._settings.kill if refused else None
                # On a full disk the longer one stays, which can be undone again.
                _try_to(write_journal, step["args"]["path"], left, kill)
        return [f"{record['step']}: {reason}" for record, reason in refused]

    def _abandon(self, failure: dict[str, Any]) -> None:
        """A start that failed: nothing may be left, then the daemon hears why."""
        self._settings = Settings(parse(self.start.head))
        self._kill_all()
        if left := self._undo():
            failure["left"] = left
        assert self.channel is not None
        _try_to(protocol.send, self.channel, {"failed": failure})

    def _finish(self, status: dict[str, Any], error: dict[str, Any] | None) -> None:
        """The end of life: undo everything, leave exit.json, tell who listens."""
        self.state = "ending"
        if self._settings.kill is not None:
            kill_tree(self._settings.kill["mount"] + self._settings.kill["path"])
        left = self._undo()
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
        replace(f"{self._settings.run}/exit.json", unparse(report))
        self.service.tell({"event": "exit", **report})


def _show(title: list[str]) -> None:
    try:
        syscalls.set_process_title(title)
    except OSError:
        return  # the kernel was built without it: the comm has to do


def _children() -> list[int]:
    """Our children: init, and during a start the stage, which a performer may have forked.

    But not who serves an image: that one brings the guest's last writes to it, and ends by an undo.
    By looking at every process: /proc/PID/task/PID/children is an option of the kernel, and a start
    that failed may take its time.
    """
    own = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = read_text(f"/proc/{name}/stat")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(stat.rpartition(") ")[2].split()[1]) == own and not serves(int(name)):
                found.append(int(name))
    return found


def main(channel: Socket) -> None:
    """Receive the plan and run; never returns."""
    try:
        head = protocol.receive_raw(channel)
        plan = protocol.receive_raw(channel)
        if head is not None and plan is not None:
            Controller(channel, head[0], plan[0], head[1]).run()
    except BaseException as error:
        _last_words(channel, error)
    finally:
        os._exit(0)


def _last_words(channel: Socket, error: BaseException) -> None:
    """A mistake of ours: with its trace to the daemon's log, in one line to the daemon."""
    trace, where = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        where.append(f"  {code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    text = "\n".join(["virtlxc controller: internal error", *where, f"  {error!r}\n"])
    failure = Failed("controller", "", 0, "", f"internal error: {error!r}")
    _try_to(os.write, 2, text.encode())
    _try_to(protocol.send, channel, {"failed": failure.to_json()})


def _try_to(action: Callable[..., object], *args: object) -> None:
    try:
        action(*args)
    except OSError:
        return
