"""Running a program inside a domain that runs: namespaces, cgroups and rights of its init.

Forked by the spawner. The request is JSON: ``argv`` (searched in PATH of ``env`` when it has no
slash), ``env`` [[name, value]], ``cwd``, ``user``, ``group`` (as in the operation ``credentials``),
``caps_bounding`` (numbers to keep, null: all), ``cgroups`` [[mount, path]], ``namespaces`` (kinds;
those that are ours already are left out), ``no_new_privs``, ``tty`` {rows, cols} or null.
Descriptors: a pidfd of init, then stdin, stdout, stderr when ``tty`` is null.

Answers: {"running": {"pid"}} (with the pty's master when there is a tty) or {"failed": ...}; later
{"exited": {"status": n} or {"signal": n}}. When the caller closes its end, what runs is ended:
SIGHUP to the session of a tty, SIGKILL to the process group else.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct

from . import protocol, syscalls
from .disk import put
from .lean import Socket, signal, stream
from .ops.context import StepError
from .ops.identity import become, enter_folder, reduce_bounding, run
from .ops.trees import lookup
from .ops.users import User, find_groups, find_user
from .protocol import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIOCSCTTY = 0x540E
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_TIOCSWINSZ = 0x5414
_PTMX = (5, 2)
_KINDS = ("user", "mnt", "uts", "ipc", "net", "cgroup", "pid")
#: personality(2): the part that is an execution domain, not a flag.
_PER_MASK = 0x00FF
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(fd: int) -> None:
    """Receive a request and serve it; never returns."""
    channel = stream(fd)
    step = "read the request"
    try:
        got = protocol.receive(channel)
        if got is None:
            return
        Entry(channel, *got).run()
    except Failed as failure:
        _tell(channel, {"failed": failure.to_json()})
    except BaseException as error:
        _tell(channel, {"failed": Failed("enter", step, 0, "", repr(error)).to_json()})
    finally:
        os._exit(0)


def _tell(channel: Socket, data: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    try:
        protocol.send(channel, data, fds)
    except OSError:
        return


class Entry:
    """One program in one domain."""

    def __init__(self, channel: Socket, request: dict[str, Any], fds: list[int]) -> None:
        self.channel = channel
        self.request = request
        self.init_fd, *self.stdio = fds
        self.master = -1
        self.tty = -1
        self.root = -1
        self.personality = 0
        self.step = ""

    def run(self) -> None:
        try:
            self._prepare()
            pid, refused = self._fork()
        except StepError as error:
            text = error.text or os.strerror(error.errno)
            raise Failed("enter", self.step, error.errno, error.path, text) from None
        except OSError as error:
            path = error.filename if isinstance(error.filename, str) else ""
            text = f"{path}: {error.strerror}" if path else str(error.strerror)
            raise Failed("enter", self.step, error.errno or 0, path, text) from None
        if refused:
            os.waitpid(pid, 0)
            raise refused
        _tell(self.channel, {"running": {"pid": pid}}, (self.master,) if self.master >= 0 else ())
        if self.master >= 0:
            # The caller has it now: when it lets go, the session hangs up.
            os.close(self.master)
        self._await(pid)

    def _prepare(self) -> None:
        """Everything up to the fork, in an order that leaves nothing of the host reachable."""
        request = self.request
        syscalls.set_signal(signal.SIGCHLD, ignored=False)
        self.step = "check the request"
        if len(self.stdio) != (0 if request.get("tty") else 3):
            raise StepError(0, "", "stdin, stdout and stderr are needed when there is no tty")
        self.step = "become undumpable"
        # Before the first setns: from then on a process inside could look at our memory.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        self.step = "find the domain's init"
        pid = pid_of(self.init_fd)
        wanted = request.get("namespaces", list(_KINDS))
        self.personality = personality_of(pid)
        mask = 0
        for kind in _KINDS:
            if kind in wanted and differs(pid, kind):
                mask |= syscalls.NAMESPACES[kind]
        self.step = "join the domain's cgroups"
        for mount, path in request.get("cgroups", ()):
            put(f"{mount}{path.rstrip('/')}/cgroup.procs", "0")
        self.step = "join the domain's namespaces"
        if mask:
            syscalls.setns(self.init_fd, mask)
        if mask & syscalls.CLONE_NEWUSER:
            # What we make from now on (a pty) must belong to an id that exists inside.
            become(0, 0, [])
        self.step = "open the domain's root"
        self.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if request.get("tty"):
            self.step = "open a terminal of the domain"
            self._open_tty(request["tty"])

    def _open_tty(self, size: dict[str, int]) -> None:
        """A pty of the domain's own devpts; whatever else lies at /dev/pts/ptmx is refused."""
        path = "/dev/pts/ptmx"
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK
        found = lookup(self.root, path, True)
        try:
            info = os.fstat(found)
            device = (os.major(info.st_rdev), os.minor(info.st_rdev))
            if not stat.S_ISCHR(info.st_mode) or device != _PTMX:
                raise StepError(0, path, "the domain's /dev/pts/ptmx is no pseudo-terminal")
        finally:
            os.close(found)
        self.master = lookup(self.root, path, True, flags)
        os.set_blocking(self.master, True)
        fcntl.ioctl(self.master, _TIOCSPTLCK, struct.pack("i", 0))
        rows, cols = int(size.get("rows", 24)), int(size.get("cols", 80))
        fcntl.ioctl(self.master, _TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.tty = fcntl.ioctl(self.master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)

    def _fork(self) -> tuple[int, Failed | None]:
        """Fork the program; its pid, and why it could not be executed if so."""
        self.step = "fork"
        reader, writer = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._child(writer)
        os.close(writer)
        for fd in (*self.stdio, self.tty):
            if fd >= 0:
                os.close(fd)
        self.stdio = []
        with open(reader, "rb") as report:
            text = report.read()
        if not text:
            return pid, None
        step, number, path, reason = text.decode(errors="replace").split("\0", 3)
        return pid, Failed("enter", step, int(number), path, reason)

    def _child(self, report: int) -> None:
        step = "set up the program"
        try:
            step = self._become()
            step = protocol.EXECUTE
            self._execute()
        except StepError as error:
            _report(report, step, error.errno, error.path, error.text)
        except OSError as error:
            path = str(error.filename or "")
            _report(report, step, error.errno or 0, path, f"{path}: {error.strerror}")
        except BaseException as error:
            _report(report, step, 0, "", repr(error))
        finally:
            os._exit(127)

    def _become(self) -> str:
        request = self.request
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        if self.tty >= 0:
            fcntl.ioctl(self.tty, _TIOCSCTTY, 0)
            self.stdio = [self.tty] * 3
        self._take_stdio()
        person: User = find_user(self.root, request.get("user") or "0")
        gid, groups = find_groups(self.root, person, request.get("group"))
        if self.tty >= 0:
            os.fchown(0, person.uid, -1)
        keep = request.get("caps_bounding")
        if keep is not None:
            reduce_bounding(keep)
        become(person.uid, gid, groups)
        enter_folder(self.root, request.get("cwd") or "/")
        if request.get("no_new_privs"):
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        if self.personality:
            syscalls.personality(self.personality)
        return ""

    def _take_stdio(self) -> None:
        """The three descriptors become 0, 1, 2, first out of the way of each other."""
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in self.stdio]
        for number, fd in enumerate(high):
            os.dup2(fd, number)

    def _execute(self) -> None:
        argv = self.request["argv"]
        env = self.request.get("env", [])
        name = argv[0]
        if "/" in name:
            run(name, argv, env, 3)
        search = dict(map(tuple, env)).get("PATH") or _DEFAULT_PATH
        refused = ""
        for folder in search.split(":"):
            path = f"{folder}/{name}"
            if os.path.isdir(path):
                continue
            if os.access(path, os.X_OK):
                run(path, argv, env, 3)
            # As a shell: a later folder may have one that can be executed.
            if not refused and os.path.lexists(path):
                refused = path
        if refused:
            run(refused, argv, env, 3)
        raise StepError(2, name, f"the domain has no program '{name}' in {search}")

    def _await(self, pid: int) -> None:
        """Wait for the program's end, or end it when the caller is gone."""
        child = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(child, select.POLLIN)
        poll.register(self.channel, select.POLLRDHUP)
        while True:
            for fd, _ in poll.poll():
                if fd == child:
                    _, code = os.waitpid(pid, 0)
                    _tell(self.channel, {"exited": _exit_of(code)})
                    return
                poll.unregister(self.channel)
                try:
                    os.killpg(pid, signal.SIGHUP if self.tty >= 0 else signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _exit_of(code: int) -> dict[str, int]:
    if os.WIFSIGNALED(code):
        return {"signal": os.WTERMSIG(code)}
    return {"status": os.WEXITSTATUS(code)}


def _report(fd: int, step: str, number: int, path: str, text: str) -> None:
    os.write(fd, "\0".join((step, str(number), path, text)).encode())


def pid_of(pidfd: int) -> int:
    """The pid behind a pidfd in our pid namespace; StepError when it is gone."""
    with open(f"/proc/self/fdinfo/{pidfd}") as info:
        for line in info:
            if line.startswith("Pid:"):
                pid = int(line.split()[1])
                if pid > 0:
                    return pid
    raise StepError(3, "", "the domain's init is gone")


def personality_of(pid: int) -> int:
    """What machine uname tells a process it is on; 0 is the kernel's own.

    Without the flags that init may have given itself: addresses stay random, whoever comes in.
    """
    try:
        with open(f"/proc/{pid}/personality") as file:
            return int(file.read(), 16) & _PER_MASK
    except OSError:
        return 0  # a kernel that hides it, or init is gone, which the next step tells


def differs(pid: int, kind: str) -> bool:
    """Whether init is in another namespace of this kind than we are (joining our own is EINVAL)."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    except FileNotFoundError:
        return False
