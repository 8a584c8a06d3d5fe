"""Block devices that come to a running container and go: nodes, rules and what is mounted."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.host.blocklab import ext4, image, loop
from tests.host.changelab import CONFIG, IDMAP, INACTIVE, LIVE, ChangeLab
from tests.host.lifelab import Ref
from virtlxc.errors import Code

pytestmark = pytest.mark.host

READ = "dd if={0} bs=16 count=1 2>&1"
WRITE = "(echo of the guest | dd of={0} conv=notrunc 2>&1) | head -1"


@pytest.fixture(scope="module")
def lab() -> Iterator[ChangeLab]:
    instance = Instance()
    try:
        yield ChangeLab(instance)
    finally:
        instance.close()


@pytest.fixture(params=["plain", "mapped"])
def ref(lab: ChangeLab, request: pytest.FixtureRequest) -> Iterator[Ref]:
    made = lab.start(lab.define(request.param, more=IDMAP if request.param == "mapped" else ""))
    yield made
    if lab.id(made) >= 0:
        lab.destroy(made)
    lab.call("DOMAIN_UNDEFINE", dom=made)


@pytest.fixture
def device(lab: ChangeLab, ref: Ref) -> Iterator[Path]:
    """A block device of the host, with a few words on it."""
    file = image(lab.instance.root / f"device-{ref[0]}")
    with file.open("r+b") as opened:
        opened.write(b"of the host 1234")
    with loop(file) as path:
        yield path


def _may_open(lab: ChangeLab, ref: Ref, device: Path) -> bool:
    """Whether the rules of the container let somebody who has a node of the device read it."""
    leaf = json.loads((lab.folder(ref) / "status.json").read_text())["run"]["leaf"]
    group = f"{leaf['mount']}{leaf['path']}/payload/init/cgroup.procs"
    join = f"echo $$ > {group} && exec dd if={device} of=/dev/null count=1"
    done = subprocess.run(["sh", "-c", join], capture_output=True, text=True)
    assert done.returncode == 0 or "Operation not permitted" in done.stderr, done.stderr
    return done.returncode == 0


def test_a_block_device_is_a_disk_for_a_while(lab: ChangeLab, ref: Ref, device: Path) -> None:
    assert not _may_open(lab, ref, device)
    lab.instance.virtlxc("attach-disk", ref[0], str(device), "vdb", "--live", "--config").ok()
    assert "of the host 1234" in lab.run(ref, READ.format("/dev/vdb"))
    assert _may_open(lab, ref, device)
    assert lab.run(ref, "stat -c '%F %a %u' /dev/vdb") == "block special file 700 0\n"
    inside = os.stat(f"/proc/{lab.id(ref)}/root/dev/vdb")
    assert (inside.st_rdev, stat.S_ISBLK(inside.st_mode)) == (os.stat(device).st_rdev, True)
    assert f"<source dev='{device}'/>" in lab.xml(ref)
    assert f"<source dev='{device}'/>" in lab.xml(ref, INACTIVE)
    lab.restart_daemon()
    assert "<alias name='disk0'/>" in lab.xml(ref)
    lab.run(ref, WRITE.format("/dev/vdb"))
    assert device.read_bytes()[:12] == b"of the guest"
    lab.reboot(ref)
    assert "of the guest" in lab.run(ref, READ.format("/dev/vdb"))
    lab.instance.virtlxc("detach-disk", ref[0], "vdb", "--live", "--config").ok()
    assert "No such file" in lab.run(ref, READ.format("/dev/vdb"))
    assert not _may_open(lab, ref, device), "its rule went, too"
    assert "<disk" not in lab.xml(ref) + lab.xml(ref, INACTIVE)


def test_a_read_only_disk_and_one_in_the_definition_alone(
    lab: ChangeLab, ref: Ref, device: Path
) -> None:
    disk = f"<disk type='block'><source dev='{device}'/><target dev='sdc'/><readonly/></disk>"
    lab.attach(ref, disk, CONFIG)
    assert "No such file" in lab.run(ref, READ.format("/dev/sdc"))
    lab.attach(ref, disk, LIVE)
    assert "of the host 1234" in lab.run(ref, READ.format("/dev/sdc"))
    assert "not permitted" in lab.run(ref, WRITE.format("/dev/sdc"))
    lab.detach(ref, disk, LIVE)
    assert "sdc" in lab.xml(ref, INACTIVE)
    lab.destroy(ref)
    started = lab.start(ref)
    assert "of the host 1234" in lab.run(started, READ.format("/dev/sdc"))
    for wrong, message in (
        (disk.replace("sdc", "sdd").replace(str(device), "/dev/nothing"),
         "there is no '/dev/nothing'"),
        (disk.replace("sdc", "sdd").replace(str(device), "/etc/passwd"),
         "'/etc/passwd' is a file (use type='file')"),
    ):  # fmt: skip
        assert message in lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, wrong)
    gone = lab.refused(Code.INVALID_ARG, "detach", ref, disk.replace("sdc", "sdd"))
    assert gone == "invalid argument: no target device sdd"
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "update", ref, disk)
    assert "live update of device 'disk' is not supported" in message


def test_a_hosts_device_at_its_own_path(lab: ChangeLab, ref: Ref, device: Path) -> None:
    storage = (
        "<hostdev mode='capabilities' type='storage'><source>"
        f"<block>{device}</block></source></hostdev>"
    )
    lab.attach(ref, storage, LIVE | CONFIG)
    assert "of the host 1234" in lab.run(ref, READ.format(device))
    lab.restart_daemon()
    lab.reboot(ref)
    assert "of the host 1234" in lab.run(ref, READ.format(device))
    assert _may_open(lab, ref, device)
    lab.detach(ref, storage, LIVE | CONFIG)
    assert not _may_open(lab, ref, device)
    assert "No such file" in lab.run(ref, READ.format(device))
    assert "<hostdev" not in lab.xml(ref) + lab.xml(ref, INACTIVE)


def test_a_device_that_the_host_has_lost(lab: ChangeLab, ref: Ref) -> None:
    """What is gone from the host is taken away all the same, its rule included."""
    file = image(lab.instance.root / "lost")
    with loop(file) as device:
        away = lab.instance.root / f"node-{ref[0]}"
        os.mknod(away, 0o600 | stat.S_IFBLK, os.stat(device).st_rdev)
        disk = f"<disk type='block'><source dev='{away}'/><target dev='vdb'/></disk>"
        lab.attach(ref, disk)
        assert _may_open(lab, ref, device)
        away.unlink()
        lab.restart_daemon()
        lab.detach(ref, disk)
        assert "No such file" in lab.run(ref, READ.format("/dev/vdb"))
        assert not _may_open(lab, ref, device)
        assert "<disk" not in lab.xml(ref)


@pytest.mark.parametrize("ref", ["plain"], indirect=True)
def test_a_block_device_is_mounted_for_a_while(lab: ChangeLab, ref: Ref, device: Path) -> None:
    ext4(device)
    xml = (
        f"<filesystem type='block'><source dev='{device}'/><target dir='/mnt/block'/></filesystem>"
    )
    lab.attach(ref, xml, LIVE | CONFIG)
    assert "lost+found" in lab.run(ref, "ls /mnt/block")
    assert f"{device} /mnt/block ext4" in lab.inside(ref, "/bin/cat", "/proc/self/mounts")
    lab.restart_daemon()
    lab.reboot(ref)
    assert "lost+found" in lab.run(ref, "ls /mnt/block")
    lab.detach(ref, xml, LIVE | CONFIG)
    assert "lost+found" not in lab.run(ref, "ls /mnt/block")
    wait_for("it is free", lambda: subprocess.run(["fsck.ext4", "-n", device]).returncode == 0)


MOUSE = "<source{}><vendor id='0x0627'/><product id='0x0001'/></source>"
USB = "<hostdev mode='subsystem' type='usb'>{}</hostdev>"
DEVICES = Path("/sys/bus/usb/devices")


def _plugged() -> Path:
    """The folder of the machine's mouse (QEMU's) in sysfs."""
    vendors = {one.parent: one.read_text().strip() for one in DEVICES.glob("*/idVendor")}
    return next(folder for folder, vendor in vendors.items() if vendor == "0627")


@pytest.mark.kernel
@pytest.mark.usb
@pytest.mark.parametrize("ref", ["mapped"], indirect=True)
def test_a_usb_device_comes_and_goes(lab: ChangeLab, ref: Ref) -> None:
    """By its identity; what is read at its node is the device's own descriptor."""
    folder = _plugged()
    bus, device = (int((folder / name).read_text()) for name in ("busnum", "devnum"))
    node = Path(f"/dev/bus/usb/{bus:03}/{device:03}")
    told = f"dd if={node} bs=18 count=1 2>&1 | od -x | head -1"
    mouse = USB.format(MOUSE.format(""))
    assert not _may_open(lab, ref, node)
    absent = USB.format("<source><vendor id='0x1234'/><product id='0x5678'/></source>")
    message = lab.refused(Code.CONFIG_UNSUPPORTED, "attach", ref, absent)
    assert "make the node of USB device 1234:5678: no such device is plugged in" in message
    lab.attach(ref, mouse, LIVE | CONFIG)
    assert "<alias name='hostdev0'/>" in lab.xml(ref)
    assert lab.run(ref, told).split()[5:7] == ["0627", "0001"]
    assert lab.run(ref, f"stat -c '%F %a %u' {node}") == "character special file 700 0\n"
    assert _may_open(lab, ref, node)
    lab.restart_daemon()
    lab.reboot(ref)
    assert lab.run(ref, told).split()[5:7] == ["0627", "0001"]
    lab.detach(ref, mouse, LIVE | CONFIG)
    assert "No such file" in lab.run(ref, f"ls {node} 2>&1")
    assert not _may_open(lab, ref, node)
    assert "<hostdev" not in lab.xml(ref) + lab.xml(ref, INACTIVE)
    by_place = USB.format(f"<source><address bus='{bus}' device='{device}'/></source>")
    lab.attach(ref, by_place, CONFIG)
    lab.destroy(ref)
    lab.start(ref)
    assert lab.run(ref, told).split()[5:7] == ["0627", "0001"]


