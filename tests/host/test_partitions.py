"""Where ``<resource><partition>`` puts a domain's control groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, cgroup_mounts
from tests.host.lifelab import Lab

pytestmark = pytest.mark.host


@pytest.fixture
def partition(instance: Instance) -> Iterator[tuple[str, str]]:
    """A partition that nobody else has, and its path below each hierarchy; removed at the end."""
    name = f"vltest-{instance.paths.instance}"
    path = f"{name}.partition/db.partition"
    yield f"/{name}/db", path
    instance.virtlxc("destroy", "db1")
    for mount in cgroup_mounts():
        for folder in (mount / path, (mount / path).parent):
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()


def groups_below(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_dir()]


def test_a_domain_lies_in_its_partition(instance: Instance, partition: tuple[str, str]) -> None:
    asked, path = partition
    lab = Lab(instance)
    ref = lab.define("db1", more=f"<resource><partition>{asked}</partition></resource>")
    assert f"<partition>{asked}</partition>" in instance.virtlxc("dumpxml", "db1").ok()
    for _ in ("made", "found there"):
        init = lab.start(ref)[2]
        leaf = f"{path}/lxc-{instance.paths.instance}-{lab.controller(ref)}-db1.libvirt-lxc"
        homes = [mount for mount in cgroup_mounts() if (mount / leaf).is_dir()]
        assert sorted(instance.cgroups()) == sorted(mount / leaf for mount in homes)
        (unified,) = (mount for mount in homes if (mount / "cgroup.controllers").exists())
        assert str(init) in (unified / leaf / "payload/init/cgroup.procs").read_text().split()
        # The limit is where the host counts memory, and it is the domain's, not the partition's.
        old = Path("/sys/fs/cgroup/memory")
        limited = old / leaf if old in homes else unified / leaf / "payload"
        file = "memory.limit_in_bytes" if old in homes else "memory.max"
        assert (limited / file).read_text() == f"{64 << 20}\n"
        if old in homes:
            assert str(init) in (limited / "cgroup.procs").read_text().split()
            assert (old / path / file).read_text() != f"{64 << 20}\n"
        lab.destroy(ref)
        assert instance.cgroups() == []
        # Shared by all that name it, the partition stays, and nothing in it.
        for mount in homes:
            assert groups_below(mount / path) == []
            assert groups_below((mount / path).parent) == [mount / path]
            assert (mount / path / "cgroup.procs").read_text() == ""
