"""A destroyed domain's network namespace outlives it for a moment: no start waits for its end."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.host.lifelab import Lab
from virtlxc.driver.life.departed import Departed

pytestmark = pytest.mark.host


@pytest.fixture
def lab(instance: Instance) -> Lab:
    instance.bridge("br7")
    return Lab(instance)


def held(pid: int, namespace: str) -> int:
    """How many descriptors of a process are this namespace."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(entry) == namespace
        except FileNotFoundError:
            continue
    return found


@pytest.mark.kernel
def test_a_destroyed_domain_leaves_its_namespace_to_the_daemon(lab: Lab) -> None:
    card = "<interface type='bridge'><source bridge='br7'/><target dev='vgone'/></interface>"
    ref = lab.define("gone", devices=card)

    def left() -> int:
        """How often the daemon holds the namespace of a domain that was just destroyed."""
        namespace = os.readlink(f"/proc/{lab.start(ref)[2]}/ns/net")
        lab.destroy(ref)
        found = held(lab.instance.daemon_pid, namespace)
        assert "vgone" not in lab.instance.links()
        wait_for("the namespace's end", lambda: not held(lab.instance.daemon_pid, namespace))
        wait_for("the pair's end", lambda: lab.instance.links() == ["br7"])
        return found

    # On a loaded host its moment may be over before we look.
    assert wait_for("a namespace that is held", left) == 1


def view(*cards: str, hostdevs: tuple[object, ...] = ()) -> Any:
    """A running domain in our own network namespace, with cards of these types."""
    return SimpleNamespace(
        live=SimpleNamespace(
            interfaces=[SimpleNamespace(type=card) for card in cards], hostdevs=hostdevs
        ),
        run=SimpleNamespace(init=SimpleNamespace(pid=os.getpid())),
    )


OWN = os.readlink("/proc/self/ns/net")


def ours() -> int:
    return held(os.getpid(), OWN)


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleeper = threading.Semaphore(0)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self._sleeper.acquire()
        self.now += seconds

    def go_on(self) -> None:
        """Lets one sleep end."""
        self._sleeper.release()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("virtlxc.driver.life.departed.time", made)
    return made


def test_several_are_let_go_together(clock: Clock) -> None:
    departed = Departed()
    departed.keep(view("bridge"))
    departed.keep(view("network", "ethernet"))
    departed.keep(view())
    assert ours() == 3
    clock.go_on()
    wait_for("the end of all", lambda: ours() == 0)


def test_a_link_of_the_hosts_is_free_at_once() -> None:
    departed = Departed()
    departed.keep(view("bridge", "direct"))
    departed.keep(view(hostdevs=(object(),)))
    assert ours() == 0


def test_what_starts_is_waited_for_but_not_for_long(clock: Clock) -> None:
    departed = Departed()
    with departed.starting():
        departed.keep(view())
        clock.go_on()
        wait_for("the first look", lambda: clock.now > 100)
        assert ours() == 1
        for _ in range(5):
            clock.go_on()
        wait_for("its end", lambda: ours() == 0)
        assert clock.now - 100 < 1


def test_a_start_that_has_just_ended_has_its_moment(clock: Clock) -> None:
    departed = Departed()
    departed.keep(view())
    clock.now += 0.1
    with departed.starting():
        pass
    clock.go_on()
    wait_for("the first look", lambda: clock.now > 100.25)
    clock.go_on()
    wait_for("its end", lambda: ours() == 0)


def test_a_driver_that_ends_lets_go(clock: Clock) -> None:
    departed = Departed()
    departed.keep(view())
    departed.close()
    assert ours() == 0
    departed.keep(view())
    assert ours() == 0
