"""Limits of a running container that change: read in the kernel's files, and by what they do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.host.blocklab import image, loop
from tests.host.changelab import CONFIG, INACTIVE, LIVE, ChangeLab
from tests.host.lifelab import Ref
from virtlxc.errors import Code

pytestmark = pytest.mark.host

CARD = """<interface type='bridge'><mac address='52:54:00:11:ca:01'/>
<source bridge='br0'/><target dev='lim0'/></interface>"""
INT, UINT, LLONG, ULLONG, STRING = 1, 2, 3, 4, 7


class LimitLab(ChangeLab):
    """Also reads the files of control groups, whichever version has them."""

    def cgroup(self, ref: Ref, v1: str, v2: str) -> str:
        """The content of a file of the domain's group: ``v1`` is CONTROLLER/FILE."""
        run = self.status(ref)["run"]
        controller, _, file = v1.partition("/")
        group = run["v1"].get(controller)
        if group is None:
            return Path(f"{run['leaf']['mount']}{run['leaf']['path']}/payload/{v2}").read_text()
        return Path(f"{group['mount']}{group['path']}/{file}").read_text()

    def status(self, ref: Ref) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(ref) / "status.json").read_text())
        return found

    def call_pin(self, ref: Ref, cpumap: bytes, vcpu: int | None = None) -> None:
        if vcpu is None:
            self.call("DOMAIN_PIN_EMULATOR", dom=ref, cpumap=cpumap, flags=LIVE)
        else:
            self.call("DOMAIN_PIN_VCPU_FLAGS", dom=ref, vcpu=vcpu, cpumap=cpumap, flags=LIVE)

    def call_memory(self, ref: Ref, kib: int) -> None:
        self.call("DOMAIN_SET_MEMORY_FLAGS", dom=ref, memory=kib, flags=LIVE)

    def call_vcpus(self, ref: Ref, count: int, flags: int) -> None:
        self.call("DOMAIN_SET_VCPUS_FLAGS", dom=ref, nvcpus=count, flags=flags)

    def set(self, what: str, ref: Ref, flags: int, *params: tuple[str, int, Any]) -> None:
        self.call(f"DOMAIN_SET_{what}_PARAMETERS", dom=ref, params=list(params), flags=flags)

    def get(self, what: str, ref: Ref, flags: int = LIVE) -> dict[str, Any]:
        found = self.call(f"DOMAIN_GET_{what}_PARAMETERS", dom=ref, nparams=16, flags=flags | 4)
        return {name: value for name, _, value in found["params"]}


@pytest.fixture(scope="module")
def lab() -> Iterator[LimitLab]:
    instance = Instance()
    instance.bridge("br0", "10.9.0.1/24")
    try:
        yield LimitLab(instance)
    finally:
        instance.close()


@pytest.fixture
def ref(lab: LimitLab) -> Iterator[Ref]:
    made = lab.start(lab.define("tuned", more="<vcpu>1</vcpu>", devices=CARD))
    yield made
    lab.destroy(made)
    lab.call("DOMAIN_UNDEFINE", dom=made)


def _map(*cpus: int) -> bytes:
    return bytes([sum(1 << cpu for cpu in cpus)])


@pytest.mark.kernel
def test_the_whole_is_pinned_and_its_processes_follow(lab: LimitLab, ref: Ref) -> None:
    lab.call("DOMAIN_PIN_EMULATOR", dom=ref, cpumap=_map(0), flags=LIVE)
    assert lab.cgroup(ref, "cpuset/cpuset.cpus", "cpuset.cpus").strip() == "0"
    assert "Cpus_allowed_list:\t0\n" in Path(f"/proc/{lab.id(ref)}/status").read_text()
    # All that the host has is no restriction, and not written.
    assert ("cpuset='0'" in lab.xml(ref)) == (os.cpu_count() != 1)
    assert "cpuset=" not in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    told = lab.call("DOMAIN_GET_EMULATOR_PIN_INFO", dom=ref, maplen=1, flags=LIVE)
    assert told["cpumaps"] == _map(0)
    lab.call("DOMAIN_PIN_VCPU_FLAGS", dom=ref, vcpu=0, cpumap=b"\xff", flags=LIVE | CONFIG)
    everywhere = os.sched_getaffinity(0)
    assert os.sched_getaffinity(lab.id(ref)) == everywhere
    assert "cpuset=" not in lab.xml(ref)
    empty = lab.refused(Code.INVALID_ARG, "call_pin", ref, b"\0")
    assert empty == "invalid argument: Empty cpu list for emulator pinning"


