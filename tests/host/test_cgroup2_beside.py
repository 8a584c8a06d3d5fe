"""A host of cgroup v1 alone, played in a mount namespace: cgroup2 gets a place of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import CHECKOUT

pytestmark = [pytest.mark.host, pytest.mark.v1]

PROBE = """
import json, subprocess, sys
from virtlxc.host.probe import probe_passive, probe_host
mount = probe_passive().cgroup.mount
while probe_passive().cgroup.mount:
    subprocess.run(["umount", probe_passive().cgroup.mount], check=True)
without = probe_host().cgroup
beside = probe_host(cgroup2_beside=sys.argv[1]).cgroup
again = probe_host(cgroup2_beside=sys.argv[1]).cgroup
points = [line.split()[4] for line in open("/proc/self/mountinfo")]
print(json.dumps([without.layout, without.mount, beside.layout, beside.mount, beside.kill,
    beside.device_program, again.mount, points.count(sys.argv[1])]))
"""


def test_mounted_once_where_it_is_nowhere(tmp_path: Path) -> None:
    place = str(tmp_path / "cgroup2")
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", PROBE]
    done = subprocess.run(
        [*command, place], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == ["v1", "", "hybrid", place, True, True, place, 1]
