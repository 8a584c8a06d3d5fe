"""The dnsmasq process of a network: started, found again, told to read its files, stopped.

It belongs to nobody's lifetime but the network's: it goes to the background by itself, survives the
daemon, and is known by its command line in our pid namespace, which names our configuration file.
A pid alone is never trusted: signals go through a pidfd that was checked after it was opened.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import subprocess
import time

from virtlxc.errors import Code, From, VirtlxcError

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0
USERS = ("dnsmasq", "nobody")


def choose_user(folders: tuple[str, ...]) -> str:
    """Who the process becomes: its own user, or nobody.

    It reads its hosts files again after it gave up root, so every folder on the way must let others
    pass; below a private root (``--root``) it stays root, because it could not read them.
    """
    if not all(_passable(folder) for folder in folders):
        return "root"
    for name in USERS:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    return "root"


def _passable(folder: str) -> bool:
    while folder != "/":
        with contextlib.suppress(FileNotFoundError):
            if not os.stat(folder).st_mode & 0o001:
                return False
        folder = os.path.dirname(folder)
    return True


def _argument(conf: str) -> str:
    return f"--conf-file={conf}"


def start(program: str, conf: str) -> None:
    """Starts dnsmasq; it returns once its sockets are bound and it is in the background.

    Raises VirtlxcError with what it says when it cannot.
    """
    try:
        done = subprocess.run(
            [program, _argument(conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"no answer within {START_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise _failed(f"{program}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().removeprefix("dnsmasq: ")
        raise _failed(said or f"exit status {done.returncode}")


# What dnsmasq says, in lower case, and the mend.
_MENDS = {
    "already in use": " (another DNS or DHCP server listens on every address of this host: see "
    "`ss -lunp`, and give it bind-interfaces or stop it)",
    "permission denied": " (if AppArmor confines dnsmasq, let it read and write the folders "
    "/run/virtlxc/network and /var/lib/virtlxc/network in /etc/apparmor.d/local/usr.sbin.dnsmasq)",
}


def _failed(why: str) -> VirtlxcError:
    mend = next((mend for sign, mend in _MENDS.items() if sign in why.lower()), "")
    return VirtlxcError(f"start dnsmasq: {why}{mend}", Code.OPERATION_FAILED, From.NETWORK)


def find(conf: str, pid_file: str) -> int | None:
    """The pid of the dnsmasq that runs with our configuration; None when there is none.

    Looks at the pid file's first, then at all processes: whoever died between starting it and the
    pid file's being written must not leave it running for ever.
    """
    with contextlib.suppress(OSError, ValueError):
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        if is_ours(pid, conf):
            return pid
    for name in os.listdir("/proc"):
        if name.isdigit() and is_ours(int(name), conf):
            return int(name)
    return None


def is_ours(pid: int, conf: str) -> bool:
    """Whether the process is a dnsmasq with our configuration, in our pid namespace: a guest can
    give its processes any command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if _argument(conf).encode() not in words[1:2]:
            return False
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def _open(conf: str, pid_file: str) -> int | None:
    """A pidfd of it, checked after opening; None when it is not running."""
    pid = find(conf, pid_file)
    if pid is None:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if is_ours(pid, conf):
        return fd
    os.close(fd)
    return None


def reload(conf: str, pid_file: str) -> bool:
    """Has it read its hosts files again; False when it is not running."""
    fd = _open(conf, pid_file)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, signal.SIGHUP)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def stop(conf: str, pid_file: str) -> None:
    """Ends it, by force when it does not go; nothing to do when it is not there."""
    fd = _open(conf, pid_file)
    if fd is not None:
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGTERM)
                if not _gone(fd, STOP_TIMEOUT_S):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    _gone(fd, STOP_TIMEOUT_S)
        finally:
            os.close(fd)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pid_file)


def _gone(fd: int, timeout: float) -> bool:
    """Waits for the end of a process that need not be our child."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        if poller.poll(left * 1000):
            return True
    return False