@pytest.mark.kernel
def test_memory_swap_and_processor_time(lab: LimitLab, ref: Ref) -> None:
    """libvirt's numbers are v1's: the total of memory and swap, shares around 1024."""
    mib = 1024
    sizes = [("soft_limit", ULLONG, 40 * mib), ("hard_limit", ULLONG, 48 * mib),
             ("swap_hard_limit", ULLONG, 80 * mib)]  # fmt: skip
    lab.set("MEMORY", ref, LIVE | CONFIG, *sizes)
    times = [("cpu_shares", ULLONG, 2048), ("vcpu_period", ULLONG, 50000),
             ("vcpu_quota", LLONG, 25000)]  # fmt: skip
    lab.call("DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS", dom=ref, params=times, flags=LIVE | CONFIG)
    on_v2 = "memory" not in lab.status(ref)["run"]["v1"]
    wanted = {
        ("memory/memory.limit_in_bytes", "memory.max"): (48 << 20, 48 << 20),
        ("memory/memory.soft_limit_in_bytes", "memory.high"): (40 << 20, 40 << 20),
        ("memory/memory.memsw.limit_in_bytes", "memory.swap.max"): (80 << 20, 32 << 20),
        ("cpu/cpu.shares", "cpu.weight"): (2048, 174),
        ("cpu/cpu.cfs_quota_us", "cpu.max"): (25000, "25000 50000"),
    }

    def held() -> dict[tuple[str, str], str]:
        return {files: lab.cgroup(ref, *files).strip() for files in wanted}

    expected = {files: str(values[on_v2]) for files, values in wanted.items()}
    assert held() == expected
    lab.restart_daemon()
    assert lab.get("MEMORY", ref) == {name: value for name, _, value in sizes}
    assert "<swap_hard_limit unit='KiB'>81920</swap_hard_limit>" in lab.xml(ref, INACTIVE)
    assert "<shares>2048</shares>" in lab.xml(ref)
    lab.reboot(ref)
    assert held() == expected
    # Both are raised, and lowered: on v1 the total may at no moment be below the memory.
    for size in (100, 30):
        raised = [("hard_limit", ULLONG, size * mib), ("swap_hard_limit", ULLONG, size * mib)]
        lab.set("MEMORY", ref, LIVE, *raised)
        total = held()["memory/memory.memsw.limit_in_bytes", "memory.swap.max"]
        assert int(total) == (0 if on_v2 else size << 20)
    assert lab.get("MEMORY", ref, CONFIG)["hard_limit"] == 48 * mib
    message = lab.refused(Code.INVALID_ARG, "call_memory", ref, 56 * mib)
    assert message == (
        "invalid argument: 57344 KiB are more than memory and swap may have together, 30720 KiB"
        " (raise it: virtlxc memtune --swap-hard-limit)"
    )
    # On v2 what is left for swap follows from the total, whichever of the two changes.
    lab.set("MEMORY", ref, LIVE, sizes[2])
    limit = ("hard_limit", ULLONG, 60 * mib)
    for change in (partial(lab.call_memory, ref, 56 * mib),
                   partial(lab.set, "MEMORY", ref, LIVE, limit)):  # fmt: skip
        change()
        now = [int(held()[files]) for files in list(wanted)[:3:2]]
        assert now[1] + now[0] * on_v2 == 80 << 20
    assert now[0] == 60 << 20


