"""Init held at its exec: traced for that moment only, so that it never gets to the program.

The kernel stops a traced process within execve(2), when the new program is in place and none of its
instructions has run: ptrace(2), PTRACE_EVENT_EXEC. A process that is let go there, in a group that
has been frozen meanwhile, goes from the system call into the freezer.
"""

from __future__ import annotations

import errno
import os

from .. import syscalls
from ..disk import read_text
from ..lean import signal
from .context import Context, StepError

_EVENT_EXEC = 4
_EVENT_STOP = 128
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Tracee:
    """The process that we trace; the kernel kills it when we end before it was let go."""

    def __init__(self, pid: int) -> None:
        options = syscalls.PTRACE_O_TRACEEXEC | syscalls.PTRACE_O_EXITKILL
        syscalls.ptrace(syscalls.PTRACE_SEIZE, pid, options)
        self.pid = pid
        self.executed = False
        self.ended = False

    def attend(self, flags: int = os.WNOHANG) -> None:
        """Hand on the signals that came for it, until it has executed its program or is gone.

        Whoever waits for something else that it does must call this now and then: a signal stops
        what is traced.
        """
        while not self.executed and not self.ended:
            pid, status = os.waitpid(self.pid, flags)
            if pid == 0:
                return
            if not os.WIFSTOPPED(status):
                self.ended = True
                return
            event, number = status >> 16, os.WSTOPSIG(status)
            if event == _EVENT_EXEC:
                self.executed = True
            elif event == _EVENT_STOP and number in _STOPS:
                syscalls.ptrace(syscalls.PTRACE_LISTEN, pid)
            else:
                syscalls.ptrace(syscalls.PTRACE_CONT, pid, 0 if event else number)

    def release(self) -> None:
        """One that was killed meanwhile has been started, like any that ends at once."""
        try:
            syscalls.ptrace(syscalls.PTRACE_DETACH, self.pid)
        except ProcessLookupError:
            os.waitpid(self.pid, 0)


def trace(ctx: Context) -> None:
    """Controller: trace init, so that its ``exec`` stops it; ``trace-end`` must follow."""
    pid = ctx.pids["init"]
    try:
        ctx.tracee = Tracee(pid)
    except OSError as error:
        raise StepError(error.errno or 0, f"/proc/{pid}", _why(pid, error)) from None


def await_exec(ctx: Context) -> None:
    """Controller: wait until init stands where its program begins."""
    tracee = _tracee(ctx)
    tracee.attend(0)
    if not tracee.executed:
        raise StepError(0, "", "init was killed while its program was loaded")


def end(ctx: Context) -> None:
    """Controller: trace init no more."""
    _tracee(ctx).release()
    ctx.tracee = None


def _tracee(ctx: Context) -> Tracee:
    if ctx.tracee is None:
        raise StepError(0, "", "no earlier step traces init")
    return ctx.tracee


def _why(pid: int, error: OSError) -> str:
    """The kernel's one word for all refusals is EPERM."""
    text = f"init cannot be traced: {error.strerror}"
    if error.errno != errno.EPERM:
        return text
    try:
        tracer = read_text(f"/proc/{pid}/status").partition("TracerPid:")[2].split()[0]
    except OSError:
        return text
    if tracer != "0":
        return f"{text} (process {tracer} traces it already)"
    try:
        scope = int(read_text("/proc/sys/kernel/yama/ptrace_scope"))
    except OSError:
        scope = 0
    if scope > 2:
        return f"{text} (kernel.yama.ptrace_scope is {scope}, so that nobody may; start unpaused)"
    return f"{text} (virtlxc needs CAP_SYS_PTRACE for that; start unpaused)"
