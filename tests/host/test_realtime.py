"""A daemon that is scheduled in real time, on cgroups of version 1 that have no time for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Instance
from tests.host.lifelab import Lab
from virtlxc.errors import VirtlxcError

pytestmark = [pytest.mark.host, pytest.mark.v1]
BUDGET = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")


@pytest.mark.skipif(not BUDGET.exists(), reason="no CPU controller of v1 with real-time groups")
def test_groups_without_real_time_refuse_a_start_in_real_time(instance: Instance) -> None:
    lab = Lab(instance)
    ref = lab.define("rt", more="<cputune><shares>512</shares></cputune>")
    spawners = [pid for pid, title in instance.spaces.members().items() if "spawner" in title]
    os.sched_setscheduler(spawners[0], os.SCHED_FIFO, os.sched_param(1))
    with pytest.raises(VirtlxcError) as caught:
        lab.start(ref)
    assert caught.value.message.startswith(
        "cannot start domain 'rt': enter the groups of cgroup v1: /sys/fs/cgroup/cpu"
    )
    assert caught.value.message.endswith(
        "/tasks: Invalid argument (the spawner is scheduled in real time, and this group has no"
        " time for that: cpu.rt_runtime_us is 0 here or in the parent group; take that policy from"
        " it: chrt --other --pid 0 PID)"
    )
    os.sched_setscheduler(spawners[0], os.SCHED_OTHER, os.sched_param(0))
    assert lab.start(ref)[2] > 0
    lab.destroy(ref)


def test_a_daemon_in_real_time_starts_domains_that_are_not(instance: Instance) -> None:
    instance.stop_daemon()
    before = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        instance.start_daemon()
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))
    assert os.sched_getscheduler(instance.daemon_pid) == os.SCHED_FIFO
    lab = Lab(instance)
    ref = lab.start(lab.define("normal"))
    assert os.sched_getscheduler(ref[2]) == os.SCHED_OTHER
    lab.destroy(ref)
