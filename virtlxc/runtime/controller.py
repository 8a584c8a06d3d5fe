"""The controller: one process for one running domain, from its plan to its exit.json.

It is forked by the spawner, imports nothing, never unshares, and is single-threaded. It keeps the
plan in a file of no name: at a reboot from inside the boot half is performed again, at the end all
that the plan made is undone. What it must not need is the daemon: that may be away at any time
after the start.
"""

from __future__ import annotations

import os
import select
import time
from os import getpid, setsid

from . import protocol, syscalls
from .disk import read_text, replace
from .journal import undo, undo_records, write_journal
from .lean import Socket, packet_pair, receive_fds, signal, stream, unparse
from .ops.cgroups import end_stragglers, kill_tree
from .ops.served import serves
from .performer import Start, amended, describe, perform, perform_again, read_report, settings
from .protocol import Failed, ProtocolError
from .service import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: A guest that reboots again and again within this time (seconds) is slowed down to it.
_SHORT_LIFE = 1.0
_SHORT_LIVES = 3
#: How a pid namespace's reboot(2) looks from outside.
_GUEST_ASKS: dict[int, str] = {int(signal.SIGHUP): "reboot", int(signal.SIGINT): "poweroff"}
#: How long the killed processes of a failed start may take to be gone, in seconds.
_REAP = 5.0
_PACKET = 65536
#: Of a name bound here, a fork looks up no attribute, which is done for the first time there.
_mask, _BLOCK = signal.pthread_sigmask, signal.SIG_BLOCK
_act, _CHILD, _DEFAULT = signal.signal, signal.SIGCHLD, signal.SIG_DFL
_become_subreaper = syscalls.become_subreaper
#: SIGTERM ends a controller's domain; it is read, never handled, so that no wait can miss it.
_TERM = (signal.SIGTERM,)


