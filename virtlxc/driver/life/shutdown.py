"""Asking a container to end or boot again by itself.

Nothing here waits for the end: the request is sent, and the end is seen as an event when it comes.
A request that init would not notice is an error, because waiting for it would be in vain; but an
init that has only begun is given the time to set up its signals.
"""

from __future__ import annotations

import os
import signal
import time

from virtlxc.driver import refusals
from virtlxc.driver.constants import Shutdown, State
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain.domain import Run, View, now
from virtlxc.driver.jobs import Ticket
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
    with core.changing(ref, _WORDS[end]) as (entry, ticket):
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
                how = _send(core, view, view.run, end, flags, ticket)
                if not how and entry.asked != view.run.init:
                    raise _deaf(view, view.run, end, flags)
            except (FileNotFoundError, ProcessLookupError):
                # It ended by itself meanwhile.
                raise refusals.not_running() from None
            entry.asked = view.run.init
            # Busy ending, it may not listen any more.
            return how or f"{_name(view.run)} was asked before and has not ended yet"


def _send(core: Core, view: View, run: Run, end: str, flags: int, ticket: Ticket) -> str:
    """How init was asked, as soon as it can be; empty when it is not about to listen."""
    patience = _Patience(run)
    with pidfd_of(run.init) as pidfd:
        core.monitor.intent(view, _INTENTS[end])
        while True:
            kind = inits.kind_of(run.init.pid)
            how = _ask(kind, run, pidfd, end, flags)
            if how or not patience.lasts():
                return how
            if ticket.cancelled_by:
                raise VirtlxcError(
                    f"it was ended by a {ticket.cancelled_by} meanwhile", Code.OPERATION_INVALID
                )
            time.sleep(_LOOK_SECONDS)


def _ask(kind: inits.Kind, run: Run, pidfd: int, end: str, flags: int) -> str:
    """How this init was asked; empty when it would not notice."""
    if flags & Shutdown.INITCTL or (not flags and kind.initctl):
        path = inits.write_initctl(run.init.pid, end)
        if path:
            return f"asked {kind.name} by {path}"
    signum = kind.signals[end]
    if flags == Shutdown.INITCTL or not inits.listens(run.init.pid, signum):
        return ""
    signal.pidfd_send_signal(pidfd, signum)
    return f"sent {signal_name(signum)} to {kind.name}"


def _deaf(view: View, run: Run, end: str, flags: int) -> VirtlxcError:
    if flags == Shutdown.INITCTL:
        return VirtlxcError(
            "its init has no initctl FIFO (try mode signal, or destroy it)",
            Code.OPERATION_UNSUPPORTED,
        )
    signum = inits.kind_of(run.init.pid).signals[end]
    return VirtlxcError(
        f"send {signal_name(signum)} to init: {program(run.init.pid)} neither handles nor waits for"
        f" that signal, so it would never end (virtlxc destroy {view.name})",
        Code.OPERATION_FAILED,
    )


# How long after its boot an init may still be about to set up its signals, and how long it may
# sleep before that: one that has nothing to do will not.
_YOUNG_SECONDS = 10.0
_IDLE_SECONDS = 0.5
_LOOK_SECONDS = 0.01


def _name(run: Run) -> str:
    return inits.kind_of(run.init.pid).name


class _Patience:
    """How long an init that does not listen yet is given: while it is young, and at work."""

    def __init__(self, run: Run) -> None:
        self._pid = run.init.pid
        self._end = time.monotonic() + _YOUNG_SECONDS - (now() - run.booted)
        self._spent = -1
        self._idle_since = 0.0

    def lasts(self) -> bool:
        moment = time.monotonic()
        asleep, spent = inits.activity(self._pid)
        if not asleep or spent != self._spent:
            self._spent, self._idle_since = spent, moment
        return moment < self._end and moment - self._idle_since < _IDLE_SECONDS


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
