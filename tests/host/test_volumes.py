"""Volumes of other formats, and copies that share their blocks; read back from the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance

pytestmark = pytest.mark.host

MIB = 1 << 20


@pytest.fixture(scope="module")
def programs() -> peers.Tree:
    try:
        return peers.fetch("volumes")
    except peers.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def still() -> Iterator[Instance]:
    """An instance without a daemon yet."""
    made = Instance(start=False)
    yield made
    made.close()


def make_pool(instance: Instance, folder: Path) -> None:
    instance.virtlxc("pool-define-as", "p", "dir", "--target", str(folder)).ok()
    instance.virtlxc("pool-start", "p", "--build").ok()


def test_a_reflink_shares_its_blocks(still: Instance, programs: peers.Tree) -> None:
    """btrfs in a file: the copy takes no place, and changes alone."""
    disk, folder = still.root / "disk", still.root / "btrfs"
    folder.mkdir()
    with disk.open("wb") as file:
        file.truncate(128 * MIB)
    still.run(*programs.argv("mkfs.btrfs", "-q", str(disk))).ok()
    still.run("mount", "-o", "loop", str(disk), str(folder)).ok()
    try:
        still.start_daemon()
        make_pool(still, folder)
        still.virtlxc("vol-create-as", "p", "v", "16M").ok()
        content = os.urandom(16 * MIB)
        (still.root / "in").write_bytes(content)
        still.virtlxc("vol-upload", "v", str(still.root / "in"), "p").ok()
        used = used_kib(still, folder)
        still.virtlxc("vol-clone", "v", "shared", "p", "--reflink").ok()
        assert used_kib(still, folder) - used < 2048, "a copy would take 16 MiB"
        (still.root / "in").write_bytes(b"other")
        still.virtlxc("vol-upload", "shared", str(still.root / "in"), "p").ok()
        still.virtlxc("vol-download", "v", str(still.root / "out"), "p").ok()
        assert (still.root / "out").read_bytes() == content
        still.virtlxc("vol-download", "shared", str(still.root / "out"), "p").ok()
        assert (still.root / "out").read_bytes() == b"other" + content[5:]
        still.stop_daemon()
    finally:
        still.run("umount", str(folder)).ok()


def used_kib(instance: Instance, folder: Path) -> int:
    instance.run("sync", "-f", str(folder)).ok()
    return int(instance.run("df", "--output=used", str(folder)).ok().split()[-1])


def test_a_filesystem_that_cannot_share_says_so(instance: Instance) -> None:
    folder = instance.memory_folder("tmpfs")
    make_pool(instance, folder)
    instance.virtlxc("vol-create-as", "p", "v", "1M").ok()
    refused = instance.virtlxc("vol-clone", "v", "shared", "p", "--reflink")
    assert refused.code == 1
    assert refused.stderr == (
        "error: Failed to clone vol from v\n"
        "error: failed to clone files from 'v': Operation not supported (blocks are shared by btrfs"
        " and XFS, and inside of one filesystem; leave --reflink out to copy)\n"
    )
    assert os.listdir(instance.seen(folder)) == ["v"], "nothing is left of it"
    instance.virtlxc("pool-destroy", "p").ok()


def test_an_image_is_read_without_qemu_and_made_with_it(
    still: Instance, programs: peers.Tree
) -> None:
    folder = still.root / "images"
    folder.mkdir()
    make = programs.argv("qemu-img", "create", "-q", "-f", "qcow2")
    still.run(*make, str(folder / "a"), "1G").ok()
    still.run(*make, "-F", "qcow2", "-b", str(folder / "a"), str(folder / "b")).ok()
    still.start_daemon()
    make_pool(still, folder)
    document = still.virtlxc("vol-dumpxml", "b", "p").ok()
    assert "<format type='qcow2'/>" in document
    assert f"<backingStore>\n    <path>{folder}/a</path>" in document
    assert "1.00 GiB" in still.virtlxc("vol-info", "b", "p").ok()
    if still.run("which", "qemu-img").code:
        refused = still.virtlxc("vol-create-as", "p", "q", "64M", "--format", "qcow2")
        assert refused.stderr == (
            "error: Failed to create vol q\n"
            "error: unsupported configuration: volumes of this format need the program qemu-img,"
            " which is not installed (install it: apt install qemu-utils, dnf install qemu-img,"
            " zypper install qemu-tools, apk add qemu-img)\n"
        )
        assert sorted(os.listdir(folder)) == ["a", "b"]
    # From here on the program is installed.
    script = "#!/bin/sh\nexec " + " ".join(programs.argv("qemu-img", '"$@"')) + "\n"
    still.run("mount", "-t", "tmpfs", "none", "/usr/local/bin").ok()
    still.run("tee", "/usr/local/bin/qemu-img", input=script).ok()
    still.run("chmod", "755", "/usr/local/bin/qemu-img").ok()
    still.stop_daemon()
    still.start_daemon()
    still.virtlxc("vol-create-as", "p", "q", "64M", "--format", "qcow2").ok()
    assert (folder / "q").read_bytes()[:4] == b"QFI\xfb"
    still.virtlxc("vol-resize", "q", "128M", "p").ok()
    still.virtlxc("vol-clone", "q", "copy", "p").ok()
    for name in ("q", "copy"):
        found = still.run(*programs.argv("qemu-img", "info", str(folder / name))).ok()
        assert "128 MiB" in found
        assert "file format: qcow2" in found
    refused = still.virtlxc("vol-clone", "q", "shared", "p", "--reflink")
    assert "cannot share blocks with 'q', which has the format qcow2" in refused.stderr


def test_the_audit_names_the_volume(instance: Instance) -> None:
    make_pool(instance, instance.root / "images")
    instance.virtlxc("vol-create-as", "p", "v", "1M").ok()
    instance.virtlxc("vol-resize", "v", "2M", "p").ok()
    instance.virtlxc("vol-clone", "v", "w", "p").ok()
    instance.virtlxc("vol-delete", "v", "p").ok()
    lines = [line.partition("call=")[2] for line in instance.daemon_messages().splitlines()]
    found = [line for line in lines if line.startswith("STORAGE_VOL")]
    assert found == [
        "STORAGE_VOL_CREATE_XML domain=p/v result=ok",
        "STORAGE_VOL_RESIZE domain=p/v result=ok",
        "STORAGE_VOL_CREATE_XML_FROM domain=p/w result=ok",
        "STORAGE_VOL_DELETE domain=p/v result=ok",
    ]
