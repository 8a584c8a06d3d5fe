"""What the real virsh says of the host, beside what the kernel says of itself."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance
from tests.interop.virsh import Virsh

pytestmark = pytest.mark.interop

MERGING = Path("/sys/kernel/mm/ksm")


@pytest.fixture(scope="module")
def virsh(shared_instance: Instance) -> Virsh:
    return Virsh(shared_instance)


def fields(text: str) -> dict[str, str]:
    pairs = [line.split(":", 1) for line in text.splitlines() if ":" in line]
    return {name.strip(): value.strip() for name, value in pairs}


def test_versions(virsh: Virsh) -> None:
    out = virsh("version").ok()
    major, minor = platform.release().split(".")[:2]
    assert "Using API: LXC 9.0.0" in out
    assert f"Running hypervisor: LXC {major}.{minor}." in out


def test_names(virsh: Virsh) -> None:
    assert virsh("hostname").ok().strip() == os.uname().nodename
    assert virsh("uri").ok().strip() == virsh.uri


def test_nodeinfo(virsh: Virsh) -> None:
    found = fields(virsh("nodeinfo").ok())
    assert found["CPU model"] == os.uname().machine
    assert int(found["CPU(s)"]) == len(os.sched_getaffinity(1))


def test_processors(virsh: Virsh) -> None:
    online = Path("/sys/devices/system/cpu/online").read_text().strip()
    count = sum(
        int(last or first) - int(first) + 1
        for first, _, last in (part.partition("-") for part in online.split(","))
    )
    assert fields(virsh("nodecpumap").ok())["CPUs online"] == str(count)
    assert set(fields(virsh("nodecpustats").ok())) == {"user", "system", "idle", "iowait"}


def test_memory(virsh: Virsh) -> None:
    found = fields(virsh("nodememstats").ok())
    total = next(
        line.split()[1]
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    assert abs(int(found["total"].split()[0]) - int(total)) < int(total) / 20
    assert "KiB" in virsh("freecell").ok()
    size = os.sysconf("SC_PAGE_SIZE") // 1024
    assert int(fields(virsh("freepages", "--all").ok())[f"{size}KiB"]) > 0


@pytest.fixture
def scanned() -> Iterator[int]:
    if not MERGING.is_dir():
        pytest.skip("needs a kernel with KSM")
    before = int((MERGING / "pages_to_scan").read_text())
    yield before
    (MERGING / "pages_to_scan").write_text(str(before))


@pytest.mark.proves("NODE_SET_MEMORY_PARAMETERS")
def test_merging_of_pages(virsh: Virsh, scanned: int) -> None:
    assert f"shm_pages_to_scan {scanned}" in " ".join(virsh("node-memory-tune").ok().split())
    virsh("node-memory-tune", "--shm-pages-to-scan", str(scanned + 1)).ok()
    assert int((MERGING / "pages_to_scan").read_text()) == scanned + 1
    assert "not supported" in virsh("nodesuspend", "mem", "60").failed()


def test_capabilities(virsh: Virsh) -> None:
    out = virsh("capabilities").ok()
    assert "<os_type>exe</os_type>" in out
    assert "<domain type='lxc'/>" in out
    assert "<emulator>/usr/lib/libvirt/libvirt_lxc</emulator>" in out
    assert "<domain>lxc</domain>" in virsh("domcapabilities", "--virttype", "lxc").ok()
