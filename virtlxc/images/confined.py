"""Runs one program in a user, mount and pid namespace of its own. A script, of the library alone.

    python -I -S confined.py SCRATCH PROGRAM ARGUMENT...

What builds a root file system runs other people's scripts as root: here that root is nobody on the
host. ``SCRATCH`` becomes /tmp. Standard input is a pipe from whoever wants the work: a line
``ready`` on standard error asks it to write our id maps, a byte answers that it has, and its end
kills everything. Our exit status is the program's, 128 and the signal's number if that ended it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: bytes, target: bytes, fstype: bytes | None, flags: int) -> None:
    _check(_libc.mount(source, target, fstype, ctypes.c_ulong(flags), None), f"mount {target!r}")


def confine(scratch: str) -> None:
    """Leaves the host, as far as a build may: the network stays, packages come from there."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount(b"none", b"/", None, MS_REC | MS_PRIVATE)
    # The scratch folder's parents are closed to everybody but the host's root.
    _mount(scratch.encode(), b"/tmp", None, MS_BIND)
    _check(_libc.unshare(CLONE_NEWUSER), "unshare the user namespace")
    os.write(2, b"ready\n")
    if os.read(0, 1) != b"+":
        raise SystemExit(1)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
    _check(_libc.unshare(kinds), "unshare namespaces")


def run(command: list[str]) -> int:
    """Runs the program as the first of the pid namespace: when it ends, nothing of it is left."""
    pid = os.fork()
    if pid == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.chdir("/")
        os.execv(command[0], command)
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(0, select.POLLIN)
    while pidfd not in dict(poll.poll()):
        poll.unregister(0)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    try:
        confine(sys.argv[1])
        sys.exit(run(sys.argv[2:]))
    except OSError as error:
        sys.exit(f"E: {error.strerror}")
