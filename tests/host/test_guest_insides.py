"""What a guest sees of its limits, and containers inside a guest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import peers, rootfs
from tests.harness import Instance, wait_for
from tests.host.guestlab import Guest, guest

pytestmark = [pytest.mark.host, pytest.mark.guests]

MISSED = "no lxcfs runs on this host"


@contextmanager
def lxcfs(instance: Instance) -> Iterator[None]:
    """lxcfs in the instance's own mount namespace."""
    tree = peers.fetch("lxcfs")
    point = instance.root / "lxcfs"
    point.mkdir()
    libraries = ":".join(
        str(folder) for folder in (tree.root / "usr/lib").glob("*/lxcfs")
    )  # beside those that every program of the tree gets
    environment = tree.environment()
    environment["LD_LIBRARY_PATH"] += f":{libraries}"
    process = instance.spaces.popen(
        [tree.program("lxcfs"), "-f", str(point)], env=environment, stdin=None
    )
    try:
        wait_for("lxcfs", lambda: (instance.seen(point) / "proc/meminfo").exists())
        yield
    finally:
        process.terminate()
        process.wait(60)
        instance.run("sh", "-c", f"mountpoint -q {point} && umount -l {point}")


def test_limits_are_seen_through_lxcfs(instance: Instance) -> None:
    with lxcfs(instance):
        deb = guest(instance, "deb", memory=300).start().up()
        assert deb.run("head", "-1", "/proc/meminfo").ok().split() == ["MemTotal:", "307200", "kB"]
        assert deb.run("free", "-m").ok().split()[7] == "300"
        uptime = float(deb.run("cat", "/proc/uptime").ok().split()[0])
        assert uptime < 300, "the guest's, not the host's"
        for name in ("cpuinfo", "stat", "loadavg", "swaps"):
            assert "lxcfs" in deb.run("grep", f" /proc/{name} ", "/proc/self/mounts").ok()
        assert MISSED not in "".join(_messages(deb))
        deb.stop()


def test_without_lxcfs_that_is_said(instance: Instance) -> None:
    deb = guest(instance, "deb").start()
    assert any(MISSED in message for message in _messages(deb))
    deb.stop()


def _messages(found: Guest) -> list[str]:
    return found.instance.virtlxc("dominfo", found.name).ok().splitlines()


@pytest.fixture(scope="module")
def nest() -> Iterator[Guest]:
    """A guest in a user namespace that may have containers of its own."""
    instance = Instance()
    try:
        found = guest(instance, "nest", nesting=True)
        yield found.start().up()
    finally:
        instance.close()


def test_namespaces_inside(nest: Guest) -> None:
    said = nest.run("unshare", "-Urmpf", "--mount-proc", "sh", "-c", "echo $$; ls /proc").ok()
    assert said.split()[:2] == ["1", "1"], "a /proc of its own, where it is the first process"


def test_crun_inside(nest: Guest) -> None:
    tree = peers.fetch("crun")
    library = Path(nest.run("sh", "-c", "dirname $(ls /lib/*/libc.so.6)").ok().strip())
    for file in (tree.root / "usr/lib").glob("*/lib*.so*"):
        shutil.copy(file, nest.files / library.relative_to("/").as_posix())
    shutil.copy(tree.program("crun"), nest.files / "usr/bin/crun")
    rootfs.make_busybox(nest.files / "root/bundle/rootfs")
    script = r"""
    cd /root/bundle && crun spec
    sed -i 's/"terminal": true/"terminal": false/' config.json
    sed -i 's/"sh"/"sh", "-c", "echo $$ of $(hostname); cat \/proc\/self\/cgroup"/' config.json
    crun --cgroup-manager=cgroupfs run box
    """
    said = nest.run("sh", "-ec", script).ok()
    assert "1 of crun" in said


def test_a_daemon_that_may_not_mount_says_so(instance: Instance) -> None:
    root = str(instance.root / "inner")
    said = instance.run("unshare", "-Ur", *instance.argv("--root", root, "daemon")).failed()
    assert "cannot run the daemon: it may not mount, as root of a namespace without mounts" in said
    assert "<virtlxc:container nesting='yes'>" in said
