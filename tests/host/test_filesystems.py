"""File systems of a start beside plain folders: devices, images, overlays, options."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import wait_for
from tests.host.blocklab import ext4, image, loop, loops_of
from tests.host.startlab import SHIFT, SHIFTED, Ground
from tests.rootfs import give_to
from virtlxc.errors import VirtlxcError
from virtlxc.model import Container, Features, Filesystem, FilesystemExtra, IdMap
from virtlxc.plan import Plan
from virtlxc.runtime.protocol import Failed

pytestmark = pytest.mark.host


def _filesystems(
    ground: Ground, *more: Filesystem, extras: tuple[FilesystemExtra, ...] = ()
) -> dict[str, Any]:
    root = Filesystem(source=str(ground.root), target="/")
    return {"filesystems": (root, *more), "container": Container(filesystems=extras)}


def _mount(mounts: str, target: str) -> list[str]:
    """Type and options of what is mounted at a place, as the guest sees it."""
    (found,) = [line for line in mounts.split(";") if line.split(" ")[0] == target]
    return found.split(" ")


def test_a_block_device_and_an_image_are_mounted(ground: Ground) -> None:
    device_image, file_image = (ext4(image(ground.folder / name)) for name in ("one", "two"))
    with loop(device_image) as device:
        more = """
say block "$(echo $(echo written > /data/file && cat /data/file; ls /data))"
say image "$( (touch /image/x) 2>&1)"
say nodes "$(ls /dev | tr '\\n' ' ')"
"""
        said, _ = ground.run(
            ground.domain(
                more=more,
                **_filesystems(
                    ground,
                    Filesystem(type="block", source=str(device), target="/data"),
                    Filesystem(type="file", source=str(file_image), target="/image", readonly=True),
                    extras=(FilesystemExtra(target="/data", options=("noexec", "data=journal")),),
                ),
            )
        )
        assert said["block"].split() == ["written", "file", "lost+found"]
        assert "Read-only" in said["image"]
        assert "loop" not in said["nodes"], "the device itself is not inside"
        _, fstype, options = _mount(said["mounts"], "/data")
        assert fstype == "ext4" and {"noexec", "data=journal"} <= set(options.split(","))
    wait_for("the loop devices to be freed", lambda: not loops_of(ground.folder))


def test_an_image_is_the_root(ground: Ground) -> None:
    """Its owner decides about ids as a folder's would."""
    made = ext4(image(ground.folder / "root.img", 16), "-d", str(ground.root))
    root = Filesystem(type="file", source=str(made), target="/")
    more = """say made "$(echo kept > /kept; echo $(stat -c %u /kept /bin/busybox))" """
    for idmap in (None, SHIFTED):
        (ground.folder / "console.log").unlink(missing_ok=True)
        said, _ = ground.run(ground.domain(filesystems=(root,), idmap=idmap, more=more))
        assert said["made"] == "0 0"
        assert _mount(said["mounts"], "/")[1] == "ext4"
        wait_for("the loop device to be freed", lambda: not loops_of(ground.folder))


def test_a_foreign_image_is_refused_in_a_user_namespace(ground: Ground) -> None:
    made = ext4(image(ground.folder / "foreign"), "-E", "root_owner=70000:70000")
    give_to(ground.root, SHIFT)
    domain = ground.domain(
        idmap=SHIFTED,
        **_filesystems(ground, Filesystem(type="file", source=str(made), target="/data")),
    )
    with (
        ground.spawner.start_controller(ground.plan(domain).to_json()) as channel,
        pytest.raises(Failed, match=r"translate the ids of /data.*id 70000.* neither range"),
    ):
        channel.controller(20)
        channel.go()
        channel.result(60)


@pytest.mark.parametrize("where", ["ram", "folder"])
def test_an_overlay_keeps_its_source_as_it_is(ground: Ground, where: str) -> None:
    changes = ground.folder / "changes"
    changes.mkdir()
    before = sorted(os.listdir(ground.root))
    more = """
say made "$(echo new > /made; cat /made; rm /etc/inittab; ls /etc/inittab 2>&1)"
"""
    overlay = "ram" if where == "ram" else str(changes)
    domain = ground.domain(
        more=more, **_filesystems(ground, extras=(FilesystemExtra(target="/", overlay=overlay),))
    )
    said, _ = ground.run(domain)
    assert said["made"].startswith("new") and _mount(said["mounts"], "/")[1] == "overlay"
    assert sorted(os.listdir(ground.root)) == before
    assert (ground.root / "etc/inittab").exists()
    if where == "folder":
        assert (changes / "upper/made").read_text() == "new\n"
        (ground.folder / "console.log").unlink()
        said, _ = ground.run(
            ground.domain(
                more="say again $(cat /made)",
                **_filesystems(ground, extras=(FilesystemExtra(target="/", overlay=overlay),)),
            )
        )
        assert said["again"] == "new"


def test_an_overlay_for_a_shifted_root(ground: Ground) -> None:
    give_to(ground.root, SHIFT)
    more = "say made $(echo new > /made && stat -c %u /made)"
    said, _ = ground.run(
        ground.domain(
            idmap=SHIFTED,
            more=more,
            **_filesystems(ground, extras=(FilesystemExtra(target="/", overlay="ram"),)),
        )
    )
    assert said["made"] == "0"
    assert not (ground.root / "made").exists()


