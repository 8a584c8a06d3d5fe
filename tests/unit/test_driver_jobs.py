"""One change at a time, and who may end it."""

from __future__ import annotations

import threading

import pytest

from virtlxc.driver.events import EventBus, Reboot
from virtlxc.driver.jobs import Job
from virtlxc.driver.ref import make_ref
from virtlxc.errors import Code, VirtlxcError

UUID = "00000000-0000-0000-0000-00000000000a"


def test_a_second_change_waits_and_gives_up_with_a_name() -> None:
    job = Job()
    with job.hold("start", "web1"):
        assert job.running == "start"
        with pytest.raises(VirtlxcError) as caught, job.hold("undefine", "web1", wait=0.01):
            pass
        assert caught.value.code == Code.OPERATION_TIMEOUT
        assert "cannot undefine domain 'web1'" in caught.value.message
        assert "start did not end" in caught.value.message
    assert job.running == ""


def test_a_failing_change_lets_go() -> None:
    job = Job()
    with pytest.raises(ZeroDivisionError), job.hold("start", "web1"):
        raise ZeroDivisionError
    with job.hold("destroy", "web1", wait=0.01):
        pass


def test_destroy_ends_a_start_that_runs() -> None:
    job, given_up, began = Job(), threading.Event(), threading.Event()
    seen: list[str] = []

    def start() -> None:
        with job.hold("start", "web1") as ticket:
            ticket.on_cancel(given_up.set)
            began.set()
            given_up.wait(10)
            seen.append(ticket.cancelled_by)

    thread = threading.Thread(target=start)
    thread.start()
    began.wait(10)
    job.preempt("destroy", frozenset({"resume"}))
    assert not given_up.is_set()
    job.preempt("destroy", frozenset({"start"}))
    with job.hold("destroy", "web1"):
        assert seen == ["destroy"]
    thread.join()


def test_a_callback_that_comes_after_the_pre_emption_runs_at_once() -> None:
    job, calls = Job(), []
    with job.hold("start", "web1") as ticket:
        ticket.cancel("destroy")
        ticket.cancel("destroy")
        ticket.on_cancel(lambda: calls.append(1))
    assert calls == [1]


def test_events_reach_every_listener_until_it_leaves() -> None:
    bus = EventBus()
    first: list[object] = []
    second: list[object] = []

    def broken(event: object) -> None:
        raise ZeroDivisionError

    bus.subscribe(broken)
    leave = bus.subscribe(first.append)
    bus.subscribe(second.append)
    event = Reboot(make_ref("web1", UUID, 5))
    bus.emit(event)
    leave()
    bus.emit(event)
    assert (first, second) == ([event], [event, event])
