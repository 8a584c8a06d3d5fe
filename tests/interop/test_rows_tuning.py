"""Limits, shares and statistics of domains by libvirt-python; read back from cgroups and /proc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Instance
from tests.interop.library import Library, LibraryError
from tests.interop.virsh import Virsh

pytestmark = pytest.mark.interop

LIVE, CONFIG = 1, 2
XML = """<domain type='lxc'>
  <name>tuned</name>
  <memory unit='KiB'>131072</memory>
  <vcpu>2</vcpu>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:07'/><source bridge='br0'/><target dev='tuned0'/>
      <ip address='10.9.0.7' prefix='24'/>
    </interface>
    <console type='pty'/>
  </devices>
</domain>
"""


class Tuned:
    """A running domain, a client, and where its limits stand."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        instance.bridge("br0", "10.9.0.1/24")
        self.client = Library(instance)
        self.client(f"dom = connection.defineXML({XML.format(root=instance.busybox())!r})")
        self.client("dom.create()")
        self.leaf = Virsh(instance).leaf("tuned")

    def __call__(self, call: str) -> Any:
        return self.client(f"dom.{call}")

    def limit(self, controller: str, new: str, old: str) -> str:
        """The content of a limit's file: its name on cgroup v2, and on v1."""
        folder = self.leaf.get(controller, self.leaf[""])
        files = [folder / new, folder / old]
        return next(file for file in files if file.exists()).read_text().strip()

    def definition(self) -> str:
        return Path(self.instance.paths.domain_xml("tuned")).read_text()


@pytest.fixture(scope="module")
def dom(shared_instance: Instance) -> Iterator[Tuned]:
    made = Tuned(shared_instance)
    yield made
    made("destroy()")
    made("undefine()")
    made.client.close()


def memory(dom: Tuned) -> int:
    return int(dom.limit("memory", "memory.max", "memory.limit_in_bytes")) // 1024


@pytest.mark.proves("DOMAIN_GET_MAX_MEMORY", "DOMAIN_SET_MEMORY", "DOMAIN_SET_MEMORY_FLAGS")
def test_memory(dom: Tuned) -> None:
    assert dom("maxMemory()") == 131072
    dom("setMemory(98304)")
    assert memory(dom) == 98304
    dom(f"setMemoryFlags(90112, {LIVE})")
    assert memory(dom) == 90112
    dom(f"setMemoryFlags(81920, {CONFIG})")
    assert "<currentMemory unit='KiB'>81920<" in dom.definition()
    assert memory(dom) == 90112
    with pytest.raises(LibraryError):
        dom("setMaxMemory(262144)")  # Only while it does not run, as with libvirt.
    dom("setMemoryFlags(262144, 4 | 2)")
    assert "<memory unit='KiB'>262144<" in dom.definition()
    assert dom("maxMemory()") == 131072, "what runs keeps its own"


@pytest.mark.proves("DOMAIN_SET_MAX_MEMORY")
def test_memory_of_one_that_does_not_run(dom: Tuned) -> None:
    other = XML.format(root=dom.instance.root / "rootfs").replace("tuned", "resting")
    dom.client(f"resting = connection.defineXML({other!r})")
    dom.client("resting.setMaxMemory(262144)")
    file = Path(dom.instance.paths.domain_xml("resting"))
    assert "<memory unit='KiB'>262144<" in file.read_text()
    assert dom.client("resting.maxMemory()") == 262144
    dom.client("resting.undefine()")


@pytest.mark.proves("DOMAIN_SET_MEMORY_PARAMETERS", "DOMAIN_GET_MEMORY_PARAMETERS")
def test_limits_of_memory(dom: Tuned) -> None:
    dom(f"setMemoryParameters({{'hard_limit': 114688}}, {LIVE})")
    assert memory(dom) == 114688
    dom.instance.virtlxc("memtune", "tuned", "--hard-limit", "120000", "--live").ok()
    assert dom(f"memoryParameters({LIVE})")["hard_limit"] == memory(dom) == 120000


@pytest.mark.proves("DOMAIN_GET_SCHEDULER_TYPE", "DOMAIN_GET_SCHEDULER_PARAMETERS",
                    "DOMAIN_SET_SCHEDULER_PARAMETERS", "DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS",
                    "DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS")  # fmt: skip
def test_shares_and_quota(dom: Tuned) -> None:
    kind, count = dom("schedulerType()")
    assert (kind, count) == ("posix", len(dom("schedulerParameters()")))
    dom("setSchedulerParameters({'vcpu_quota': 30000})")
    assert dom.limit("cpu", "cpu.max", "cpu.cfs_quota_us").split()[0] == "30000"
    assert dom("schedulerParameters()")["vcpu_quota"] == 30000
    dom(f"setSchedulerParametersFlags({{'vcpu_period': 50000}}, {LIVE})")
    assert dom.limit("cpu", "cpu.max", "cpu.cfs_period_us").split()[-1] == "50000"
    dom(f"setSchedulerParametersFlags({{'cpu_shares': 2048}}, {CONFIG})")
    assert "<shares>2048</shares>" in dom.definition()
    assert dom(f"schedulerParametersFlags({CONFIG})")["cpu_shares"] == 2048


