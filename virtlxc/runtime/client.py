"""What the daemon uses: the spawner, the channel of a start, a running program.

All calls block, and are safe in worker threads: one object per start, and the spawner's socket
takes whole packets.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import sys
import threading
import zlib

from . import protocol, syscalls
from .journal import replay_journal, undo, undo_records, write_journal
from .ops.context import Context
from .perform import run_step
from .protocol import Failed, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ENTRY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LD_BIND_NOW": "1"}
#: For processes that only have to begin, in seconds: a host may be slow, and its death is seen.
_START_TIMEOUT = 60.0
#: How long after its sockets a process that was killed may take to be gone, in seconds.
_DYING = 0.5
#: Files of no name may have to say that nobody will execute them: vm.memfd_noexec, since Linux 6.3.
_MFD_NOEXEC_SEAL = 8
#: How often a pid may turn out to be taken between looking and forking.
_PID_ATTEMPTS = 5


class Spawner:
    """The spawner process; ``python`` is the interpreter to run it with.

    Its children survive it. ``start`` raises OSError; requests raise ConnectionError when it is
    gone (``alive`` is false then, and ``start`` makes a new one).
    """

    def __init__(self, python: str = sys.executable) -> None:
        self.python = os.path.realpath(python)
        self.pid = 0
        self._socket: socket.socket | None = None
        self._pidfd = -1
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the spawner and wait until it is ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = read_only_program(self.python)
        try:
            self.pid = os.posix_spawn(
                f"/proc/self/fd/{program}",
                [self.python, "-I", "-S", _ENTRY, "spawner", "3"],
                _ENVIRONMENT,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
                ],
                setsid=True,
                setsigmask=[],
            )
        finally:
            os.close(program)
            theirs.close()
        self._pidfd = os.pidfd_open(self.pid)
        self._socket = ours
        ours.settimeout(_START_TIMEOUT)
        if ours.recv(16) != b"ready":
            self.close()
            raise OSError(0, "the spawner did not start")
        ours.settimeout(None)

    def alive(self) -> bool:
        """Whether it still runs; reaps it when it does not."""
        if self._socket is None:
            return False
        if not _readable(self._pidfd, 0):
            return True
        self.close()
        return False

    def dies(self, within: float = _DYING) -> bool:
        """Whether it is gone or about to be: its sockets close a moment before its pidfd tells.

        Waits up to ``within`` seconds for that, so that ``alive`` tells the truth afterwards.
        """
        return self._socket is None or (_readable(self._pidfd, within) and not self.alive())

    def fileno(self) -> int:
        """Its pidfd: readable when it is gone."""
        return self._pidfd

    def close(self) -> None:
        """Let the spawner end (by the end of its socket) and reap it; its children go on."""
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        os.close(self._pidfd)
        self._pidfd = -1
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            return

    def _fork(self, request: bytes, *fds: int) -> socket.socket:
        """Have a process forked that serves the other end of the socket returned."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._lock:
                if self._socket is None:
                    raise ConnectionError("the spawner does not run")
                socket.send_fds(self._socket, [request], [theirs.fileno(), *fds])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def start_controller(self, plan: Mapping[str, Any], fds: tuple[int, ...] = ()) -> StartChannel:
        """Perform the daemon's steps of a plan, then fork its controller and hand it the plan.

        Raises Failed for a step of the daemon (undone already). ``fds`` match ``plan["fds"]``.
        """
        for attempt in range(_PID_ATTEMPTS):
            start = self._begin(plan, fds)
            try:
                start.controller(_START_TIMEOUT)
            except Failed as failure:
                start.close()
                if failure.errno == 0 and self.dies():
                    raise ConnectionError("the spawner died with the request") from None
                if failure.errno != errno.EEXIST or attempt == _PID_ATTEMPTS - 1:
                    raise
            else:
                break
        return start

    def _begin(self, plan: Mapping[str, Any], fds: tuple[int, ...]) -> StartChannel:
        """One attempt with a pid chosen for the controller, when it is to be born in a cgroup."""
        born = plan.get("born")
        pids = {"controller": _free_pid()} if born else {}
        own = [step for step in plan["steps"] if step["side"] == "daemon"]
        records = undo_records({}, pids, own)
        _perform_own(plan, own, pids)
        packed = -1
        try:
            packed = _pack(plan)
            if born:
                cgroup = os.open(
                    protocol.resolve(born["mount"] + born["path"], pids),
                    os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
                )
                try:
                    channel = self._fork(b"C%d" % pids["controller"], packed, cgroup)
                finally:
                    os.close(cgroup)
            else:
                channel = self._fork(b"C", packed)
            if plan.get("fds"):
                protocol.send(channel, {"fds": plan["fds"]}, fds)
        except OSError:
            undo(records)
            raise
        finally:
            if packed >= 0:
                os.close(packed)
        return StartChannel(channel, plan, records)

    def enter(self, request: Mapping[str, Any], fds: tuple[int, ...]) -> EnterChannel:
        """Run a program in a domain; see runtime.enter for the request and its descriptors."""
        channel = self._fork(b"E")
        protocol.send(channel, request, fds)
        return EnterChannel(channel)

    def change(self, request: Mapping[str, Any], fds: tuple[int, ...], timeout: float) -> None:
        """Have a running container changed; see runtime.change for the request and descriptors.

        Raises Failed, TimeoutError; then the caller undoes what may have been done.
        """
        channel = self._fork(b"D")
        try:
            protocol.send(channel, request, fds)
            channel.settimeout(timeout)
            try:
                got = protocol.receive(channel)
            except ConnectionError:
                got = None
        finally:
            channel.close()
        if got is None:
            raise Failed("change", "", 0, "", "the process that changes it was killed")
        if "failed" in got[0]:
            raise Failed.from_json(got[0]["failed"])


