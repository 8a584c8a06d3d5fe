"""A host of cgroup v1 alone, played in a mount namespace: cgroup2 gets a place of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import CHECKOUT, Instance, cgroup_mounts
from tests.host.lifelab import Lab, is_alive

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


def test_a_domain_lives_and_ends_on_it() -> None:
    """The daemon mounts it, and finds it again; limits are cgroup v1's, processes are tracked."""
    instance = Instance(start=False)
    try:
        # The namespace's own /sys hides the host's, with cgroup2 in it: neither may be there.
        instance.run("umount", "-R", "-l", "/sys").ok()
        for mount in cgroup_mounts():
            if (mount / "cgroup.subtree_control").exists():
                instance.run("umount", str(mount)).ok()
        instance.start_daemon()
        beside = f"{instance.paths.run}/cgroup2"
        lab = Lab(instance)
        ref = lab.define("old", more="<memtune><hard_limit unit='MiB'>48</hard_limit></memtune>")
        init = lab.start(ref)[2]
        groups = dict(line.split(":")[1:] for line in lines(f"/proc/{init}/cgroup"))
        assert groups[""].endswith("-old.libvirt-lxc/payload/init")
        limit = f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes"
        assert lines(limit) == [str(48 << 20)]
        lab.call("DOMAIN_SUSPEND", dom=ref)
        frozen = instance.seen(Path(beside)) / groups[""].removesuffix("/init")[1:]
        assert lines(frozen / "cgroup.events") == ["populated 1", "frozen 1"]
        lab.call("DOMAIN_RESUME", dom=ref)
        instance.kill_daemon()
        instance.start_daemon()
        lab.connect()
        assert lab.id(ref) == init
        mounts = lines(f"/proc/{instance.daemon_pid}/mountinfo")
        assert [line.split()[4] for line in mounts if " - cgroup2 " in line] == [beside]
        instance.own_mounts.add(beside)
        lab.destroy(ref)
        assert not frozen.exists() and not is_alive(init)
    finally:
        instance.close()


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text().splitlines()
