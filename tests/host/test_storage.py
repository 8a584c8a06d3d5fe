"""Storage pools and volumes through a running daemon; read back from the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Instance

pytestmark = pytest.mark.host

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


@pytest.fixture
def pool(instance: Instance) -> Path:
    folder = instance.root / "images"
    instance.virtlxc("pool-define-as", "p", "dir", "--target", str(folder)).ok()
    instance.virtlxc("pool-start", "p", "--build").ok()
    return folder


def test_a_volume_from_its_making_to_its_end(instance: Instance, pool: Path) -> None:
    instance.virtlxc("vol-create-as", "p", "v", "4M", "--allocation", "1M").ok()
    found = (pool / "v").stat()
    assert found.st_size == 4 << 20
    assert 1 << 20 <= found.st_blocks * 512 < 2 << 20
    assert found.st_mode & 0o777 == 0o600
    content = os.urandom(300_000)
    (instance.root / "in").write_bytes(content)
    instance.virtlxc("vol-upload", "v", str(instance.root / "in"), "p", "--offset", "512").ok()
    assert (pool / "v").read_bytes()[512:][: len(content)] == content
    instance.virtlxc("vol-clone", "v", "copy", "p").ok()
    assert (pool / "copy").read_bytes() == (pool / "v").read_bytes()
    out = instance.root / "out"
    instance.virtlxc(
        "vol-download", "copy", str(out), "p", "--offset", "512", "--length", str(len(content))
    ).ok()
    assert out.read_bytes() == content
    instance.virtlxc("vol-wipe", "v", "p").ok()
    assert not any((pool / "v").read_bytes())
    instance.virtlxc("vol-resize", "v", "8M", "p").ok()
    assert (pool / "v").stat().st_size == 8 << 20
    assert instance.virtlxc("vol-resize", "v", "1M", "p").code == 1
    instance.virtlxc("vol-resize", "v", "1M", "p", "--shrink").ok()
    assert (pool / "v").stat().st_size == 1 << 20
    instance.virtlxc("vol-delete", "v", "p").ok()
    assert sorted(os.listdir(pool)) == ["copy"]


def test_what_is_active_stays_so_when_the_daemon_comes_back(
    instance: Instance, pool: Path
) -> None:
    transient = instance.root / "other"
    transient.mkdir()
    xml = instance.write("t.xml", POOL.format(name="t", path=transient))
    instance.virtlxc("pool-create", xml).ok()
    (transient / "seen").touch()
    instance.kill_daemon()
    instance.start_daemon()
    listed = instance.virtlxc("pool-list", "--all", "--name").ok().split()
    assert listed == ["p", "t"]
    assert instance.virtlxc("vol-list", "t").ok().split()[-2:] == ["seen", str(transient / "seen")]
    instance.virtlxc("pool-destroy", "t").ok()
    assert instance.virtlxc("pool-list", "--all", "--name").ok().split() == ["p"]
    assert (transient / "seen").exists(), "a pool's end leaves its files alone"


def test_links_and_pipes_are_no_volumes(instance: Instance, pool: Path) -> None:
    secret = instance.root / "secret"
    secret.write_text("secret")
    (pool / "link").symlink_to(secret)
    os.mkfifo(pool / "pipe")
    instance.virtlxc("vol-create-as", "p", "v", "1M").ok()
    instance.virtlxc("pool-refresh", "p").ok()
    (pool / "v").unlink()
    (pool / "v").symlink_to(secret)
    assert instance.virtlxc("vol-list", "p").ok().split()[-2] == "v"
    for words in (
        ("vol-wipe", "v", "p"), ("vol-resize", "v", "1M", "p"), ("vol-delete", "v", "p"),
        ("vol-download", "v", str(instance.root / "out"), "p"),
        ("vol-upload", "v", str(secret), "p"), ("vol-info", "v", "p"),
        ("vol-create-as", "p", "link", "1M"),
    ):  # fmt: skip
        assert instance.virtlxc(*words).code == 1, words
    assert secret.read_text() == "secret"
    assert not (instance.root / "out").exists()


def test_pools_of_other_kinds_and_same_folders_are_refused(instance: Instance, pool: Path) -> None:
    refused = instance.virtlxc("pool-define-as", "n", "netfs", "--target", "/mnt")
    assert "no pools of type 'netfs' here (allowed: dir)" in refused.stderr
    refused = instance.virtlxc("pool-define-as", "q", "dir", "--target", str(pool))
    assert "Storage source conflict with pool: 'p'" in refused.stderr


def test_autostart_and_deletion(instance: Instance, pool: Path) -> None:
    link = Path(instance.paths.storage) / "autostart" / "p.xml"
    instance.virtlxc("pool-autostart", "p").ok()
    assert link.is_symlink()
    instance.virtlxc("pool-destroy", "p").ok()
    instance.virtlxc("pool-delete", "p").ok()
    assert not pool.exists()
    instance.virtlxc("pool-undefine", "p").ok()
    assert not link.is_symlink()
    assert "no storage pool with matching name 'p'" in instance.virtlxc("pool-info", "p").stderr