class Controller:
    """The state of one domain's controller.

    It is made in the spawner, once: each fork becomes this one, and only fills it in. What an idle
    controller has done itself it pays for with memory, as long as it lives: so the performer finds
    out whatever it can (see performer.settings), and the plan stays in a file until it is needed.
    """

    def __init__(self, ends: int) -> None:
        """``ends``: a signalfd for SIGTERM."""
        self.channel: Socket | None = None
        self.start = Start()
        self.service = Service(self)
        self.service.watch(ends, self._told_to_end)
        self.state = "starting"
        self.intent: str | None = None
        # A shutdown was asked for while init was busy with a reboot: that boot is not wanted.
        self.overruled = False
        self.boots = 0
        self.init = 0
        self.init_start = 0
        self._ends = ends
        self._init_fd = -1
        self._booted = 0.0
        self._report: Socket | None = None
        self._reported: tuple[bytes, list[int]] | None = None
        self._performer = 0
        self._short = 0
        self._over = False
        self._keys: dict[str, int] = {}
        # What a fork is to call, it finds made.
        self._first = self._perform
        self._when_given_up = self._given_up
        self._when_reported = self._take_report
        self._when_init_ends = self._init_ended
        self._identity = self._run = self._on_reboot = self._kill = ""

    # --- identity -------------------------------------------------------------------------------

    def identity(self) -> bytes:
        """The answer to HELLO and SUBSCRIBE."""
        return f'{{"ok":{{{self._identity},{self._status()}}}}}'.encode()

    def status(self) -> bytes:
        """The answer to STATUS and others."""
        return f'{{"ok":{{{self._status()}}}}}'.encode()

    def _status(self) -> str:
        """What changes, as JSON: writing it down touches less than having it encoded does."""
        init = f'{{"pid":{self.init},"starttime":{self.init_start}}}' if self.init else "null"
        intent = f'"{self.intent}"' if self.intent else "null"
        return (
            f'"state":"{self.state}","init":{init},"boots":{self.boots},"intent":{intent},'
            f'"consoles":{len(self.service.consoles)}'
        )

    # --- start ----------------------------------------------------------------------------------

    def run(self, channel: int, plan_fd: int, cgroup: int) -> None:
        """The whole life. Errors of the start go to the daemon, later ones to exit.json."""
        self.begin(channel, plan_fd, cgroup)
        _settle()
        try:
            self.boot(self._first)
            self.report_start()
        except Failed as error:
            self._abandon(error.to_json())
        except (ProtocolError, OSError) as error:
            self._abandon(describe(error))
        else:
            self._live()

    def begin(self, channel: int, plan_fd: int, cgroup: int) -> None:
        """Take what the daemon sent."""
        self.channel = stream(channel)
        self.start.plan_fd = plan_fd
        if cgroup >= 0:
            os.close(cgroup)
        self.start.controller = getpid()

    def _perform(self, report: Socket) -> None:
        if self.boots:
            perform_again(self.start, self._keys, report)
        else:
            assert self.channel is not None
            perform(self.start, self.channel, report)

    def boot(self, perform: Callable[[Socket], None]) -> None:
        """Have the steps of a boot performed; afterwards init runs and is our child."""
        ours, theirs = packet_pair()
        pid = syscalls.clone(0)
        if pid == 0:
            ours.close()
            perform(theirs)
        theirs.close()
        if self.channel is not None:
            # The performer reads it; the daemon giving up is for us to see, whatever that one does.
            self.service.watch(self.channel.fileno(), self._when_given_up, select.POLLRDHUP)
        self._performer = pid
        try:
            packet, fds = self._await_performer(ours)
            self._adopt(packet, fds)
        except BaseException:
            self._end_performer()
            raise
        finally:
            ours.close()

    def _end_performer(self) -> None:
        """End the performer, which may have done its work, and reap it."""
        pid, self._performer = self._performer, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _await_performer(self, report: Socket) -> tuple[bytes, list[int]]:
        """What the performer tells, while everything else is served."""
        self._report, self._reported = report, None
        fd = report.fileno()
        self.service.watch(fd, self._when_reported)
        try:
            while self._reported is None:
                self.service.turn()
        finally:
            self.service.unwatch(fd)
        reported = self._reported
        self._report = self._reported = None
        return reported

    def _take_report(self) -> None:
        assert self._report is not None
        self._reported = receive_fds(self._report, _PACKET)

    def _adopt(self, packet: bytes, fds: list[int]) -> None:
        """Take over what a performer made: init, consoles, sockets; see performer._tell_done.

        Failed if it failed.
        """
        numbers, title, texts = read_report(packet)
        self.init, self.init_start, stage, _, count, slaves, listener, messages = numbers
        self._identity, self._run, self._on_reboot, self._kill, path, size, files, *keys = texts
        if stage:
            os.waitpid(stage, 0)
        service = self.service
        self._init_fd = fds[0]
        service.watch(self._init_fd, self._when_init_ends)
        hearing = fds.pop() if messages else -1
        if listener:
            service.listen(stream(fds.pop()))
        for old in self._keys.values():
            os.close(old)  # the performer of a reboot has sent them again
        self._keys = {}
        for key in keys:
            self._keys[key] = fds.pop()
        masters = fds[1 : count + 1]
        log = (path, int(size), int(files)) if path else None
        service.connect_consoles(masters, fds[count + 1 :] if slaves else [-1] * count, log)
        if messages:
            service.hear(hearing)
        if title:
            _show(title)
        self.boots += 1
        self._booted = time.monotonic()
        self.state = "running"

    def _told_to_end(self) -> None:
        os.read(self._ends, 128)
        self.kill()

    def _given_up(self) -> None:
        raise Failed("daemon", "", 0, "", "the start was given up")

    def report_start(self) -> None:
        assert self.channel is not None
        started = (
            f'{{"init":{self.init},"init_starttime":{self.init_start},'
            f'"consoles":{len(self.service.consoles)}}}'
        )
        protocol.send_raw(self.channel, f'{{"started":{started}}}'.encode())
        self.service.unwatch(self.channel.fileno())
        # Who started us hears of what follows, without asking for it.
        self.service.admit(self.channel, subscribed=True)
        self.channel = None

    def release(self) -> None:
        """Close what a rehearsal opened."""
        os.close(self._init_fd)
        self.service.disconnect_consoles()
        self.service.close()

    # --- life -----------------------------------------------------------------------------------

    def _live(self) -> None:
        while True:
            self.serve()
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

    def serve(self) -> None:
        """Look after a boot until it is over."""
        self._end_performer()
        if self.boots > 1:
            self.service.tell({"event": "boot", "init": self.init, "boots": self.boots})
        while not self._over:
            self.service.turn()
        self._over = False

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
        self._pace()
        if self._kill:
            # Not by cgroup.kill: some kernels (6.18) then kill whatever is cloned into the cgroup
            # later, because they compare its count of kills with that of the parent's cgroup.
            end_stragglers(self._kill)
        if self.intent == "destroy":
            raise Failed("controller", "", 0, "", "destroyed while it rebooted")
        self.intent = None
        self.overruled = False
        self.boot(self._perform)

    # --- end ------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Kill every process of the domain; the rest follows from init's end."""
        if self._kill:
            kill_tree(self._kill)
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

    def _undo(self, plan: dict[str, Any]) -> list[str]:
        """Undo all in reverse; what waits for our own end, or was refused, stays in the journal.

        Every undo looks at what is there, so that steps never performed are no harm. The daemon
        undoes its own steps, but for those that wait for our end.
        """
        for fd in self._keys.values():
            os.close(fd)  # a loop device goes with its last user
        self._keys = {}
        own = [
            step
            for step in (*plan["steps"], *amended(self.start))
            if step["side"] != "daemon" or (step.get("undo") or {}).get("late")
        ]
        pids = {"controller": os.getpid()}
        records = undo_records({}, pids, own)
        late = [record for record in records if record.get("late")]
        refused = undo([record for record in records if not record.get("late")])
        left = [record for record, _ in refused] + late
        for step in plan["steps"]:
            if step["op"] == "journal":
                kill = protocol.resolve(plan.get("kill"), pids) if refused else None
                # On a full disk the longer one stays, which can be undone again.
                _try_to(write_journal, step["args"]["path"], left, kill)
        return [f"{record['step']}: {reason}" for record, reason in refused]

    def _abandon(self, failure: dict[str, Any]) -> None:
        """A start that failed: nothing may be left, then the daemon hears why."""
        plan = self.start.plan()
        self._kill = settings(plan, os.getpid())[2]
        self._kill_all()
        if left := self._undo(plan):
            failure["left"] = left
        assert self.channel is not None
        _try_to(protocol.send, self.channel, {"failed": failure})

    def _finish(self, status: dict[str, Any], error: dict[str, Any] | None) -> None:
        """The end of life: undo everything, leave exit.json, tell who listens."""
        self.state = "ending"
        if self._kill:
            kill_tree(self._kill)
        left = self._undo(self.start.plan())
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
        replace(f"{self._run}/exit.json", unparse(report))
        self.service.tell({"event": "exit", **report})


def _settle() -> None:
    """A session of its own, heir of its orphans, told of its end by a descriptor."""
    _mask(_BLOCK, _TERM)
    _act(_CHILD, _DEFAULT)
    setsid()
    _become_subreaper()


def _show(title: bytes) -> None:
    try:
        syscalls.show_title(title)
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


#: The life of the controller that forks become.
_run: Callable[[int, int, int], None] | None = None


def prepare() -> None:
    """In the spawner: deaf to the signals of terminals, with the controller that forks become."""
    global _run
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    _run = Controller(syscalls.signal_fd(signal.SIGTERM)).run


def main(channel: int, plan_fd: int, cgroup: int = -1) -> None:
    """Perform the plan in a file and look after what comes of it; never returns.

    ``cgroup``: where we were born, which needs not to be open any more.
    """
    try:
        assert _run is not None
        _run(channel, plan_fd, cgroup)
    except BaseException as error:
        _last_words(stream(channel), error)
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
