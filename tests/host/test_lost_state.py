"""The live state below /run is removed or broken while its container runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.host.test_attacks_escape import define, folder, inside

pytestmark = pytest.mark.host


def removed(state: Path) -> None:
    shutil.rmtree(state)


def broken(state: Path) -> None:
    for name in ("status.json", "journal"):
        (state / name).write_text('{"proto": 1, "\x7f')


def state_of(instance: Instance) -> Path:
    uuid = instance.virtlxc("domuuid", "held").ok().strip()
    return Path(instance.paths.domain_run(uuid))


def test_a_destroy_without_the_folder_leaves_nothing(instance: Instance) -> None:
    define(instance, "held", folder(instance.busybox(), "/"), idmap=True)
    removed(state_of(instance))
    assert inside(instance, "held", "echo there") == "there\n"
    instance.virtlxc("destroy", "held").ok()
    assert instance.cgroups() == []


@pytest.mark.parametrize("damage", [removed, broken])
def test_no_second_one_on_the_same_files(
    instance: Instance, damage: Callable[[Path], None]
) -> None:
    """The next daemon finds that it runs, and ends it when it is told to."""
    define(instance, "held", folder(instance.busybox(), "/"), idmap=True)
    state = state_of(instance)
    instance.kill_daemon()
    damage(state)
    instance.start_daemon()
    refused = instance.virtlxc("start", "held").failed()
    assert "it runs already, with the controller" in refused, refused
    assert "(end it first: virtlxc destroy " in refused
    instance.virtlxc("destroy", "held").ok()
    wait_for("its cgroups gone", lambda: not instance.cgroups(), 5.0)
    assert "domain is not running" in instance.virtlxc("destroy", "held").failed()
    instance.virtlxc("start", "held").ok()
