"""Starting the daemon from a command: once, detached, with nothing of the caller's around it.

Imported by commands that found no daemon: it must stay light.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time

from virtlxc.errors import Code, VirtlxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.paths import Paths

READY_SECONDS = 30.0
_PAUSE_SECONDS = 0.01
_LOG_BYTES = 1 << 20

_UNIT = "virtlxc.service"
_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system",
                 "/lib/systemd/system")  # fmt: skip


def start(paths: Paths) -> str:
    """Starts the instance's daemon unless it runs, waits until it answers, and says what was done.

    Through systemctl where systemd runs and has our unit. Raises VirtlxcError with the last lines
    of the daemon's log when it does not come up.
    """
    with _lock(paths):
        if answers(paths.socket):
            return "the daemon was started by somebody else meanwhile"
        if _has_unit(paths):
            return _by_systemctl(paths)
        return _detached(paths)


class _lock:
    """Two commands at once start one daemon: the second waits here and then finds it."""

    def __init__(self, paths: Paths) -> None:
        try:
            os.makedirs(paths.run, 0o755, exist_ok=True)
            path = paths.run + "/start.lock"
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _failed(f"open {error.filename}: {error.strerror}") from error

    def __enter__(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *exc: object) -> None:
        os.close(self.fd)


def answers(path: str) -> bool:
    """Whether somebody accepts connections at the socket."""
    folder, name = os.path.split(path)
    try:
        # By the folder's descriptor: an address holds 107 bytes only, paths can be longer.
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(f"/proc/self/fd/{fd}/{name}")
            return True
    except OSError:
        return False
    finally:
        os.close(fd)


# By systemd


def _has_unit(paths: Paths) -> bool:
    """Whether systemd runs here and knows our daemon; it is about the instance of / only."""
    return (
        paths.root == "/"
        and os.path.isdir("/run/systemd/system")
        and any(os.path.exists(f"{folder}/{_UNIT}") for folder in _UNIT_FOLDERS)
    )


def _by_systemctl(paths: Paths) -> str:
    pid = os.posix_spawnp("systemctl", ["systemctl", "start", _UNIT], dict(os.environ))
    _, code = os.waitpid(pid, 0)
    if code != 0:
        raise _failed(f"systemctl start {_UNIT} failed (see systemctl status {_UNIT})")
    _wait(paths, None, "")
    return f"the daemon was not running: started {_UNIT}"


# By ourselves


def _detached(paths: Paths) -> str:
    log = f"{paths.log}/daemon.log"
    try:
        os.makedirs(paths.log, 0o700, exist_ok=True)
        _rotate(log)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(log, flags, 0o600)
    except OSError as error:
        raise _failed(f"open {log}: {error.strerror}") from error
    try:
        begin = os.fstat(fd).st_size
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "virtlxc", "daemon"],
            _environment(paths),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, fd, 1),
                (os.POSIX_SPAWN_DUP2, fd, 2),
                *_close_others(fd),
            ],
            setsid=True,
            setsigmask=(),
        )
    except OSError as error:
        raise _failed(f"run {sys.executable}: {error.strerror}") from error
    finally:
        os.close(fd)
    own_group(pid, paths.instance)
    _wait(paths, pid, log, begin)
    return f"the daemon was not running: started it (pid {pid}, log {log})"


def _rotate(log: str) -> None:
    """One old log is kept: a daemon that is started again and again must fill no disk."""
    try:
        if os.stat(log).st_size > _LOG_BYTES:
            os.replace(log, log + ".1")
    except FileNotFoundError:
        return


def _close_others(keep: int) -> list[tuple[int, int]]:
    """Descriptors of the caller that are not close-on-exec, such as those of its shell."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != keep:
            try:
                if os.get_inheritable(fd):
                    found.append((os.POSIX_SPAWN_CLOSE, fd))
            except OSError:
                continue
    return found


def _environment(paths: Paths) -> dict[str, str]:
    """Nothing of the caller's: a daemon must behave the same whoever was first to need it."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
    }
    if paths.root != "/":
        environment["VIRTLXC_ROOT"] = paths.root
    environment |= code_environment()
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return environment


def code_environment() -> dict[str, str]:
    """What our interpreter must be told so that it finds this very code."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if package.endswith(("site-packages", "dist-packages")):
        return {}
    return {"PYTHONPATH": package}


def group_name(instance: str) -> str:
    """The name of the daemon's own control group."""
    return f"virtlxc-{instance}.daemon" if instance else "virtlxc.daemon"


def own_group(pid: int, instance: str) -> None:
    """Moves the daemon out of the caller's session and limits, in every hierarchy.

    On cgroup2 into a group of its own; on cgroup v1, where a fresh group may lack processors, to
    the top. What cannot be done is left: the daemon works all the same.
    """
    from virtlxc import mountinfo

    for mount in mountinfo.read():
        if not mount.fstype.startswith("cgroup"):
            continue
        folder = mount.point
        try:
            if mount.fstype == "cgroup2":
                folder += "/" + group_name(instance)
                os.makedirs(folder, exist_ok=True)
            with open(folder + "/cgroup.procs", "w") as procs:
                procs.write(str(pid))
        except OSError:
            continue


def _wait(paths: Paths, pid: int | None, log: str, begin: int = 0) -> None:
    """Until the socket answers; raises when ``pid`` ends before, or at the bound."""
    end = time.monotonic() + READY_SECONDS
    while not answers(paths.socket):
        if pid is not None and os.waitpid(pid, os.WNOHANG)[0]:
            raise _failed(f"it ended at once: {_last_words(log, begin)}")
        if time.monotonic() > end:
            raise _failed(
                f"it does not answer at {paths.socket} within {READY_SECONDS:.0f} s (see {log})"
            )
        time.sleep(_PAUSE_SECONDS)


def _last_words(log: str, begin: int) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"see {log}"


def _failed(cause: str) -> VirtlxcError:
    return VirtlxcError(f"cannot start the daemon: {cause}", Code.NO_CONNECT)
