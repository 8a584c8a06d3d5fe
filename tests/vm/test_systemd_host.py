"""A host with systemd as its first process: one boot and its reboot, for all of these tests.

Each check that :mod:`tests.vm.systemd_inside` makes in there is one test here.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers import qemu
from tests.vm import host_image, machine, systemd_inside, systemd_tools

TIMEOUT_S = 1500.0
BUDGET_S = 600.0
MEMORY = "1536M"
APPEND = ("console=ttyS0", "rw", "quiet", "panic=-1", "systemd.unit=multi-user.target")
CHECKS = [check.__name__ for check in (*systemd_inside.FIRST, *systemd_inside.SECOND)]
pytestmark = [pytest.mark.vm, pytest.mark.systemd, pytest.mark.timeout(TIMEOUT_S + 120)]


@dataclass(slots=True)
class Shown:
    """What came back: for each check its problem, empty when there was none."""

    problems: dict[str, str] = field(default_factory=dict)
    output: str = ""
    console: str = ""
    seconds: float = 0.0


@pytest.fixture(scope="module")
def shown(request: pytest.FixtureRequest) -> Shown:
    return _boot(machine.reporter(request.config))


def _boot(progress: machine.Progress) -> Shown:
    with tempfile.TemporaryDirectory(prefix="vm", dir="/tmp") as name:
        folder = Path(name)
        results = folder / "results"
        results.mkdir()
        tree = qemu()
        began = time.monotonic()
        host_image.make_initramfs(tree, folder / "initramfs")
        host_image.make_disk(tree, folder, folder / "disk", str(systemd_tools.RESULTS))
        with (folder / "qemu.txt").open("wb") as said:
            process = subprocess.Popen(
                _command(folder, results),
                env=tree.environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            machine.watch(process, lambda: _summary(results), progress, TIMEOUT_S)
        return Shown(
            problems=_problems(results),
            output=machine.read(results / "output.txt"),
            console=machine.read(folder / "console.txt") + machine.read(folder / "qemu.txt"),
            seconds=time.monotonic() - began,
        )


def _command(folder: Path, results: Path) -> list[str]:
    tree = qemu()
    disk = f"file={folder}/disk,format=raw,if=none,id=disk,cache=unsafe"
    share = f"local,id=results,path={results},security_model=none,multidevs=remap"
    return [
        # Whatever ends this process ends the machine.
        *("setpriv", "--pdeathsig", "KILL", tree.program("qemu-system-x86_64")),
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", machine.PROCESSOR),
        *("-smp", str(machine.CPUS), "-m", MEMORY),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-serial", f"file:{folder}/console.txt"),
        *("-kernel", str(host_image.kernel(tree)), "-initrd", f"{folder}/initramfs"),
        *("-append", " ".join((*APPEND, *machine.KERNEL_OPTIONS))),
        *("-drive", disk, "-device", "virtio-blk-pci,drive=disk"),
        *("-fsdev", share, "-device", "virtio-9p-pci,fsdev=results,mount_tag=results"),
        *("-L", f"{tree.root}/usr/share/qemu", "-L", f"{tree.root}/usr/share/seabios"),
    ]


def _problems(results: Path) -> dict[str, str]:
    lines = machine.read(results / "results").splitlines()
    return {row["name"]: row["problem"] for row in map(json.loads, lines)}


def _summary(results: Path) -> str:
    return f"{len(machine.read(results / 'results').splitlines())} of {len(CHECKS)} checks"


@pytest.mark.parametrize("check", CHECKS)
def test_holds_on_a_systemd_host(check: str, shown: Shown) -> None:
    explain = f"--- inside\n{shown.output[-3000:]}\n--- console\n{shown.console[-3000:]}"
    assert check in shown.problems, f"no result came back for {check}\n{explain}"
    assert not shown.problems[check], shown.problems[check]


def test_takes_less_than_its_budget(shown: Shown) -> None:
    assert shown.problems, shown.console[-3000:]
    assert shown.seconds < BUDGET_S, f"{shown.seconds:.0f} s"
