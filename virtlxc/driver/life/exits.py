"""What the end of a controller means: the pure half.

A controller's report (exit.json) says how init ended and what had been asked for; the definition
says what shall follow. :func:`judge` makes one :class:`Ending` of both; what is then done is in
:mod:`virtlxc.driver.life.endings`.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virtlxc.driver.constants import Detail, Reason, State

STOP, RESTART, PRESERVE = "stop", "restart", "preserve"

# What each value of on_poweroff, on_reboot and on_crash means for a container. Renaming and
# dumping are for virtual machines; libvirt's drivers without them fall back to destroying.
_ACTIONS = {
    "destroy": STOP,
    "restart": RESTART,
    "preserve": PRESERVE,
    "rename-restart": RESTART,
    "coredump-destroy": STOP,
    "coredump-restart": RESTART,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended, and what follows.

    ``detail`` is of the event STOPPED, ``reason`` of the state SHUTOFF. ``status`` is the sentence
    for people. ``action`` is STOP, RESTART or PRESERVE; a restart after a crash backs off.
    """

    detail: int
    reason: int
    status: str
    action: str = STOP
    crashed: bool = False
    uptime: float = 0.0

    @property
    def state(self) -> int:
        return State.CRASHED if self.action == PRESERVE and self.crashed else State.SHUTOFF

    @property
    def state_reason(self) -> int:
        """``reason``, or that of the state CRASHED, which has reasons of its own."""
        return Reason.CRASHED_UNKNOWN if self.state == State.CRASHED else self.reason


def judge(
    report: Mapping[str, Any] | None,
    *,
    on_poweroff: str,
    on_reboot: str,
    on_crash: str,
    destroying: bool = False,
) -> Ending:
    """The ending behind a controller's report; None: it left none, so it was killed itself.

    ``destroying``: this daemon asked for the end, whether or not the controller heard of it.
    """
    uptime = float((report or {}).get("init_uptime_s") or 0.0)
    intent = (report or {}).get("intent")
    if destroying or intent == "destroy":
        return Ending(
            detail=Detail.STOPPED_DESTROYED,
            reason=Reason.SHUTOFF_DESTROYED,
            status="destroyed",
            uptime=uptime,
        )
    if report is None:
        return _failed("its controller died, and with it the domain")
    if report.get("error"):
        return _failed(error_text(report["error"]))
    status = how_text(report)
    signaled = report.get("how") == "signaled"
    signum = report.get("signal") if signaled else None
    success = not signaled and report.get("status") == 0
    if signum == signal.SIGHUP and intent != "shutdown":
        # reboot(2) inside; the controller would have booted again had on_reboot said so, and
        # had no shutdown been asked for in between.
        return _clean(f"rebooted: {status}", _ACTIONS.get(on_reboot, STOP), uptime)
    if signum == signal.SIGINT or success or intent in ("shutdown", "reboot"):
        return _clean(status, _ACTIONS.get(on_poweroff, STOP), uptime)
    return Ending(
        detail=Detail.STOPPED_CRASHED,
        reason=Reason.SHUTOFF_CRASHED,
        status=status,
        action=_ACTIONS.get(on_crash, STOP),
        crashed=True,
        uptime=uptime,
    )


def _clean(status: str, action: str, uptime: float) -> Ending:
    return Ending(
        detail=Detail.STOPPED_SHUTDOWN,
        reason=Reason.SHUTOFF_SHUTDOWN,
        status=status,
        action=action,
        uptime=uptime,
    )


def _failed(status: str) -> Ending:
    return Ending(
        detail=Detail.STOPPED_FAILED, reason=Reason.SHUTOFF_FAILED, status=status, action=STOP
    )


def how_text(report: Mapping[str, Any]) -> str:
    """"init exited with status 1 after 3.2 s"; halting and powering off are told apart."""
    after = _duration(float(report.get("init_uptime_s") or 0.0))
    if report.get("how") != "signaled":
        return f"init exited with status {report.get('status')} after {after}"
    number = int(report.get("signal") or 0)
    if number == signal.SIGINT:
        return f"init powered off after {after}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "no name"
    return f"init was killed by signal {number} ({name}) after {after}"


def error_text(error: Any) -> str:
    """A failed step of the controller as a sentence: "attach eth0 to its bridge: ..."."""
    if not isinstance(error, Mapping):
        return str(error)
    parts = [str(error[part]) for part in ("step", "text") if error.get(part)]
    return ": ".join(parts) or "unknown error"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