def test_options_of_every_kind(ground: Ground) -> None:
    """virtlxc:filesystem: options, optional, propagation; and the size of RAM disks."""
    data = ground.folder / "data"
    data.mkdir()
    shared = ground.folder / "shared"
    shared.mkdir()
    (data / "run").write_text("#!/bin/sh\necho ran\n")
    (data / "run").chmod(0o755)
    more = """
say run "$( (/data/run) 2>&1)"
say ram "$(stat -c %a /ram) $(df -k /ram | tail -1)"
say small "$(df -k /small | tail -1)"
say maybe "$(ls -d /maybe 2>&1)"
say link "$( (cat /links/link) 2>&1)"
say propagation "$(grep ' /shared ' /proc/self/mountinfo)"
"""
    (shared / "file").touch()
    links = ground.folder / "links"
    links.mkdir()
    (links / "file").touch()
    (links / "link").symlink_to("file")
    said, _ = ground.run(
        ground.domain(
            more=more,
            **_filesystems(
                ground,
                Filesystem(source=str(data), target="/data"),
                Filesystem(source=str(links), target="/links"),
                Filesystem(source=str(ground.folder / "none"), target="/maybe"),
                Filesystem(source=str(shared), target="/shared"),
                Filesystem(type="ram", target="/ram", usage_kib=2048),
                Filesystem(
                    type="ram", target="/small", usage_kib=4096, space_hard_limit_bytes=1 << 20
                ),
                extras=(
                    FilesystemExtra(target="/data", options=("noexec", "nosuid", "noatime")),
                    FilesystemExtra(target="/links", options=("nosymfollow",)),
                    FilesystemExtra(target="/maybe", optional=True),
                    FilesystemExtra(target="/shared", propagation="shared"),
                    FilesystemExtra(target="/ram", options=("mode=1777", "nr_inodes=50")),
                ),
            ),
        )
    )
    assert "Permission denied" in said["run"]
    assert {"noexec", "nosuid", "noatime"} <= set(_mount(said["mounts"], "/data")[2].split(","))
    assert "symbolic links" in said["link"]
    assert said["ram"].startswith("1777 ") and " 2048 " in said["ram"]
    assert " 1024 " in said["small"]
    assert "No such file" in said["maybe"]
    assert re.search(r" shared:\d+ ", said["propagation"])
    assert "nr_inodes=50" in _mount(said["mounts"], "/ram")[2]


def test_a_reboot_mounts_images_again(ground: Ground) -> None:
    made = ext4(image(ground.folder / "data"))
    more = """
[ -e /data/second ] || { touch /data/second; echo lost > /over/x; reboot -f; }
say files "$(ls /data | tr '\\n' ' ')"
say over "$(ls /over)"
"""
    lower = ground.folder / "lower"
    lower.mkdir()

    def meanwhile(plan: Plan, pids: dict[str, int]) -> None:
        assert len(loops_of(ground.folder)) == 1

    said, _ = ground.run(
        ground.domain(
            more=more,
            **_filesystems(
                ground,
                Filesystem(type="file", source=str(made), target="/data"),
                Filesystem(source=str(lower), target="/over"),
                extras=(FilesystemExtra(target="/over", overlay="ram"),),
            ),
        ),
        meanwhile=meanwhile,
    )
    assert said["files"].split() == ["lost+found", "second"]
    assert said["over"] == "", "what is in memory goes with the boot"


@pytest.fixture
def quotas(ground: Ground) -> Iterator[Path]:
    """A file system that keeps project quotas, mounted for the test."""
    features = ("-O", "quota,project", "-E", "quotatype=prjquota")
    made = ext4(image(ground.folder / "quota.img", 16), *features)
    point = ground.folder / "quota"
    point.mkdir()
    subprocess.run(["mount", "-o", "loop,prjquota", str(made), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


def _project(path: Path) -> tuple[int, str]:
    flags = subprocess.run(
        ["lsattr", "-p", "-d", str(path)], check=True, capture_output=True, text=True
    )
    number, attributes, _ = flags.stdout.split()
    return int(number), attributes


@pytest.mark.kernel
@pytest.mark.quota
@pytest.mark.parametrize("idmap", [None, SHIFTED], ids=["no right to exceed", "userns"])
def test_a_folder_holds_no_more_than_its_limit(
    ground: Ground, quotas: Path, idmap: IdMap | None
) -> None:
    data = quotas / "data"
    (data / "old").mkdir(parents=True)
    (data / "old/file").write_bytes(bytes(1 << 20))
    (data / "link").symlink_to("/etc/passwd")
    if idmap:
        give_to(ground.root, SHIFT)
        give_to(data, SHIFT)
    more = """
say written "$(dd if=/dev/zero of=/data/new bs=64k count=64 2>&1 | grep -c 'No space\\|quota')"
say size "$(stat -c %s /data/new)"
rm /data/new
chattr -p 0 /data/old/file 2>/dev/null; mv /data/old/file /data/moved
say again "$(dd if=/dev/zero of=/data/new bs=64k count=64 2>&1 | grep -c 'No space\\|quota')"
"""
    limited = Filesystem(source=str(data), target="/data", space_hard_limit_bytes=3 << 20)
    weak = Features() if idmap else Features(caps=(("sys_resource", "off"),))
    said, _ = ground.run(
        ground.domain(more=more, idmap=idmap, features=weak, **_filesystems(ground, limited))
    )
    assert (said["written"], said["again"]) == ("1", "1")
    assert int(said["size"]) <= 2 << 20, "what was there before counts"
    assert _project(data)[0] == _project(data / "old")[0] != 0
    # Behind the container the host may use the folder as it likes.
    (data / "host").write_bytes(bytes(5 << 20))


def test_no_limit_where_the_file_system_keeps_none(ground: Ground) -> None:
    data = ground.folder / "data"
    data.mkdir()
    limited = Filesystem(source=str(data), target="/data", space_soft_limit_bytes=3 << 20)
    with pytest.raises(VirtlxcError, match=r"limit the space of .*keeps no project quotas \(mount"):
        ground.plan(ground.domain(**_filesystems(ground, limited)))
