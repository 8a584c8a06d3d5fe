"""A start that fails, or whose processes are killed, anywhere in a real plan leaves nothing.

The plans are the planner's own, for two unlike domains, performed through daemon and wire; one more
step is put behind each of their steps. It opens a path that is not there, and fails; or a FIFO that
nobody writes to, and stands there until a process of the start is killed. Each start gets one step
further than the one before, which it could not if that had left anything in its way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.harness import wait_for
from tests.host.faultlab import MISSING, FaultLab, FaultyInstance, HeldStart, gaps, kill, kinds
from tests.host.faulty_daemon import STEP
from tests.host.lifelab import SHUTOFF

pytestmark = pytest.mark.host

DOMAINS = ("netted", "plain")


@pytest.fixture(scope="module")
def lab() -> Iterator[FaultLab]:
    instance = FaultyInstance()
    try:
        yield FaultLab(instance)
    finally:
        (instance.root / "fault.json").unlink(missing_ok=True)
        # Whoever still stands there after a failed test passes.
        with (instance.root / "fifo").open("r+b", buffering=0):
            instance.close()


@pytest.fixture(autouse=True)
def nobody_stands(lab: FaultLab) -> Iterator[None]:
    """A test that failed leaves no start standing in the next one's way."""
    yield
    with lab.fifo.open("r+b", buffering=0):
        time.sleep(0.1)
    lab.want_nothing()


@pytest.mark.parametrize("name", DOMAINS)
def test_a_failure_behind_every_step(lab: FaultLab, name: str) -> None:
    tried = 0
    for gap in gaps(lab.plans[name]):
        lab.want(gap, MISSING)
        assert lab.refused(name) == (
            f"cannot start domain '{name}': {STEP}: {MISSING}: No such file or directory"
        ), gap.what
        assert lab.state(lab.refs[name])[0] == SHUTOFF
        lab.assert_nothing_left(f"failed in {gap.what}")
        tried += 1
    assert tried >= len(lab.plans[name]) - 1
    lab.want_nothing()
    lab.works(name)


# What a caller reads when one of a start's processes is killed.
KILLED = {
    "controller": "the controller was killed during the start",
    "performer": "the performer was killed during the start",
    "guest": "was killed during the start",
}


@pytest.mark.parametrize("victim", list(KILLED))
@pytest.mark.parametrize("name", DOMAINS)
def test_a_process_killed_at_every_step(lab: FaultLab, name: str, victim: str) -> None:
    plan = lab.plans[name]
    born = [step["op"] for step in plan].index("fork-stage") if victim == "guest" else 0
    tried = 0
    for gap in gaps(plan):
        if gap.side == "daemon" or gap.after < born:
            continue
        lab.want(gap, lab.fifo)
        start = HeldStart(lab, name)
        kill(start.pids(gap.side)[victim])
        # The performer, if it is the one that stands, has to go on to see that the guest is gone.
        error = start.outcome(go_on=victim == "guest")
        assert error.startswith(f"cannot start domain '{name}': "), (gap.what, error)
        # A step of the performer may stumble over the guest's absence before the performer hears.
        stumbled = victim == "guest" and gap.side == "controller" and "/proc/" in error
        assert KILLED[victim] in error or stumbled, (gap.what, error)
        lab.assert_nothing_left(f"{victim} killed while it stood in {gap.what}")
        tried += 1
    assert tried >= sum(step["side"] in ("stage", "init") for step in plan)
    lab.want_nothing()
    lab.works(name)


def test_a_spawner_killed_at_every_kind_of_step_is_not_missed(lab: FaultLab) -> None:
    for gap in kinds(lab.plans["netted"]):
        lab.want(gap, lab.fifo)
        start = HeldStart(lab, "netted")
        start.pids(gap.side)
        kill(lab.spawner())
        assert start.outcome(go_on=True) == "", gap.what
        lab.destroy(lab.refs["netted"])
    lab.want_nothing()
    lab.works("netted")
    lab.assert_nothing_left("after spawners were killed")


def test_a_killed_daemon_leaves_nothing_to_the_next(lab: FaultLab) -> None:
    """Anywhere in its own steps, and here and there in those of others, who all do the same."""
    own = [gap for gap in kinds(lab.plans["netted"]) if gap.side == "daemon"]
    others = [gap for gap in kinds(lab.plans["netted"]) if gap.side != "daemon"]
    for gap in (*own, *others[::4]):
        lab.want(gap, lab.fifo)
        start = HeldStart(lab, "netted")
        start.pids(gap.side)
        lab.instance.kill_daemon()
        lab.want_nothing()
        lab.instance.start_daemon()
        lab.connect()
        start.outcome()
        lab.assert_nothing_left(f"daemon killed in {gap.what}")
        assert lab.state(lab.refs["netted"])[0] == SHUTOFF
    lab.works("netted")
    wait_for("the end", lambda: not lab.state_of_things()["cgroup"], 1)
