"""Devices of a start, looked at from inside the container and in the kernel."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.harness import wait_for
from tests.host.blocklab import image, loop, loops_of
from tests.host.startlab import SHIFT, SHIFTED, Ground
from tests.rootfs import give_to
from virtlxc.model import Disk, Hostdev, IdMap
from virtlxc.model.disk import IoTune
from virtlxc.plan import Plan

pytestmark = pytest.mark.host


def _gone(folder: Path) -> None:
    """The kernel frees a loop device shortly after its last user."""
    wait_for("the loop devices to be freed", lambda: not loops_of(folder))


@pytest.mark.parametrize("idmap", [None, SHIFTED], ids=["root", "userns"])
def test_an_image_is_a_disk(ground: Ground, idmap: IdMap | None) -> None:
    disk = image(ground.folder / "disk.raw")
    disk.write_bytes(b"of the image" + disk.read_bytes()[12:])
    if idmap:
        give_to(ground.root, SHIFT)
    more = """
say node "$(stat -c '%F %a %u' /dev/vdb)"
say read "$(dd if=/dev/vdb bs=12 count=1 2>/dev/null)"
say write "$( (echo -n 'of the guest' | dd of=/dev/vdb conv=notrunc 2>&1) | tail -1)"
"""
    domain = ground.domain(
        disks=(Disk(type="file", source=str(disk), target="vdb"),), idmap=idmap, more=more
    )

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        (line,) = loops_of(ground.folder)
        device = os.stat(line.split()[0]).st_rdev
        inside = os.stat(f"/proc/{pids['init']}/root/dev/vdb")
        assert inside.st_rdev == device and stat.S_ISBLK(inside.st_mode)

    said, _ = ground.run(domain, meanwhile=meanwhile)
    assert said["node"] == "block special file 700 0"
    assert said["read"] == "of the image"
    _gone(ground.folder)
    assert disk.read_bytes()[:12] == b"of the guest"


def test_a_read_only_image_cannot_be_written(ground: Ground) -> None:
    disk = image(ground.folder / "disk.raw")
    disk.chmod(0o444)
    more = """
say read "$(dd if=/dev/vdb bs=4 count=1 2>/dev/null | wc -c)"
say write "$( (echo x > /dev/vdb) 2>&1)"
"""
    ro = Disk(type="file", source=str(disk), target="vdb", readonly=True)
    said, _ = ground.run(ground.domain(disks=(ro,), more=more))
    assert said["read"] == "4"
    assert "not permitted" in said["write"]
    _gone(ground.folder)


def test_block_devices_and_what_is_not_given(ground: Ground) -> None:
    given, other = image(ground.folder / "given"), image(ground.folder / "other")
    with loop(given) as device, loop(other) as strange:
        number = os.stat(strange).st_rdev
        more = f"""
say numbers "$(stat -c '%t:%T' /dev/sda1)"
say size "$(blockdev --getsize64 /dev/sda1)"
say read "$(dd if=/dev/sda1 bs=4 count=1 2>/dev/null | wc -c)"
say write "$( (echo x > /dev/sda1) 2>&1)"
mkdir /tmp/n; mknod /tmp/n/x b {os.major(number)} {os.minor(number)} 2>/dev/null
say strange "$( (cat /tmp/n/x > /dev/null) 2>&1)"
"""
        said, _ = ground.run(
            ground.domain(
                disks=(Disk(type="block", source=str(device), target="sda1", readonly=True),),
                more=more,
            )
        )
        found = os.stat(device).st_rdev
        assert said["numbers"] == f"{os.major(found):x}:{os.minor(found):x}"
        assert (said["size"], said["read"]) == (str(8 << 20), "4")
        assert "not permitted" in said["write"]
        assert "No such file" in said["strange"], "a node of another device could be made"


def test_devices_of_the_host(ground: Ground) -> None:
    """Storage and misc: each at its own path, usable, and nothing else."""
    with loop(image(ground.folder / "disk")) as device:
        more = f"""
say storage "$(stat -c '%F %a' {device})"
say write "$(echo works > {device} && head -c 5 {device})"
say fuse "$(stat -c '%F %t:%T' /dev/fuse)"
say tun "$(stat -c '%F %t:%T' /dev/net/tun)"
say made "$(tunctl -t tun7 2>&1 && ls /sys/class/net | tr '\\n' ' ')"
exec 3<>/dev/fuse && say opened yes
say kvm "$(ls /dev/kvm 2>&1)"
"""
        capabilities = [
            Hostdev(mode="capabilities", type="storage", source=str(device)),
            Hostdev(mode="capabilities", type="misc", source="/dev/fuse"),
            Hostdev(mode="capabilities", type="misc", source="/dev/net/tun"),
        ]
        said, _ = ground.run(ground.domain(hostdevs=tuple(capabilities), more=more))
    assert said["storage"] == "block special file 700"
    assert said["write"] == "works"
    assert said["fuse"] == "character special file a:e5"
    assert said["tun"] == "character special file a:c8"
    assert said["opened"] == "yes"
    assert "tun7" in said["made"]
    assert "No such file" in said["kvm"]


def test_limits_of_a_disk_hold(ground: Ground) -> None:
    """Written into the group, by the loop device's number that only the start knows."""
    disk = image(ground.folder / "disk.raw")
    tune = IoTune(read_bytes_sec=1 << 20, write_bytes_sec=2 << 20, read_iops_sec=100)
    made = Disk(type="file", source=str(disk), target="vda", iotune=tune)

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        (line,) = loops_of(ground.folder)
        device = os.stat(line.split()[0]).st_rdev
        numbers = f"{os.major(device)}:{os.minor(device)}"
        if "blkio" not in plan.v1:
            group = plan.payload
            text = Path(
                group.mount + ground.real(group.path, pids["controller"]), "io.max"
            ).read_text()
            assert text.split() == [
                numbers,
                "rbps=1048576",
                "wbps=2097152",
                "riops=100",
                "wiops=max",
            ]
            return
        group = plan.v1["blkio"]
        folder = Path(group.mount + ground.real(group.path, pids["controller"]))
        for file, value in (
            ("read_bps", 1 << 20),
            ("write_bps", 2 << 20),
            ("read_iops", 100),
        ):
            text = (folder / f"blkio.throttle.{file}_device").read_text()
            assert text.split() == [numbers, str(value)]

    more = """
start=$(cut -d. -f1 /proc/uptime)
dd if=/dev/vda of=/dev/null bs=64k count=32 iflag=direct 2>/dev/null
say took $(( $(cut -d. -f1 /proc/uptime) - start ))
"""
    said, _ = ground.run(ground.domain(disks=(made,), more=more), meanwhile=meanwhile)
    assert 1 <= int(said["took"]) <= 20, "2 MiB at 1 MiB a second"
