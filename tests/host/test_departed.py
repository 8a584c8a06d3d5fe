"""A destroyed domain's network namespace outlives it for a moment: no start waits for its end."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.host.lifelab import Lab
from virtlxc.driver.life.departed import Departed

pytestmark = pytest.mark.kernel


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


def test_a_destroyed_domain_leaves_its_namespace_to_the_daemon_and_no_longer_than_a_second(
    lab: Lab,
) -> None:
    card = "<interface type='bridge'><source bridge='br7'/><target dev='vgone'/></interface>"
    ref = lab.start(lab.define("gone", devices=card))
    namespace = os.readlink(f"/proc/{ref[2]}/ns/net")
    lab.destroy(ref)
    assert held(lab.instance.daemon_pid, namespace) == 1
    assert "vgone" not in lab.instance.links()
    wait_for("the namespace's end", lambda: not held(lab.instance.daemon_pid, namespace), 1.0)
    wait_for("the pair's end", lambda: lab.instance.links() == ["br7"], 1.0)


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


def test_several_are_let_go_together() -> None:
    departed = Departed()
    departed.keep(view("bridge"))
    departed.keep(view("network", "ethernet"))
    departed.keep(view())
    assert ours() == 3
    wait_for("the end of all", lambda: ours() == 0, 1.0)


def test_a_link_of_the_hosts_is_free_at_once() -> None:
    departed = Departed()
    departed.keep(view("bridge", "direct"))
    departed.keep(view(hostdevs=(object(),)))
    assert ours() == 0


def test_nothing_is_held_for_longer_because_something_starts() -> None:
    departed = Departed()
    with departed.starting():
        departed.keep(view())
        wait_for("its end", lambda: ours() == 0, 1.0)


def test_a_driver_that_ends_lets_go() -> None:
    departed = Departed()
    departed.keep(view())
    departed.close()
    assert ours() == 0
    departed.keep(view())
    assert ours() == 0
