"""A guest that writes to its console without end, read by nobody: no disk filled, no core eaten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.harness import Instance
from tests.host.lifelab import Lab

pytestmark = pytest.mark.host

BURST_S = 3.0  # what a boot may say quickly
WATCHED_S = 4.0
MOST_OF_A_CORE = 0.05
LOG_BYTES, LOG_FILES = 2 << 20, 3


def used(lab: Lab, controller: int) -> float:
    """Seconds of processor time of the controller and of all that runs in the container."""
    fields = Path(f"/proc/{controller}/stat").read_text().rpartition(") ")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    stats = [path / "payload/cpu.stat" for path in lab.instance.cgroups()]
    (guest,) = [path.read_text().split()[1] for path in stats if path.exists()]
    return own + int(guest) / 1e6


@pytest.mark.processor
def test_yes_fills_no_disk_and_eats_no_core(instance: Instance) -> None:
    lab = Lab(instance)
    ref = lab.define("chatty", init="/init")
    lab.script("chatty", "exec yes words that fill a line of a log\n")
    lab.start(ref)
    controller = lab.controller(ref)
    time.sleep(BURST_S)
    before = used(lab, controller)
    time.sleep(WATCHED_S)
    share = (used(lab, controller) - before) / WATCHED_S
    assert share < MOST_OF_A_CORE, f"{share:.1%} of a core"
    logs = [path.stat().st_size for path in Path(instance.paths.log).glob("chatty.log*")]
    assert logs and sum(logs) <= LOG_BYTES * LOG_FILES, logs
    # Whoever looks later sees the end of it, and the container lives.
    assert lab.console(ref, b"words that fill a line")
    lab.destroy(ref)