@pytest.mark.kernel
def test_nodes_of_memory(lab: LimitLab, ref: Ref) -> None:
    lab.set("NUMA", ref, LIVE | CONFIG, ("numa_nodeset", STRING, "0"))
    assert lab.cgroup(ref, "cpuset/cpuset.mems", "cpuset.mems").strip() == "0"
    assert "<memory mode='strict' nodeset='0'/>" in lab.xml(ref)
    assert lab.get("NUMA", ref) == {"numa_nodeset": "0", "numa_mode": 0}
    message = lab.refused(
        Code.OPERATION_INVALID, "set", "NUMA", ref, LIVE, ("numa_mode", INT, 2)
    )
    assert message == (
        "Requested operation is not valid: can't change numatune mode for running domain"
    )
    lab.set("NUMA", ref, CONFIG, ("numa_mode", INT, 3))
    assert "mode='restrictive'" in lab.xml(ref, INACTIVE)
    wrong = lab.refused(
        Code.INVALID_ARG, "set", "NUMA", ref, CONFIG, ("numa_nodeset", STRING, "zero")
    )
    assert wrong == "invalid argument: Invalid nodeset of 'numatune': zero"
    held = Path("/sys/devices/system/node/online").read_text().strip()
    lacking = lab.refused(Code.INVALID_ARG, "set", "NUMA", ref, LIVE, ("numa_nodeset", STRING, "3"))
    assert lacking.endswith(
        f"cpuset.mems: memory nodes 3 are asked for, and this host has {held} (see nodeset= of"
        " <numatune>)"
    )
    assert lab.cgroup(ref, "cpuset/cpuset.mems", "cpuset.mems").strip() == "0"


def test_the_number_of_processors_and_their_time(lab: LimitLab) -> None:
    more = (
        "<vcpu>4</vcpu><metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>"
        "<virtlxc:cpu limit='vcpu'/></virtlxc:container></metadata>"
    )
    ref = lab.start(lab.define("counted", more=more))
    lab.call("DOMAIN_SET_VCPUS_FLAGS", dom=ref, nvcpus=2, flags=LIVE | CONFIG)
    quota = lab.cgroup(ref, "cpu/cpu.cfs_quota_us", "cpu.max").split()[0]
    assert quota == "200000"
    assert lab.call("DOMAIN_GET_VCPUS_FLAGS", dom=ref, flags=LIVE)["num"] == 2
    assert lab.call("DOMAIN_GET_VCPUS_FLAGS", dom=ref, flags=CONFIG | 4)["num"] == 4
    assert "<vcpu placement='static' current='2'>4</vcpu>" in lab.xml(ref)
    lab.restart_daemon()
    assert lab.call("DOMAIN_GET_INFO", dom=ref)["nrVirtCpu"] == 2
    found = lab.call("DOMAIN_GET_VCPUS", dom=ref, maxinfo=8, maplen=1)
    assert [row[:2] for row in found["info"]] == [(0, 1), (1, 1)]
    message = lab.refused(Code.OPERATION_UNSUPPORTED, "call_pin", ref, b"\1", 0)
    assert "a container has no virtual processors that could be pinned one by one" in message
    many = lab.refused(Code.INVALID_ARG, "call_vcpus", ref, 5, LIVE)
    assert "requested vcpus is greater than max allowable vcpus" in many
    guest = lab.refused(Code.OPERATION_UNSUPPORTED, "call_vcpus", ref, 1, 8)
    assert "VIR_DOMAIN_VCPU_GUEST" in guest
    lab.call("DOMAIN_SET_VCPUS_FLAGS", dom=ref, nvcpus=8, flags=CONFIG | 4)
    assert ">8</vcpu>" in lab.xml(ref, INACTIVE)
    lab.destroy(ref)
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_the_traffic_of_an_interface(lab: LimitLab, ref: Ref) -> None:
    def given(flags: int = LIVE) -> dict[str, int]:
        found = lab.call(
            "DOMAIN_GET_INTERFACE_PARAMETERS", dom=ref, device="lim0", nparams=7, flags=flags
        )
        return {name: value for name, _, value in found["params"] if value}

    params = [("inbound.average", UINT, 1000), ("inbound.peak", UINT, 2000),
              ("inbound.burst", UINT, 1024), ("outbound.average", UINT, 500)]  # fmt: skip
    lab.call(
        "DOMAIN_SET_INTERFACE_PARAMETERS",
        dom=ref, device="lim0", params=params, flags=LIVE | CONFIG,
    )  # fmt: skip
    shown = lab.instance.run("tc", "class", "show", "dev", "lim0").ok()
    assert "rate 8192Kbit" in shown
    assert "ceil 16384Kbit" in shown
    assert "bpf" in lab.instance.run("tc", "filter", "show", "dev", "lim0", "ingress").ok()
    assert "<inbound average='1000' peak='2000' burst='1024'/>" in lab.xml(ref)
    assert "<outbound average='500'/>" in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    assert given() == {name: value for name, _, value in params}
    lab.call(
        "DOMAIN_SET_INTERFACE_PARAMETERS",
        dom=ref, device="52:54:00:11:CA:01", params=[("inbound.average", UINT, 0)], flags=LIVE,
    )  # fmt: skip
    assert given() == {"outbound.average": 500}
    assert "rate" not in lab.instance.run("tc", "class", "show", "dev", "lim0").ok()
    assert given(CONFIG)["inbound.average"] == 1000
    first = lab.id(ref)
    lab.call("DOMAIN_REBOOT", dom=ref, flags=0)
    wait_for("another init", lambda: lab.id(ref) not in (first, -1))
    assert "bpf" in lab.instance.run("tc", "filter", "show", "dev", "lim0", "ingress").ok()