@pytest.mark.proves("DOMAIN_SET_BLKIO_PARAMETERS", "DOMAIN_GET_BLKIO_PARAMETERS")
def test_weights_of_block_devices(dom: Tuned) -> None:
    dom(f"setBlkioParameters({{'weight': 600}}, {CONFIG})")
    assert "<weight>600</weight>" in dom.definition()
    assert dom(f"blkioParameters({CONFIG})")["weight"] == 600


@pytest.mark.proves("DOMAIN_GET_MAX_VCPUS", "DOMAIN_GET_VCPUS_FLAGS")
def test_processors(dom: Tuned) -> None:
    assert [dom("maxVcpus()"), dom(f"vcpusFlags({LIVE})")] == [2, 2]
    other = XML.format(root=dom.instance.root / "rootfs").replace("tuned", "resting")
    dom.client(f"resting = connection.defineXML({other.replace('<vcpu>2<', '<vcpu>3<')!r})")
    assert ">3</vcpu>" in Path(dom.instance.paths.domain_xml("resting")).read_text()
    assert dom.client(f"resting.vcpusFlags({CONFIG})") == 3
    dom.client("resting.undefine()")


# Statistics


def burn(dom: Tuned) -> None:
    words = ("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    dom.instance.virtlxc("exec", "tuned", "--", *words).ok()


@pytest.mark.proves("DOMAIN_GET_CPU_STATS", "DOMAIN_MEMORY_STATS", "CONNECT_GET_ALL_DOMAIN_STATS")
def test_time_and_memory(dom: Tuned) -> None:
    before = dom("getCPUStats(True)")[0]["cpu_time"]
    burn(dom)
    after = dom("getCPUStats(True)")[0]["cpu_time"]
    assert after > before
    [bulk] = dom.client(
        "[[one.name(), facts] for one, facts in connection.getAllDomainStats() "
        "if one.name() == 'tuned']"
    )
    assert bulk[1]["cpu.time"] >= after
    stats = dom("memoryStats()")
    folder = dom.leaf.get("memory", dom.leaf[""])
    files = [folder / name for name in ("memory.current", "memory.usage_in_bytes")]
    used = int(next(file for file in files if file.exists()).read_text()) // 1024
    assert 0 < stats["rss"] <= used + 4096


@pytest.mark.proves("DOMAIN_INTERFACE_STATS", "DOMAIN_INTERFACE_ADDRESSES")
def test_traffic_and_addresses(dom: Tuned) -> None:
    """The host's end sees the reverse of what the guest does; libvirt turns it round."""
    dom.instance.virtlxc("exec", "tuned", "--", "ping", "-c", "2", "-W", "5", "10.9.0.1").ok()
    rows = dom.instance.run("ip", "-s", "-o", "link", "show", "tuned0").ok().replace("\\", "\n")
    numbers = [line.split() for line in rows.splitlines() if line.strip()[:1].isdigit()][-2:]
    received, sent = int(numbers[0][0]), int(numbers[1][0])
    told = dom("interfaceStats('tuned0')")
    assert abs(told[0] - sent) < 2000
    assert abs(told[4] - received) < 2000
    assert told[0] > 0
    found = dom("interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)")
    addresses = [one["addr"] for card in found.values() for one in card["addrs"] or []]
    assert "10.9.0.7" in addresses


@pytest.mark.proves("DOMAIN_BLOCK_STATS", "DOMAIN_BLOCK_STATS_FLAGS")
def test_what_was_read_and_written(dom: Tuned) -> None:
    """Of all devices together, path ""; the counters are the group's.

    Not every kernel counts on cgroup v1 what has no limit.
    """
    words = ("sh", "-c", "dd if=/dev/zero of=/big bs=65536 count=64 conv=fsync; sync; rm /big")
    dom.instance.virtlxc("exec", "tuned", "--", *words).ok()
    folder = dom.leaf.get("blkio", dom.leaf[""])
    if (folder / "io.stat").exists():
        counts = [word for word in (folder / "io.stat").read_text().split() if "wbytes" in word]
        written = sum(int(word.partition("=")[2]) for word in counts)
        assert written >= 64 * 65536
    else:
        rows = (folder / "blkio.throttle.io_service_bytes_recursive").read_text().splitlines()
        written = sum(int(row.split()[2]) for row in rows if " Write " in row)
    assert dom("blockStats('')")[3] == written
    assert dom("blockStatsFlags('', 0)")["wr_bytes"] == written
