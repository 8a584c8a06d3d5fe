"""The harness itself, on every kernel that tests run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Instance

pytestmark = pytest.mark.host


@pytest.fixture
def quiet() -> Iterator[Instance]:
    """An instance without its daemon."""
    made = Instance(start=False)
    yield made
    made.close()


@pytest.mark.kernel
def test_an_instance_has_namespaces_of_its_own(quiet: Instance) -> None:
    assert quiet.links() == []
    quiet.bridge("br0", "10.9.0.1/24")
    assert quiet.links() == ["br0"]
    assert quiet.run("ls", "/sys/class/net").ok().split() == ["br0", "lo"]
    assert quiet.leftovers() == []


def test_the_cgroup_trees_of_the_host_are_there(quiet: Instance) -> None:
    assert quiet.run("stat", "-f", "-c", "%T", "/sys/fs/cgroup").ok().strip() in (
        "cgroup2fs",
        "tmpfs",
    )


def test_busybox_runs_in_its_root_file_system(quiet: Instance) -> None:
    root = quiet.busybox(owner=100000)
    assert root.stat().st_uid == 100000
    assert quiet.run("chroot", str(root), "/bin/echo", "hello").ok() == "hello\n"


def test_a_process_left_behind_is_found(quiet: Instance) -> None:
    left = quiet.spaces.popen(["sleep", "1000"])
    try:
        assert any("sleep 1000" in line for line in quiet.leftovers())
    finally:
        left.kill()
        left.wait()
