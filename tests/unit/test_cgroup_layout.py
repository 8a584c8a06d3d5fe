"""Names and places of control groups are libvirt's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc import mountinfo
from virtlxc.host.cgroup import layout
from virtlxc.host.hierarchies import Hierarchies, hierarchies_of
from virtlxc.host.hierarchies import layout as hierarchy_layout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web1", "web1"),
        ("my_web", "myweb"),
        ("a.b-c", "a.b-c"),
        ("a..b", "a.b"),
        ("-a-", "a"),
        (".hidden.", "hidden"),
        ("über", "ber"),
        ("___", ""),
        ("a_-b", "a-b"),
    ],
)
def test_filter(name: str, expected: str) -> None:
    assert layout.filter_name(name) == expected


@given(st.text(max_size=200))
def test_a_machine_name_is_a_host_name(name: str) -> None:
    made = layout.machine_name(name, "4194304", "ab12")
    assert len(made) <= layout.MACHINE_NAME_MAX
    assert made.startswith("lxc-ab12-4194304-")
    assert "/" not in made and "_" not in made and made.isascii()


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        (None, "/machine"),
        ("/machine", "/machine"),
        ("/machine/production", "/machine/production.partition"),
        ("/production/web", "/production.partition/web.partition"),
        ("/machine/a.slice", "/machine/a.slice"),
        ("/user/machine", "/user/machine.partition"),
        ("/cpu.x", "/_cpu.x"),
        ("/_x", "/__x.partition"),
        ("/cgroup.procs", "/_cgroup.procs"),
    ],
)
def test_partition(partition: str | None, expected: str) -> None:
    assert layout.partition_path(partition) == expected


def test_leaf() -> None:
    assert layout.leaf("web1", "4711") == "/machine/lxc-4711-web1.libvirt-lxc"
    tagged = layout.leaf("web1", "4711", partition="/a", instance="ab12")
    assert tagged == "/a.partition/lxc-ab12-4711-web1.libvirt-lxc"


def test_ancestors() -> None:
    assert layout.ancestors("/a/b/c") == ("/a", "/a/b")
    assert layout.ancestors("/a") == ()


MOUNTS = r"""
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
33 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 31 0:30 /machine /mnt/bound rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_hierarchies() -> None:
    found = hierarchies(MOUNTS)
    assert found.cgroup2 == "/sys/fs/cgroup/unified"
    assert found.v1 == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
        "name=systemd": "/sys/fs/cgroup/systemd",
    }
    assert hierarchy_layout(found) == "hybrid"


def test_layouts() -> None:
    v2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"
    assert hierarchy_layout(hierarchies(v2)) == "v2"
    v1 = "\n".join(line for line in MOUNTS.splitlines() if "cgroup2" not in line)
    assert hierarchy_layout(hierarchies(v1)) == "v1"
    systemd = v2 + "\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"
    assert hierarchy_layout(hierarchies(systemd)) == "v2"


def hierarchies(table: str) -> Hierarchies:
    return hierarchies_of(mountinfo.parse(table.encode()))