@pytest.mark.kernel
@pytest.mark.usb
@pytest.mark.last
@pytest.mark.parametrize("ref", ["plain"], indirect=True)
def test_a_usb_device_that_was_pulled_out(lab: ChangeLab, ref: Ref) -> None:
    """The next device at this place gets its number: the container must not have it."""
    mouse = USB.format(MOUSE.format(" startupPolicy='optional'"))
    folder = _plugged()
    lab.attach(ref, mouse)
    node = next(Path(f"/proc/{lab.id(ref)}/root/dev/bus/usb").glob("*/*"))
    spare = lab.instance.root / "spare"
    os.mknod(spare, 0o600 | stat.S_IFCHR, os.stat(node).st_rdev)
    (folder / "remove").write_text("1")
    wait_for("it to be gone", lambda: not folder.exists())
    lab.restart_daemon()
    lab.detach(ref, mouse)
    assert not node.exists()
    leaf = json.loads((lab.folder(ref) / "status.json").read_text())["run"]["leaf"]
    group = f"{leaf['mount']}{leaf['path']}/payload/init/cgroup.procs"
    done = subprocess.run(
        ["sh", "-c", f"echo $$ > {group} && exec cat {spare}"], capture_output=True, text=True
    )
    assert "Operation not permitted" in done.stderr, "no rule, whether or not there is a device"
    lab.attach(ref, mouse)
    assert not list(Path(f"/proc/{lab.id(ref)}/root/dev/bus/usb").glob("*/*"))
    lab.detach(ref, mouse)