GROUPS = """<network><name>grouped</name><bridge name='grp0'/>
<ip address='10.85.0.1' prefix='24'/>
<portgroup name='slow'><bandwidth><inbound average='100'/></bandwidth></portgroup>
<portgroup name='free'/>
<portgroup name='usual' default='yes'><bandwidth><inbound average='200'/></bandwidth></portgroup>
</network>"""
GROUPED = """<interface type='network'><mac address='52:54:00:11:cb:{at:02x}'/>
<source network='grouped'{group}/><target dev='grp-{at}'/>{more}</interface>"""


def test_limits_of_port_groups(lab: LimitLab, ref: Ref) -> None:
    """A card's own come first; then its group's, or those of the default one."""
    lab.call("NETWORK_DEFINE_XML", xml=GROUPS)
    own = "<bandwidth><inbound average='400'/></bandwidth>"
    rows = (
        (1, " portgroup='slow'", "", "819"),
        (2, " portgroup='free'", "", None),
        (3, "", "", "1638"),
        (4, " portgroup='slow'", own, "3276"),
        (5, " portgroup='none'", "", None),
    )
    for at, group, more, rate in rows:
        card = GROUPED.format(at=at, group=group, more=more)
        lab.attach(ref, card)
        shown = lab.instance.run("tc", "class", "show", "dev", f"grp-{at}").ok()
        assert (f"rate {rate}" in shown) if rate else shown == ""
        lab.detach(ref, card)
    net = lab.call("NETWORK_LOOKUP_BY_NAME", name="grouped")["net"]
    text = lab.call("NETWORK_GET_XML_DESC", net=net, flags=0)["xml"]
    assert "<portgroup name='usual' default='yes'>" in text
    for call in ("NETWORK_DESTROY", "NETWORK_UNDEFINE"):
        lab.call(call, net=net)


