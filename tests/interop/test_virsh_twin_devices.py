"""The twin test for devices, pinning and what is known of guests: the same bytes as virsh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, check_same_events, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

MASKS = (
    (r"^Time: .*$", "Time: N"),
    (r"(?m)^(CPU time: +)[\d.]+s$", r"\1Ns"),
    (r"(?m)^(os\.\S+ *): .*$", r"\1: X"),
    (r"(?m)^(fs\.\d+\.(?:used|total)-bytes *): .*$", r"\1: N"),
    (r"(?m)^( \w+) \d+$", r"\1 N"),
)

MAC = "52:54:00:11:22:02"

READING = rows(
    "domiftune run tw02",
    f"domiftune run {MAC}",
    "domiftune idle 52:54:00:11:22:01 --config",
    "domiftune run nothing",
    "domiftune run tw02 --live --current",
    "domiftune run tw02 --inbound 1,2,3,4,5",
    "domiftune run tw02 --inbound x",
    "domiftune run tw02 --inbound 0,2",
    "domiftune run tw02 --outbound 0,2",
    "domiftune run tw02 --outbound 5,5,5,5",
    "domiftune run tw02 --inbound 99999999999",
    "emulatorpin run",
    "emulatorpin idle",
    "emulatorpin idle --live",
    "-q emulatorpin run",
    "emulatorpin run --config --current",
    "emulatorpin run 999",
    "emulatorpin run x",
    "vcpupin run",
    "vcpupin run --vcpu 0",
    "vcpupin run 7",
    "vcpupin idle 7",
    "vcpupin run --live --config",
    "vcpupin idle --live",
    "vcpupin run --cpulist 0",
    "vcpupin run 0 99-98",
    "vcpuinfo idle",
    "vcpuinfo idle --pretty",
    "vcpuinfo run",
    "vcpuinfo run --pretty",
    "setvcpus run 0",
    "setvcpus run 3",
    "setvcpus idle 3 --config",
    "setvcpus run 1 --guest",
    "setvcpus run 2 --maximum",
    "setvcpus run 1 --guest --config",
    "setvcpus idle 1 --live",
    "setvcpus run",
    "numatune run",
    "numatune idle --config",
    "numatune run --mode loose",
    "numatune run --nodeset x",
    "numatune run --mode interleave --live",
    "numatune idle --nodeset 0 --live",
    "domfsinfo run",
    "-q domfsinfo run",
    "domfsinfo idle",
    "guestinfo run --hostname",
    "guestinfo run --os",
    "guestinfo run --filesystem",
    "guestinfo run --interface",
    "guestinfo run --user",
    "guestinfo idle",
    "domtime run",
    "domtime run --pretty",
    "domtime idle",
    "domtime run --now --sync",
    "domtime run --time 5",
    "domtime run --time 5 --now",
    "domjobinfo run",
    "domjobinfo run --rawstats",
    "domjobinfo run --keep-completed",
    "domblkstat run",
    "domblkstat run --human",
    "domblkstat run vda",
    "domblkstat idle",
    "domblkinfo run vda",
    "domblkinfo run",
    "domblkinfo run --all",
    "domblkinfo run vda --all",
    "blockresize run vda 1M",
    "blockresize run vda x",
    "blockresize run vda",
    "attach-interface run bridge br0 --print-xml --mac 52:54:00:11:22:33 --target x --model y"
    " --script z --alias ua-x --inbound 1,2,3 --outbound 4,5,6 --managed",
    "attach-interface run direct eth0 --print-xml",
    "attach-interface run network lab --print-xml",
    "attach-interface run rubbish br0",
    "attach-interface run user br0",
    "attach-interface run bridge br0 --inbound 0",
    "attach-interface run bridge br0 --outbound 1,2,3,4",
    "attach-interface run bridge br0 --source-mode x",
    "attach-interface run bridge br9",
    "attach-interface idle bridge br0",
    "attach-interface idle bridge br0 --live",
    "attach-interface nobody bridge br0",
    "attach-interface run bridge br0 --persistent --current",
    "attach-disk run /dev/zero vda --print-xml",
    "attach-disk run {idle} vda --print-xml --targetbus virtio --driver loop --subdriver raw"
    " --cache none --io native --iothread 1 --type disk --mode readonly --serial s --alias ua-d"
    " --rawio",
    "attach-disk run vol vda --print-xml --source-protocol rbd --source-host-name a:5",
    "attach-disk run vol vda --source-host-name a",
    "attach-disk run {idle} vda --sourcetype x",
    "attach-disk run {idle} vda --sourcetype network",
    "attach-disk run {idle} vda --mode x",
    "attach-disk run {missing} vda",
    "detach-disk run vda",
    "detach-interface run network",
    "detach-interface run bridge --mac 52:54:00:99:99:99",
    "detach-interface run bridge --print-xml",
    "detach-interface idle bridge --config --print-xml",
    "detach-device-alias run net9",
    "detach-device-alias idle net0 --live",
    "domif-setlink run tw02 sideways",
    "domif-setlink run nothing up",
    "domif-setlink run tw02 up --print-xml",
    "domif-getlink run tw02",
)

CHANGING = (
    Row("attach-interface run bridge br0 --mac 52:54:00:11:22:44",
        after="detach-interface run bridge --mac 52:54:00:11:22:44"),
    Row("attach-interface run bridge br0 --mac 52:54:00:11:22:45 --persistent",
        after="detach-interface run bridge --mac 52:54:00:11:22:45 --persistent"),
    Row("attach-interface idle bridge br0 --mac 52:54:00:11:22:46 --config",
        after="detach-interface idle bridge --mac 52:54:00:11:22:46 --config"),
    Row("detach-interface run bridge --mac 52:54:00:11:22:47",
        before="attach-interface run bridge br0 --mac 52:54:00:11:22:47"),
    Row("detach-interface run bridge --mac 52:54:00:11:22:48 --persistent",
        before="attach-interface run bridge br0 --mac 52:54:00:11:22:48 --persistent"),
    Row("attach-device run {device} --live", after="detach-device run {device} --live"),
    Row("attach-device run {device} --persistent", after="detach-device run {device} --persistent"),
    Row("detach-device run {device}", before="attach-device run {device}"),
    Row("detach-device-alias run net1", before="attach-device run {device}"),
    Row("detach-device run {device}"),
    Row("update-device run {device}"),
    Row("domif-setlink run tw02 down", after="domif-setlink run tw02 up"),
    Row("domif-setlink run tw02 down --config", after="domif-setlink run tw02 up --config"),
    Row("-q domif-setlink run tw02 down", after="domif-setlink run tw02 up"),
    Row("domiftune run tw02 --inbound 100,200,300 --live", after="domiftune run tw02 --inbound 0"),
    Row("domiftune run tw02", before="domiftune run tw02 --inbound 100,200,300 --outbound 5",
        after="domiftune run tw02 --inbound 0 --outbound 0"),
    Row("emulatorpin run 0", after="emulatorpin run r"),
    Row("vcpupin run 0 0", after="emulatorpin run r"),
    Row("emulatorpin run", before="emulatorpin run 0", after="emulatorpin run r"),
    Row("setvcpus idle 4 --maximum --config", after="setvcpus idle 1 --maximum --config"),
    Row("setvcpus run 1"),
    Row("numatune run --nodeset 0 --mode strict", after="numatune run"),
    Row("attach-disk run {image} vda --driver loop --subdriver raw", after="detach-disk run vda"),
    Row("detach-disk run vda",
        before="attach-disk run {image} vda --driver loop --subdriver raw"),
    Row("blockresize run vda 1M", before="attach-disk run {image} vda",
        after="detach-disk run vda"),
    Row("blockresize run {image} 1047553B", before="attach-disk run {image} vda",
        after="detach-disk run vda"),
    Row("domblkinfo run vda", before="attach-disk run {image} vda", after="detach-disk run vda"),
    Row("domblkinfo run --all --human", before="attach-disk run {image} vda",
        after="detach-disk run vda"),
    Row("domblkstat run vda", before="attach-disk run {image} vda", after="detach-disk run vda"),
    Row("domblklist run", before="attach-disk run {image} vda", after="detach-disk run vda"),
)  # fmt: skip


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    image = shared_instance.root / "disk.img"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    with state(shared_instance) as found:
        yield found | {"image": str(image)}


@pytest.mark.parametrize("row", [*READING, *CHANGING], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values, MASKS)


@pytest.mark.parametrize("words", [
    "event --event device-added --loop", "event --event device-removed --loop",
    "event --event tunable --loop",
])  # fmt: skip
def test_same_events(
    words: str, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    happenings = ("attach-device run {device}", "detach-device run {device}", "emulatorpin run 0",
                  "emulatorpin run r")  # fmt: skip
    check_same_events(words, happenings, shared_instance, virsh, values)
