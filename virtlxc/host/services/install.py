"""Puts the files of a service manager in place, enables them, and takes them away again.

A file that is not ours is never touched. Below another root than ``/`` nothing is started: that is
for images that boot later.
"""

from __future__ import annotations

import contextlib
import grp
import os
import signal
import subprocess
from collections.abc import Callable, Sequence

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host.services import texts

SYSTEMD, OPENRC = "systemd", "openrc"
MANAGERS = (SYSTEMD, OPENRC)

_PROGRAMS = {
    SYSTEMD: ("/usr/lib/systemd/systemd", "/lib/systemd/systemd"),
    OPENRC: ("/sbin/openrc-run", "/usr/sbin/openrc-run"),
}
_POLICY = "/usr/share/polkit-1/actions/org.virtlxc.policy"
_STARTED = ("virtlxc.socket", "virtlxc-ro.socket", "virtlxc.service", "virtlxc-guests.service")
_STOPPED = ("virtlxc.socket", "virtlxc-ro.socket", "virtlxc.service")
_END_SECONDS = 30.0

Say = Callable[[str], None]


def manager_of(root: str) -> str:
    """The service manager of the host at ``root``. Raises NO_SUPPORT when we know none there."""
    if root == "/" and os.path.isdir("/run/systemd/system"):
        return SYSTEMD
    prefix = "" if root == "/" else root
    # A systemd that is installed and does not run serves nobody on a live host.
    for manager in (OPENRC,) if root == "/" else MANAGERS:
        if any(os.path.exists(prefix + program) for program in _PROGRAMS[manager]):
            return manager
    raise VirtlxcError(
        f"there is no place for units: neither systemd nor OpenRC manages the services of {root}"
        " (run 'virtlxc daemon' from what does, or give --manager)",
        Code.NO_SUPPORT,
    )


def files_of(manager: str, program: texts.Program, root: str, group: str) -> tuple[texts.File, ...]:
    """All files; ``group`` gets the read-write socket if it exists below ``root``."""
    if manager == OPENRC:
        return texts.openrc_files(program)
    found = texts.systemd_files(program, group if _has_group(root, group) else "root")
    prefix = "" if root == "/" else root
    if os.path.isdir(os.path.dirname(prefix + _POLICY)):
        return (*found, texts.File(path=_POLICY, text=_policy()))
    return found


def _policy() -> str:
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(f"{here}/polkit/org.virtlxc.policy", encoding="utf-8") as file:
        return file.read()


def _has_group(root: str, name: str) -> bool:
    if root == "/":
        with contextlib.suppress(KeyError):
            return bool(grp.getgrnam(name))
        return False
    with contextlib.suppress(OSError), open(f"{root}/etc/group", encoding="utf-8") as file:
        return any(line.startswith(f"{name}:") for line in file)
    return False


def ours(files: Sequence[texts.File], root: str) -> list[str]:
    """Those that are there. Raises when one of them is somebody else's."""
    prefix = "" if root == "/" else root
    there = [prefix + file.path for file in files if os.path.lexists(prefix + file.path)]
    for path in there:
        _check_ours(path)
    return there


def install(files: Sequence[texts.File], root: str, say: Say) -> None:
    """Writes and enables them. Nothing is done when any of them is somebody else's."""
    prefix = "" if root == "/" else root
    ours(files, root)
    for file in files:
        _write(prefix + file.path, file)
        say(f"Made {prefix}{file.path}")
        for link in file.links:
            _link(prefix + link, file.path)


def remove(files: Sequence[texts.File], root: str, say: Say) -> None:
    """Removes those that are there, and their links."""
    prefix = "" if root == "/" else root
    there = ours(files, root)
    for file in files:
        for link in file.links:
            if os.path.islink(prefix + link) and os.readlink(prefix + link) == file.path:
                os.unlink(prefix + link)
        if prefix + file.path in there:
            os.unlink(prefix + file.path)
            say(f"Removed {prefix}{file.path}")


def _check_ours(path: str) -> None:
    """Raises unless it is a file that we made."""
    try:
        if not os.path.islink(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                head = file.read(4096)
            if texts.MARK in head or "org.virtlxc" in head:
                return
    except OSError as error:
        raise _failed(f"read {path}", error) from None
    raise VirtlxcError(
        f"cannot change units: {path} was not made by virtlxc install-units (move it away, or"
        " keep it and let the units be)",
        Code.OPERATION_INVALID,
    )


def _write(path: str, file: texts.File) -> None:
    fresh = f"{path}.virtlxc-new"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(fresh, "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), file.mode)
            out.write(file.text)
        os.rename(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise _failed(f"write {path}", error) from None


def _link(path: str, target: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(path):
            os.symlink(target, path)
    except OSError as error:
        raise _failed(f"link {path}", error) from None


def _failed(step: str, error: OSError) -> VirtlxcError:
    return VirtlxcError(f"cannot change units: {step}: {error.strerror}", Code.SYSTEM_ERROR)


# What runs now


def begin(manager: str, lock: str, say: Say) -> None:
    """Has the service manager run the daemon; ``lock`` tells of one that somebody else started.

    Containers run on all the time.
    """
    if manager == OPENRC:
        _end_other(lock, "", say)
        _run("rc-service", "virtlxc", "start")
        _run("rc-service", "virtlxc-guests", "start")
        return
    _run("systemctl", "daemon-reload")
    _end_other(lock, _main_pid(), say)
    _run("systemctl", "start", *_STARTED[:2])
    _run("systemctl", "restart", "virtlxc.service")
    _run("systemctl", "start", *_STARTED)
    say("virtlxc.service runs")


def end(manager: str) -> None:
    """Has the daemon end; call it before the files are removed."""
    if manager == OPENRC:
        _run("rc-service", "--ifstarted", "virtlxc", "stop")
    else:
        _run("systemctl", "stop", *_STOPPED)


def forget(manager: str) -> None:
    """Call it when the files are gone; what was to stop guests has no command any more then."""
    if manager == SYSTEMD:
        _run("systemctl", "daemon-reload")
        _run("systemctl", "stop", "virtlxc-guests.service")


def _main_pid() -> str:
    """The daemon that systemd started, "0" for none."""
    shown = subprocess.run(
        ["systemctl", "show", "--value", "--property=MainPID", "virtlxc.service"],
        capture_output=True,
        text=True,
    )
    return shown.stdout.strip()


def _end_other(lock: str, ours: str, say: Say) -> None:
    """Ends the daemon that a command started: there can be one only."""
    try:
        with open(lock) as file:
            pid = file.read().strip()
        if not pid.isdigit() or pid == ours:
            return
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"virtlxc" not in file.read():
                return
        pidfd = os.pidfd_open(int(pid))
    except (OSError, ValueError):
        return
    try:
        import select

        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], _END_SECONDS)[0]:
            raise VirtlxcError(
                f"cannot install units: the daemon that runs (pid {pid}) does not end",
                Code.OPERATION_FAILED,
            )
    finally:
        os.close(pidfd)
    say(f"Ended the daemon that a command had started (pid {pid}); containers run on")


def _run(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise _failed(f"run {argv[0]}", error) from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise VirtlxcError(
            f"cannot change units: {' '.join(argv)}: {said[0] if said else done.returncode}",
            Code.OPERATION_FAILED,
        )