@pytest.mark.kernel
def test_the_number_of_processes(lab: LimitLab, ref: Ref) -> None:
    lab.instance.virtlxc("limits", "tuned", "--pids", "77", "--live", "--config").ok()
    assert lab.cgroup(ref, "pids/pids.max", "pids.max").strip() == "77"
    assert "<virtlxc:pids limit='77'/>" in lab.xml(ref)
    assert "<virtlxc:pids limit='77'/>" in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    assert lab.instance.virtlxc("limits", "tuned").ok().splitlines()[0] == "pids           : 77"
    lab.instance.virtlxc("limits", "tuned", "--pids", "0").ok()
    assert lab.cgroup(ref, "pids/pids.max", "pids.max").strip() == "max"
    wrong = lab.instance.virtlxc("limits", "tuned", "--pids", "x")
    assert "Numeric value 'x' for <pids> option is malformed or out of range" in wrong.stderr


@pytest.fixture
def disk(lab: LimitLab) -> Iterator[Path]:
    """A disk of the host that is shared by weight."""
    file = image(lab.instance.root / "disk")
    with loop(file) as device:
        scheduler = Path(f"/sys/block/{device.name}/queue/scheduler")
        before = scheduler.read_text().partition("[")[2].partition("]")[0]
        scheduler.write_text("bfq")
        yield device
        scheduler.write_text(before)


@pytest.mark.kernel
def test_limits_and_weight_of_a_single_disk(lab: LimitLab, ref: Ref, disk: Path) -> None:
    number = os.stat(disk).st_rdev
    numbers = f"{os.major(number)}:{os.minor(number)}"

    def given(field: str) -> dict[str, str]:
        """By device, what the kernel holds to."""
        files = {"weight": ("blkio/blkio.bfq.weight_device", "io.bfq.weight"),
                 "read_bytes": ("blkio/blkio.throttle.read_bps_device", "io.max")}  # fmt: skip
        rows = [row.split(maxsplit=1) for row in lab.cgroup(ref, *files[field]).splitlines()]
        return {row[0]: row[1] for row in rows}

    both = (("device_read_bytes_sec", STRING, f"{disk},1048576"),
            ("device_weight", STRING, f"{disk},300"))  # fmt: skip
    lab.set("BLKIO", ref, LIVE | CONFIG, *both)
    assert given("weight")[numbers] == "300"
    assert "1048576" in given("read_bytes")[numbers]
    assert f"<path>{disk}</path>" in lab.xml(ref, INACTIVE)
    assert "<weight>300</weight>" in lab.xml(ref)
    lab.restart_daemon()
    assert lab.get("BLKIO", ref)["device_weight"] == f"{disk},300"
    assert lab.get("BLKIO", ref)["device_read_bytes_sec"] == f"{disk},1048576"
    lab.set("BLKIO", ref, LIVE, *((name, kind, f"{disk},0") for name, kind, _ in both))
    assert numbers not in given("weight")
    assert "1048576" not in given("read_bytes").get(numbers, "")
    wrong = ("device_read_bytes_sec", STRING, "/etc/passwd,5")
    message = lab.refused(Code.INVALID_ARG, "set", "BLKIO", ref, LIVE, wrong)
    assert message == "invalid argument: '/etc/passwd' is no block device of the host"
    # The definition has them still: at the next start they hold.
    lab.destroy(ref)
    lab.start(ref)
    assert given("weight")[numbers] == "300"
    assert "1048576" in given("read_bytes")[numbers]
    Path(f"/sys/block/{disk.name}/queue/scheduler").write_text("none")
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "set", "BLKIO", ref, LIVE, both[1])
    assert message == (
        f"unsupported configuration: nothing shares '{disk}' by weight: its scheduler is not BFQ,"
        f" and io.cost is off (echo bfq > /sys/dev/block/{numbers}/queue/scheduler)"
    )


@pytest.mark.kernel
def test_the_weight_of_all_block_traffic(lab: LimitLab, ref: Ref) -> None:
    lab.set("BLKIO", ref, LIVE | CONFIG, ("weight", UINT, 250))
    held = lab.cgroup(ref, "blkio/blkio.bfq.weight", "io.weight").split()
    assert held[-1] == "250"
    assert "<weight>250</weight>" in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    assert lab.get("BLKIO", ref)["weight"] == 250
