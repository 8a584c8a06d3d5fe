"""What an init understands, and whether it listens.

The names come from the guest, so they are a guess that only the guest suffers from. Sources:
systemd(1) "SIGNALS", sysvinit's initreq.h, busybox's init/init.c, signal(7), proc(5) "SigCgt".
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
import sys
import time
from dataclasses import dataclass

from virtlxc.host.inits import look
from virtlxc.runtime import syscalls

POWEROFF, REBOOT = "poweroff", "reboot"


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of init and what it understands."""

    name: str
    signals: dict[str, int]
    initctl: bool = False


# glibc's SIGRTMIN: the numbers below it are its own. A systemd built with musl does not exist.
_RTMIN = 34

SYSTEMD = Kind("systemd", {POWEROFF: _RTMIN + 4, REBOOT: _RTMIN + 5})
BUSYBOX = Kind("busybox init", {POWEROFF: signal.SIGUSR2, REBOOT: signal.SIGTERM})
OTHER = Kind("init", {POWEROFF: signal.SIGTERM, REBOOT: signal.SIGHUP}, initctl=True)

# By the kinds that host.inits tells apart.
_KINDS = {"systemd": SYSTEMD, "busybox": BUSYBOX}

# Where sysvinit and upstart listen; the first that is a FIFO counts.
_INITCTL = ("run/initctl", "dev/initctl", "etc/.initctl")
_RUNLEVELS = {POWEROFF: b"0", REBOOT: b"6"}


def kind_of(pid: int) -> Kind:
    """The sort of init that runs as ``pid``; OTHER when its program says nothing to us."""
    try:
        program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        with open(f"/proc/{pid}/cmdline", errors="replace") as file:
            words = [os.path.basename(word) for word in file.read().split("\0")]
        root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return OTHER
    try:
        kind = _KINDS.get(look(root, program, program).kind, OTHER)
    finally:
        os.close(root)
    applet = words[1] if words[0].startswith("busybox") and len(words) > 1 else words[0]
    if kind is BUSYBOX and applet not in ("init", "linuxrc"):
        # A shell script as init: the program is busybox, but not its init.
        return OTHER
    return kind


# A C library blocks all signals for the moment of a fork; who waits for them blocks them longer.
_LOOKS = 5
_LOOK_SECONDS = 0.01


def listens(pid: int, signum: int) -> bool:
    """Whether ``pid`` handles the signal, or blocks it and so may wait for it.

    The kernel drops every other signal to an init that is not SIGKILL or SIGSTOP.
    """
    bit = 1 << (signum - 1)
    for number in range(_LOOKS):
        if number:
            time.sleep(_LOOK_SECONDS)
        lines = _status(pid)
        if (int(lines["SigCgt"], 16) | _awaited(pid)) & bit:
            return True
        if not int(lines["SigBlk"], 16) & bit:
            return False
    return True


# The number of rt_sigtimedwait(2), in which the kernel shows the awaited signals as not blocked.
_SIGTIMEDWAIT = {
    "x86_64": 128,
    "aarch64": 137,
    "riscv64": 137,
    "loongarch64": 137,
    "ppc64le": 176,
    "s390x": 177,
}


def _awaited(pid: int) -> int:
    """The signals that a process waits for in sigtimedwait(2) now: busybox's init lives there."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            words = file.read().split()
        if words[0] != str(_SIGTIMEDWAIT.get(os.uname().machine)):
            return 0
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(int(words[1], 16))
            return int.from_bytes(memory.read(8), sys.byteorder)
    except (OSError, IndexError, ValueError):
        return 0


def activity(pid: int) -> tuple[bool, int]:
    """Whether ``pid`` sleeps now, and the processor time it has spent, in ticks."""
    with open(f"/proc/{pid}/stat", errors="replace", newline="\n") as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[0] in "SI", int(fields[11]) + int(fields[12])


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", errors="replace", newline="\n") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def write_initctl(pid: int, end: str) -> str | None:
    """Asks a sysvinit or upstart by its FIFO; gives the FIFO's path, None when there is none.

    The path is resolved inside the guest's root, whatever links lie there; what is not a FIFO
    or has no reader is passed over, and so is the host's own.
    """
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in _INITCTL:
            fd = _open_fifo(root, path)
            if fd is None:
                continue
            try:
                os.write(fd, _request(end))
            except OSError:
                continue
            finally:
                os.close(fd)
            return "/" + path
        return None
    finally:
        os.close(root)


def _open_fifo(root: int, path: str) -> int | None:
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    # Looked at before it is opened for writing: opening a device node can do things.
    looking = _openat2(root, path, os.O_PATH | os.O_CLOEXEC)
    if looking is None:
        return None
    try:
        found = os.fstat(looking)
        if not stat.S_ISFIFO(found.st_mode) or _is_host(found, path):
            return None
        return os.open(f"/proc/self/fd/{looking}", flags)
    except OSError:
        return None
    finally:
        os.close(looking)


def _openat2(root: int, path: str, flags: int) -> int | None:
    try:
        return syscalls.openat2(root, path, flags, syscalls.RESOLVE_IN_ROOT)
    except OSError:
        return None


def _is_host(found: os.stat_result, path: str) -> bool:
    """Whether this is the FIFO of the host's own init."""
    with contextlib.suppress(OSError):
        own = os.stat("/" + path)
        return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)
    return False


def _request(end: str) -> bytes:
    """``struct init_request``: magic, command "change the runlevel", the runlevel, 384 bytes."""
    magic, change_runlevel = 0x03091969, 1
    return struct.pack("=iiii368x", magic, change_runlevel, _RUNLEVELS[end][0], 0)


def confinement(pid: int) -> dict[str, object]:
    """What a program that joins this init may do at most, as the spawner's request has it."""
    lines = _status(pid)
    bounding = int(lines["CapBnd"], 16)
    kept = [number for number in range(bounding.bit_length()) if bounding >> number & 1]
    return {"caps_bounding": kept, "no_new_privs": lines.get("NoNewPrivs") == "1"}
