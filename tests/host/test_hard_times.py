"""Starts that hang, and disks that are full."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.harness import Instance, wait_for
from tests.host.lifelab import SHUTOFF, Lab
from virtlxc.errors import VirtlxcError

pytestmark = pytest.mark.host


@pytest.fixture
def still() -> Iterator[Instance]:
    """An instance without a daemon."""
    made = Instance(start=False)
    yield made
    made.close()


@pytest.mark.parametrize("side", ["controller", "init"])
def test_destroy_ends_a_start_that_hangs(still: Instance, side: str) -> None:
    argv = (sys.executable, "-m", "tests.host.held_start", str(still.root), side)
    found = json.loads(still.run(*argv).ok())
    assert found["start"] == (
        "cannot start domain 'held': it was ended by a destroy meanwhile"
    )
    assert found["state"] == [SHUTOFF, 0]
    assert found["run"] == []


@pytest.mark.parametrize("side", ["controller", "stage", "init"])
def test_a_daemon_killed_during_a_start_leaves_nothing(still: Instance, side: str) -> None:
    argv = [sys.executable, "-m", "tests.host.held_start", str(still.root), side, "forever"]
    with still.spaces.popen(argv, env=still.environment(), stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        held.kill()
    still.start_daemon()
    ours = {still.daemon_pid}

    def left() -> list[str]:
        return [
            line
            for line in still.leftovers()
            if "spawner" not in line and not any(f"process {pid}:" in line for pid in ours)
        ]

    wait_for("nothing left", lambda: not left())
    lab = Lab(still)
    ref = lab.ref_of(lab.call("DOMAIN_LOOKUP_BY_NAME", name="held"))
    assert lab.state(ref)[0] == SHUTOFF
    lab.start(ref)
    lab.destroy(ref)


def test_a_definition_on_a_full_disk_changes_nothing(instance: Instance) -> None:
    lab = Lab(instance)
    first = lab.define("first")
    folder = instance.root / "etc/virtlxc/lxc"
    before = (folder / "first.xml").read_text()
    instance.run("mount", "-t", "tmpfs", "-o", "size=8k", "none", str(folder)).ok()
    try:
        big = f"<description>{'x' * 20000}</description>"
        with pytest.raises(VirtlxcError) as caught:
            lab.define("second", more=big)
        assert caught.value.message == (
            f"cannot define domain 'second': write {folder}/second.xml: No space left on device"
            " (free some space on its filesystem; nothing was changed)"
        )
        with pytest.raises(VirtlxcError, match="cannot define domain 'first': write"):
            lab.define("first", more=big + f"<uuid>{first[1].hex()}</uuid>")
        assert instance.run("ls", "-A", str(folder)).ok() == ""
    finally:
        instance.run("umount", str(folder)).ok()
    assert instance.domains("--all") == ["first"]
    assert (folder / "first.xml").read_text() == before
    assert "<description>" not in lab.call("DOMAIN_GET_XML_DESC", dom=first, flags=2)["xml"]


def test_a_start_whose_live_state_cannot_be_written_leaves_nothing(instance: Instance) -> None:
    """It is what a start writes last: then everything runs already."""
    lab = Lab(instance)
    ref = lab.define("full", more=f"<description>{'x' * 100_000}</description>")
    _, hard = resource.prlimit(instance.daemon_pid, resource.RLIMIT_FSIZE)
    resource.prlimit(instance.daemon_pid, resource.RLIMIT_FSIZE, (90_000, hard))
    with pytest.raises(VirtlxcError) as caught:
        lab.start(ref)
    assert caught.value.message == (
        f"cannot start domain 'full': write {lab.folder(ref)}/status.json: File too large"
    )
    assert instance.leftovers() == [
        f"process {pid}: {title}"
        for pid, title in instance.spaces.members().items()
        if "virtlxc daemon" in title or "spawner" in title
    ]
    resource.prlimit(instance.daemon_pid, resource.RLIMIT_FSIZE, (hard, hard))
    lab.start(ref)
    lab.destroy(ref)
