"""What the end of a controller means."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from virtlxc.driver.constants import Detail, Reason, State
from virtlxc.driver.domain.domain import Backoff
from virtlxc.driver.life import exits


def judged(report: dict[str, Any] | None, destroying: bool = False, **on: str) -> exits.Ending:
    actions = {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"} | on
    return exits.judge(report, destroying=destroying, **actions)


def report(**fields: Any) -> dict[str, Any]:
    return {
        "how": "exited", "status": 0, "signal": 0, "intent": None, "init_uptime_s": 3.2,
        "error": None, **fields,
    }  # fmt: skip


def killed(signum: int, **fields: Any) -> dict[str, Any]:
    return report(how="signaled", signal=signum, **fields)


@pytest.mark.parametrize(
    ("given", "detail", "reason", "crashed", "status"),
    [
        (report(), Detail.STOPPED_SHUTDOWN, Reason.SHUTOFF_SHUTDOWN, False,
         "init exited with status 0 after 3.2 s"),
        (report(status=1), Detail.STOPPED_CRASHED, Reason.SHUTOFF_CRASHED, True,
         "init exited with status 1 after 3.2 s"),
        (report(status=1, intent="shutdown"), Detail.STOPPED_SHUTDOWN, Reason.SHUTOFF_SHUTDOWN,
         False, "init exited with status 1 after 3.2 s"),
        (killed(signal.SIGINT), Detail.STOPPED_SHUTDOWN, Reason.SHUTOFF_SHUTDOWN, False,
         "init powered off after 3.2 s"),
        (killed(signal.SIGSEGV, init_uptime_s=125.0), Detail.STOPPED_CRASHED,
         Reason.SHUTOFF_CRASHED, True, "init was killed by signal 11 (SIGSEGV) after 2 min 5 s"),
        (killed(signal.SIGKILL, intent="destroy"), Detail.STOPPED_DESTROYED,
         Reason.SHUTOFF_DESTROYED, False, "destroyed"),
        (report(error={"step": "mount /proc", "text": "no"}), Detail.STOPPED_FAILED,
         Reason.SHUTOFF_FAILED, False, "mount /proc: no"),
        (None, Detail.STOPPED_FAILED, Reason.SHUTOFF_FAILED, False,
         "its controller died, and with it the domain"),
    ],
)  # fmt: skip
def test_how_it_ended(
    given: dict[str, Any] | None, detail: int, reason: int, crashed: bool, status: str
) -> None:
    ending = judged(given)
    assert (ending.detail, ending.reason, ending.crashed) == (detail, reason, crashed)
    assert ending.status == status
    assert ending.action == exits.STOP


def test_each_end_has_its_action() -> None:
    crash, clean, reboot = killed(signal.SIGSEGV), report(), killed(signal.SIGHUP)
    assert judged(crash, on_crash="restart").action == exits.RESTART
    assert judged(crash, on_crash="coredump-restart").action == exits.RESTART
    assert judged(clean, on_crash="restart").action == exits.STOP
    assert judged(clean, on_poweroff="restart").action == exits.RESTART
    assert judged(crash, on_poweroff="restart").action == exits.STOP
    assert judged(reboot, on_reboot="destroy").action == exits.STOP
    overruled = killed(signal.SIGHUP, intent="shutdown")
    assert judged(overruled, on_reboot="restart").action == exits.STOP
    assert judged(None, on_crash="restart").action == exits.STOP


def test_preserve_shows_a_crash_and_nothing_else() -> None:
    assert judged(killed(signal.SIGSEGV), on_crash="preserve").state == State.CRASHED
    assert judged(report(), on_poweroff="preserve").state == State.SHUTOFF


def test_destroy_never_restarts() -> None:
    for given in (None, report(status=1), killed(signal.SIGKILL), killed(signal.SIGHUP)):
        ending = judged(given, True, on_crash="restart", on_poweroff="restart")
        assert (ending.action, ending.detail) == (exits.STOP, Detail.STOPPED_DESTROYED)


def test_the_back_off_doubles_up_to_a_minute_and_forgets_after_one() -> None:
    backoff = Backoff()
    assert [backoff.next(0.5) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert backoff.next(59.9) == 60
    assert backoff.next(60.0) == 1
    assert backoff.next(0.0) == 2
    backoff.reset()
    assert backoff.next(0.0) == 1
