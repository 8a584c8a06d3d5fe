"""Two instances on one host never give the same host ids to their guests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from virtlxc.host.security import idmap, idranges

pytestmark = pytest.mark.host
RANGE = idmap.RANGE


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str, str]:
    """The registry, and the guests' folders of two instances."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return str(tmp_path / "ids"), str(tmp_path / "one"), str(tmp_path / "two")


def test_another_instances_range_is_taken(folders: tuple[str, str, str]) -> None:
    registry, one, two = folders
    first = idranges.take([], one, registry)
    assert first is not None
    second = idranges.take([], two, registry)
    assert second is not None and second >= first + RANGE
    assert idranges.take([(first, RANGE)], one, registry) not in (first, second, None)


def test_a_range_comes_back_with_its_guest_or_its_instance(folders: tuple[str, str, str]) -> None:
    registry, one, two = folders
    first = idranges.take([], one, registry)
    assert idranges.take([], one, registry) == first, "its own guest is gone"
    assert idranges.take([], two, registry) != first
    os.rmdir(one)
    assert idranges.take([], two, registry) == first


@pytest.mark.kernel
def test_ids_of_any_running_user_namespace_are_taken(folders: tuple[str, str, str]) -> None:
    registry, one, _ = folders
    free = idranges.take([], one, registry)
    assert free is not None
    holder = subprocess.Popen(["unshare", "--user", "sleep", "60"])
    try:
        own = os.readlink("/proc/self/ns/user")
        wait_for("its namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/user") != own)
        Path(f"/proc/{holder.pid}/uid_map").write_text(f"0 {free + 7} 1\n")
        assert (free + 7, 1) in idranges.running()
        taken = idranges.take([], one, registry)
        assert taken is not None and taken >= free + RANGE
    finally:
        holder.kill()
        holder.wait()


def test_guests_of_two_instances_have_ids_of_their_own(instance: Instance) -> None:
    other = Instance()
    try:
        owners = []
        for each in (instance, other):
            each.virtlxc("new", "guest", "--template", "busybox", "--no-network").ok()
            root = Path(each.paths.lib) / "guests/guest"
            assert root.is_dir()
            text = each.virtlxc("dumpxml", "guest").ok()
            owners.append(text.partition("target='")[2].partition("'")[0])
        assert owners[0] != owners[1]
    finally:
        other.close()
