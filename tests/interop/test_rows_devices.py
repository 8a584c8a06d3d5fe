"""Devices, pinning and what is known of a guest, by libvirt-python; seen in the kernel."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError

pytestmark = pytest.mark.interop

LIVE, CONFIG, MAXIMUM = 1, 2, 4
INVALID_ARG, OPERATION_UNSUPPORTED, DEVICE_MISSING, BUSY = 8, 84, 99, 87
XML = """<domain type='lxc'>
  <name>changing</name>
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type>exe</type><init>/sbin/init</init></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""
CARD = """<interface type='bridge'><mac address='52:54:00:0d:0d:01'/><source bridge='br0'/>
<target dev='row0'/><ip address='10.9.0.40' family='ipv4' prefix='24'/></interface>"""


class Changing:
    """A running domain, and a client of it."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        instance.bridge("br0", "10.9.0.1/24")
        self.root = instance.busybox()
        self.client = Library(instance)
        self.client(f"dom = connection.defineXML({XML.format(root=self.root)!r})")
        self.client("dom.create()")

    def __call__(self, call: str) -> Any:
        return self.client(f"dom.{call}")

    def inside(self, *argv: str) -> str:
        pid = str(self("ID()"))
        found = subprocess.run(
            ["nsenter", "-t", pid, "-m", "-n", "-p", "-u", *argv],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return found.stdout + found.stderr

    def refused(self, call: str) -> LibraryError:
        with pytest.raises(LibraryError) as raised:
            self(call)
        return raised.value


@pytest.fixture(scope="module")
def dom(shared_instance: Instance) -> Iterator[Changing]:
    made = Changing(shared_instance)
    yield made
    made("destroy()")
    made("undefine()")
    made.client.close()


@pytest.mark.proves("DOMAIN_ATTACH_DEVICE", "DOMAIN_DETACH_DEVICE")
def test_a_device_comes_and_goes(dom: Changing) -> None:
    dom(f"attachDevice({CARD!r})")
    assert "10.9.0.40/24" in dom.inside("/bin/ip", "address", "show", "eth0")
    dom(f"detachDevice({CARD!r})")
    assert "eth0" not in dom.inside("/bin/ip", "link")


@pytest.mark.proves("DOMAIN_ATTACH_DEVICE_FLAGS", "DOMAIN_UPDATE_DEVICE_FLAGS",
                    "DOMAIN_DETACH_DEVICE_FLAGS", "DOMAIN_DETACH_DEVICE_ALIAS",
                    "DOMAIN_EVENT_CALLBACK_DEVICE_ADDED",
                    "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED")  # fmt: skip
def test_flags_aliases_and_events(dom: Changing) -> None:
    for event in ("ADDED", "REMOVED"):
        dom.client(
            "connection.domainEventRegisterAny(None,"
            f" libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_{event}, hear, None)"
        )
    dom(f"attachDeviceFlags({CARD!r}, {LIVE | CONFIG})")
    file = Path(dom.instance.paths.domain_xml("changing"))
    assert "row0" in file.read_text()
    down = CARD.replace("<source", "<link state='down'/><source")
    dom(f"updateDeviceFlags({down!r}, {LIVE})")
    assert "state DOWN" in dom.instance.run("ip", "link", "show", "row0").ok()
    assert "link state" not in file.read_text()
    dom(f"detachDeviceFlags({CARD!r}, {CONFIG})")
    assert "row0" not in file.read_text()
    assert "row0" in dom.instance.links()
    dom(f"detachDeviceAlias('net0', {LIVE})")
    assert "row0" not in dom.instance.links()
    wait_for("both events", lambda: len(dom.client("events")) == 2)
    assert dom.client("[one[:2] for one in events]") == [["changing", "net0"]] * 2
    assert dom.refused(f"detachDeviceAlias('net0', {LIVE})").code == DEVICE_MISSING


@pytest.mark.proves("DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED", "DOMAIN_GET_FSINFO")
def test_a_busy_folder_stays_and_is_told(dom: Changing) -> None:
    dom.client(
        "connection.domainEventRegisterAny(None,"
        " libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, hear, None)"
    )
    dom.client("events.clear()")
    data = dom.instance.root / "shared"
    data.mkdir()
    folder = f"<filesystem><source dir='{data}'/><target dir='/shared'/></filesystem>"
    dom(f"attachDeviceFlags({folder!r}, {LIVE})")
    found = {point: (kind, aliases) for point, _, kind, aliases in dom("fsInfo()")}
    assert found["/shared"][1] == ["fs1"]
    user = subprocess.Popen(
        ["nsenter", "-t", str(dom("ID()")), "-m", "/bin/sh", "-c", "cd /shared; read x"],
        stdin=subprocess.PIPE,
    )
    try:
        wait_for("it is inside", lambda: os.readlink(f"/proc/{user.pid}/cwd").endswith("shared"))
        assert dom.refused(f"detachDeviceFlags({folder!r}, {LIVE})").code == BUSY
    finally:
        user.communicate(b"\n")
    wait_for("both events", lambda: len(dom.client("events")) == 2)  # it came, and it stays
    assert dom.client("[one[:2] for one in events]") == [["changing", "fs1"]] * 2
    dom(f"detachDeviceFlags({folder!r}, {LIVE})")
    assert "/shared" not in dom.inside("/bin/cat", "/proc/mounts")


@pytest.mark.proves("DOMAIN_GET_BLOCK_INFO", "DOMAIN_BLOCK_PEEK", "DOMAIN_BLOCK_RESIZE")
def test_sizes_and_traffic_of_a_disk(dom: Changing) -> None:
    image = dom.instance.root / "disk.img"
    image.write_bytes(b"x" * 65536)
    os.truncate(image, 1 << 20)
    disk = (
        f"<disk type='file'><driver name='loop' type='raw'/><source file='{image}'/>"
        "<target dev='vda'/></disk>"
    )
    dom(f"attachDeviceFlags({disk!r}, {LIVE})")
    capacity, allocation, physical = dom("blockInfo('vda')")
    assert (capacity, physical) == (1 << 20, 1 << 20)
    assert allocation == image.stat().st_blocks * 512
    dom.instance.virtlxc(
        "exec", "changing", "--", "/bin/dd", "if=/dev/vda", "of=/dev/null", "bs=64k", "count=4"
    ).ok()
    assert dom("blockStats('vda')")[1] >= 65536
    assert dom("blockStatsFlags('vda')")["rd_bytes"] == dom("blockStats('vda')")[1]
    assert dom("blockStats('disk0')")[1] == dom("blockStats('vda')")[1]
    assert dom.refused("blockInfo('vdb')").code == INVALID_ARG
    assert dom("blockPeek('vda', 65534, 4)") == "xx\0\0"
    assert dom.refused("blockPeek('vda', 1 << 20, 4)").code == INVALID_ARG
    dom("blockResize('vda', 2048)")
    assert image.stat().st_size == 2 << 20
    size = ("exec", "changing", "--", "/bin/blockdev", "--getsize64", "/dev/vda")
    assert dom.instance.virtlxc(*size).ok().strip() == str(2 << 20)
    dom("blockResize('vda', 524288, 1)")
    assert image.stat().st_size == 524288
    dom(f"detachDeviceFlags({disk!r}, {LIVE})")


def group(dom: Changing, file: str) -> str:
    uuid = dom("UUIDString()")
    run = json.loads(Path(dom.instance.paths.domain_run(uuid), "status.json").read_text())["run"]
    on_v1 = run["v1"].get("cpuset")
    place = on_v1 or {"mount": run["leaf"]["mount"], "path": run["leaf"]["path"] + "/payload"}
    return Path(place["mount"] + place["path"], file).read_text().strip()


@pytest.mark.proves("DOMAIN_PIN_EMULATOR", "DOMAIN_GET_EMULATOR_PIN_INFO", "DOMAIN_PIN_VCPU",
                    "DOMAIN_PIN_VCPU_FLAGS", "DOMAIN_GET_VCPU_PIN_INFO", "DOMAIN_GET_VCPUS",
                    "DOMAIN_EVENT_CALLBACK_TUNABLE")  # fmt: skip
def test_pinning(dom: Changing) -> None:
    dom.client("events.clear()")
    dom.client(
        "connection.domainEventRegisterAny(None,"
        " libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE, hear, None)"
    )
    count = os.cpu_count() or 1
    alone = [True] + [False] * (count - 1)
    dom(f"pinEmulator({tuple(alone)}, {LIVE})")
    assert group(dom, "cpuset.cpus") == "0"
    assert dom(f"emulatorPinInfo({LIVE})") == alone
    assert dom("vcpuPinInfo()") == [alone]
    dom(f"pinVcpu(0, {(True,) * count})")
    assert os.sched_getaffinity(dom("ID()")) == set(range(count))
    dom(f"pinVcpuFlags(0, {tuple(alone)}, {CONFIG})")
    assert "cpuset='0'" in Path(dom.instance.paths.domain_xml("changing")).read_text()
    infos, maps = dom("vcpus()")
    assert [row[0] for row in infos] == [0]
    assert infos[0][2] > 0, "of a single one the time is known"
    assert maps == [[True] * count]
    wait_for("two events", lambda: len(dom.client("events")) == 2)
    assert dom.client("events[0][1]") == {"cputune.emulatorpin": "0"}


@pytest.mark.proves("DOMAIN_SET_VCPUS", "DOMAIN_SET_VCPUS_FLAGS")
def test_numbers_of_processors(dom: Changing) -> None:
    dom(f"setVcpusFlags(4, {CONFIG | MAXIMUM})")
    dom(f"setVcpusFlags(2, {CONFIG})")
    assert "<vcpu placement='static'" in dom(f"XMLDesc({2})")
    assert "current='2'" in Path(dom.instance.paths.domain_xml("changing")).read_text()
    dom("setVcpus(1)")
    assert dom("maxVcpus()") == 1, "what runs keeps its own"
    assert dom.refused("setVcpus(9)").code == INVALID_ARG
    assert dom.refused("setVcpusFlags(1, 8)").code == OPERATION_UNSUPPORTED


@pytest.mark.proves("DOMAIN_SET_NUMA_PARAMETERS", "DOMAIN_GET_NUMA_PARAMETERS")
def test_memory_nodes(dom: Changing) -> None:
    dom(f"setNumaParameters({{'numa_nodeset': '0', 'numa_mode': 0}}, {LIVE})")
    assert group(dom, "cpuset.mems") == "0"
    assert dom(f"numaParameters({LIVE})") == {"numa_nodeset": "0", "numa_mode": 0}


@pytest.mark.proves("DOMAIN_SET_INTERFACE_PARAMETERS", "DOMAIN_GET_INTERFACE_PARAMETERS")
def test_traffic(dom: Changing) -> None:
    dom(f"attachDeviceFlags({CARD!r}, {LIVE})")
    limits = "{'inbound.average': 800, 'outbound.average': 400}"
    dom(f"setInterfaceParameters('row0', {limits}, {LIVE})")
    assert "6553" in dom.instance.run("tc", "class", "show", "dev", "row0").ok()
    found = dom(f"interfaceParameters('row0', {LIVE})")
    assert (found["inbound.average"], found["outbound.average"]) == (800, 400)
    dom(f"detachDeviceFlags({CARD!r}, {LIVE})")
    assert dom.refused(f"interfaceParameters('row0', {LIVE})").code == INVALID_ARG


@pytest.mark.proves("DOMAIN_GET_GUEST_INFO")
def test_what_is_known_of_the_guest(dom: Changing) -> None:
    (dom.root / "etc/os-release").write_text('ID=tiny\nPRETTY_NAME="Tiny Linux 1"\n')
    found = dom("guestInfo(0, 0)")
    assert found["os.id"] == "tiny"
    assert found["os.pretty-name"] == "Tiny Linux 1"
    assert found["hostname"] == dom.inside("/bin/hostname").strip()
    points = [found[f"fs.{at}.mountpoint"] for at in range(found["fs.count"])]
    assert "/" in points
    assert dom.refused("guestInfo(1, 0)").code == OPERATION_UNSUPPORTED