def _pack(plan: Mapping[str, Any]) -> int:
    """The plan in a file without a name: whoever performs it reads it, the controller keeps it."""
    try:
        fd = os.memfd_create("virtlxc-plan", os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fd = os.memfd_create("virtlxc-plan", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(zlib.compress(json.dumps(plan).encode(), 1))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _free_pid() -> int:
    """A pid that is not used now, far from those that the kernel gives out next."""
    with open("/proc/sys/kernel/pid_max") as text:
        limit = int(text.read())
    while True:
        pid = limit // 2 + int.from_bytes(os.urandom(4), "big") % (limit // 2)
        if not os.path.exists(f"/proc/{pid}"):
            return pid


def _perform_own(
    plan: Mapping[str, Any], steps: list[dict[str, Any]], pids: dict[str, int]
) -> None:
    """The daemon's steps, journalled first so that a killed daemon's are undone as well."""
    journal = journal_path(plan)
    records = undo_records({}, pids, steps)
    if journal and records and os.path.isdir(os.path.dirname(journal)):
        write_journal(journal, records)
    ctx = Context("daemon", dict(plan))
    ctx.pids.update(pids)
    done = []
    try:
        for step in steps:
            done.append(step)
            run_step(ctx, step)
    except Failed:
        undo(undo_records({}, pids, done))
        if journal:
            write_journal(journal, [])
        raise
    finally:
        for fd in ctx.keys.values():
            os.close(fd)


def journal_path(plan: Mapping[str, Any]) -> str | None:
    """Where the plan's controller keeps its journal."""
    paths = [step["args"]["path"] for step in plan["steps"] if step["op"] == "journal"]
    return paths[0] if paths else None


def read_only_program(path: str) -> int:
    """A descriptor of an executable on a detached, read-only mount of its own.

    /proc/PID/exe of a process started from it leads to that mount: nobody who reaches it from
    inside a container can open the host's file for writing.
    """
    tree = syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE)
    try:
        syscalls.mount_setattr(tree, syscalls.MOUNT_ATTRS["ro"][0], propagation=syscalls.MS_PRIVATE)
    except OSError:
        os.close(tree)
        raise
    return tree


class StartChannel:
    """One start on its way. ``controller``, then ``go`` (if the plan waits), then ``result``.

    Closing it before the result makes the controller give the start up and undo it.
    """

    def __init__(
        self, channel: socket.socket, plan: Mapping[str, Any], own: list[dict[str, Any]]
    ) -> None:
        self._channel = channel
        self._journal = journal_path(plan)
        self._own = own
        self._controller: dict[str, Any] | None = None
        self.pidfd = -1

    def __enter__(self) -> StartChannel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def abort(self) -> None:
        """Give the start up, from any thread: a ``result`` that waits raises Failed when undone."""
        try:
            self._channel.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def take_notices(self) -> socket.socket:
        """The connection itself, now the caller's: behind the result it brings events."""
        return socket.socket(fileno=self._channel.detach())

    def controller(self, timeout: float | None = None) -> dict[str, Any]:
        """{"pid", "starttime"} of the controller, whose pidfd is in ``pidfd`` from now on."""
        if self._controller is None:
            data, fds = self._checked(timeout)
            self.pidfd = fds[0]
            self._controller = dict(data["controller"])
        return self._controller

    def go(self) -> None:
        """Let the controller begin, or go on: it is in its scope now."""
        try:
            protocol.send(self._channel, {"go": True})
        except OSError:
            return  # result() says why

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """{"init", "init_starttime", "consoles"} of a domain that runs; raises Failed.

        After Failed nothing is left of the start. TimeoutError leaves it on its way: close the
        channel to give it up.
        """
        data, _ = self._checked(timeout)
        return dict(data["started"])

    def _checked(self, timeout: float | None) -> tuple[dict[str, Any], list[int]]:
        try:
            return self._receive(timeout)
        except (Failed, ProtocolError):
            self._clean_up()
            raise

    def _receive(self, timeout: float | None) -> tuple[dict[str, Any], list[int]]:
        self._await_answer(timeout)
        try:
            got = protocol.receive(self._channel)
        except ConnectionError:
            got = None
        if got is None:
            raise Failed("controller", "", 0, "", "the controller was killed during the start")
        if "failed" in got[0]:
            raise Failed.from_json(got[0]["failed"])
        return got

    def _await_answer(self, timeout: float | None) -> None:
        """Wait for a message or the end of the controller; TimeoutError."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        if self.pidfd >= 0:
            poll.register(self.pidfd, select.POLLIN)
        ready = poll.poll(None if timeout is None else timeout * 1000)
        if not ready:
            raise TimeoutError("the controller has not answered in time")
        if all(fd == self.pidfd for fd, _ in ready):
            # A child that it left behind may hold its end of the channel open a moment longer.
            self.abort()

    def _clean_up(self) -> None:
        """Wait for the controller's end, then undo what it could not, and the daemon's steps."""
        if self.pidfd >= 0:
            await_end(self.pidfd, _START_TIMEOUT)
        if self._journal:
            replay_journal(self._journal)
        undo(self._own)


class EnterChannel:
    """A program that runs in a domain. Closing the channel ends it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.master = -1

    def fileno(self) -> int:
        """Readable when the program has ended."""
        return self._channel.fileno()

    def close(self) -> None:
        self._channel.close()

    def running(self, timeout: float | None = None) -> dict[str, Any]:
        """{"pid"} once the program is executed, the pty's master in ``master``; raises Failed."""
        got = self._receive(timeout)
        if got is None:
            raise Failed("enter", "", 0, "", "the entering process was killed")
        data, fds = got
        if "failed" in data:
            raise Failed.from_json(data["failed"])
        if fds:
            self.master = fds[0]
        return dict(data["running"])

    def wait(self, timeout: float | None = None) -> dict[str, int]:
        """{"status": n} or {"signal": n}; killed together with its domain, it is signal 9."""
        got = self._receive(timeout)
        return {"signal": 9} if got is None else dict(got[0]["exited"])

    def _receive(self, timeout: float | None) -> tuple[dict[str, Any], list[int]] | None:
        self._channel.settimeout(timeout)
        try:
            return protocol.receive(self._channel)
        except ConnectionError:
            return None


def await_end(pidfd: int, timeout: float) -> bool:
    """Wait for the process behind a pidfd to end; False when the time (seconds) is over."""
    return _readable(pidfd, timeout)


def _readable(fd: int, timeout: float) -> bool:
    """poll(2), not select(2): a daemon has more than 1024 descriptors."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
