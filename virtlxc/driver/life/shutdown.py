"""Asking a container to end or boot again by itself.

Nothing here waits: the request is sent, and the end is seen as an event when it comes. A request
that init would not notice is an error at once, because waiting for it would be in vain.
"""

from __future__ import annotations

import os
import signal
import time

from virtlxc.driver import refusals
from virtlxc.driver.constants import Shutdown, State
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain.domain import Run, View, now
from virtlxc.driver.life import inits
from virtlxc.driver.processes import pidfd_of
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError

_WORDS = {inits.POWEROFF: "shut down", inits.REBOOT: "reboot"}
_INTENTS = {inits.POWEROFF: "shutdown", inits.REBOOT: "reboot"}


def request(core: Core, ref: Ref, end: str, flags: int) -> str:
    """Sends what init understands and gives a sentence about it.

    ``flags``: constants.Shutdown; INITCTL and SIGNAL limit the ways, 0 leaves the choice to us.
    """
    refusals.check_flags(
        "lxcDomainShutdownFlags" if end == inits.POWEROFF else "lxcDomainReboot",
        flags,
        Shutdown.INITCTL | Shutdown.SIGNAL,
    )
    with core.changing(ref, _WORDS[end]) as (entry, _):
        view = entry.view
        if view.run is None:
            raise refusals.not_running()
        with doing(f"cannot {_WORDS[end]} domain '{view.name}'"):
            if view.state == State.PAUSED:
                raise VirtlxcError(
                    "it is paused, so its init cannot act (resume it first, or destroy it)",
                    Code.OPERATION_INVALID,
                )
            try:
                how = _send(core, view, view.run, end, flags, asked=entry.asked == view.run.init)
            except (FileNotFoundError, ProcessLookupError):
                # It ended by itself meanwhile.
                raise refusals.not_running() from None
            entry.asked = view.run.init
            return how


def _send(core: Core, view: View, run: Run, end: str, flags: int, *, asked: bool) -> str:
    """``asked``: this init was asked before; busy ending, it may not listen any more."""
    pid = run.init.pid
    with pidfd_of(run.init) as pidfd:
        kind = inits.kind_of(pid)
        core.monitor.intent(view, _INTENTS[end])
        by_initctl = flags & Shutdown.INITCTL or (not flags and kind.initctl)
        if by_initctl:
            path = inits.write_initctl(pid, end)
            if path:
                return f"asked {kind.name} by {path}"
            if not flags & Shutdown.SIGNAL and flags:
                raise VirtlxcError(
                    "its init has no initctl FIFO (try mode signal, or destroy it)",
                    Code.OPERATION_UNSUPPORTED,
                )
        signum = kind.signals[end]
        if not _listens(run, signum):
            if asked:
                return f"{kind.name} was asked before and has not ended yet"
            raise VirtlxcError(
                f"send {signal_name(signum)} to init: {program(pid)} neither handles nor waits for"
                f" that signal, so it would never end (virtlxc destroy {view.name})",
                Code.OPERATION_FAILED,
            )
        signal.pidfd_send_signal(pidfd, signum)
        return f"sent {signal_name(signum)} to {kind.name}"


# How long after its boot an init may still be about to set up its signals, and how long it is
# given when it has not.
_YOUNG_SECONDS = 3.0
_SET_UP_SECONDS = 0.5


def _listens(run: Run, signum: int) -> bool:
    young = now() - run.booted < _YOUNG_SECONDS
    end = time.monotonic() + (_SET_UP_SECONDS if young else 0.0)
    while not inits.listens(run.init.pid, signum):
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True


def program(pid: int) -> str:
    """The program of a process, for messages."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return "it"


def signal_name(signum: int) -> str:
    if signum >= 34:
        return f"SIGRTMIN+{signum - 34}"
    return signal.Signals(signum).name
