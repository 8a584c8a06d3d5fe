"""docs/moving.md with libvirt's real daemon: what it wrote is taken over, used, and given back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance
from tests.peers import Libvirtd
from tests.unit.domains import EXAMPLES
from virtlxc.model import parse_domain

pytestmark = pytest.mark.interop

OURS = """<domain type='lxc'>
  <name>taken</name>
  <metadata><x:note xmlns:x='urn:x'>kept</x:note></metadata>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""
NETWORK = "<network><name>theirs</name><ip address='10.78.0.1' netmask='255.255.255.0'/></network>"


@pytest.fixture
def libvirtd(tmp_path: Path) -> Iterator[Libvirtd]:
    with Libvirtd.answering(tmp_path / "libvirtd") as daemon:
        yield daemon


@pytest.fixture
def instance() -> Iterator[Instance]:
    made = Instance()
    try:
        yield made
    finally:
        made.close()


def sums(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_domain_over_and_back(libvirtd: Libvirtd, instance: Instance) -> None:
    root = instance.busybox()
    taken = instance.write("taken.xml", OURS.format(root=root))
    network = instance.write("network.xml", NETWORK)
    done = [f"define {taken}", "autostart taken", f"net-define {network}", "net-autostart theirs"]
    done += [f"define {path}" for path in EXAMPLES]
    libvirtd.virsh("; ".join(done))
    etc = instance.root / "libvirt"
    libvirtd.spaces.run("cp", "-a", "/etc/libvirt", str(etc)).ok()
    before = sums(etc)
    # The links lead to libvirt's own folder, which this copy is not in.
    assert (etc / "lxc/autostart/taken.xml").is_symlink()

    assert "taken.xml" not in instance.virtlxc("check", str(etc / "lxc/taken.xml")).ok()
    imported = instance.virtlxc("import", "--from", str(etc))
    assert imported.code == 0, imported.stderr
    for name in (parse_domain(path.read_text()).name for path in EXAMPLES):
        theirs = parse_domain(libvirtd.virsh("dumpxml", name, "--inactive"))
        ours = parse_domain(instance.virtlxc("dumpxml", name, "--inactive").ok())
        assert ours.uuid == theirs.uuid
        assert [card.mac for card in ours.interfaces] == [card.mac for card in theirs.interfaces]
        assert [kept.path for kept in ours.kept] == [kept.path for kept in theirs.kept]
    assert instance.domains("--all", "--autostart") == ["taken"]
    on = instance.virtlxc("net-list", "--all", "--autostart", "--name").ok().split()
    assert "theirs" in on
    assert "kept</x:note>" in instance.virtlxc("dumpxml", "taken").ok()

    instance.virtlxc("start", "taken").ok()
    refused = instance.virtlxc("import", "--undo")
    assert "it is running (first: virtlxc shutdown taken)" in refused.stderr
    assert instance.domains("--all") == ["taken"]
    instance.virtlxc("destroy", "taken").ok()
    instance.virtlxc("import", "--undo").ok()
    assert instance.domains("--all") == []
    assert sums(etc) == before
    assert "taken" in libvirtd.virsh("list", "--all", "--name").split()


def test_never_two_inits_on_one_root(libvirtd: Libvirtd, instance: Instance) -> None:
    """docs/moving.md with a domain that really runs: there, then here, then there again."""
    root = instance.busybox()
    taken = instance.write("taken.xml", OURS.format(root=root))
    libvirtd.virsh("define", taken)
    # What libvirt's controllers keep there is how a neighbour is seen.
    show = "mount -t tmpfs show /run && ln -s /proc/$1/root/run/libvirt /run/libvirt"
    instance.spaces.run("sh", "-c", show, "-", str(libvirtd._daemon.pid)).ok()
    etc = f"/proc/{libvirtd._daemon.pid}/root/etc/libvirt"
    assert instance.virtlxc("import", "--from", etc).code == 0
    libvirtd.virsh("start", "taken")
    assert "running" in libvirtd.virsh("domstate", "taken")

    refused = instance.virtlxc("start", "taken").failed()
    assert "libvirt's LXC driver runs this domain as 'taken'" in refused
    assert "(first: virsh -c lxc:/// shutdown taken)" in refused
    other = OURS.format(root=f"{root}/.").replace("taken", "other")
    instance.define(other)
    refused = instance.virtlxc("start", "other").failed()
    assert "libvirt's LXC driver runs the root folder" in refused
    assert instance.domains() == []

    libvirtd.virsh("destroy", "taken")
    instance.virtlxc("start", "taken").ok()
    assert instance.domains() == ["taken"]
    instance.virtlxc("destroy", "taken").ok()
    instance.virtlxc("import", "--undo").ok()
    libvirtd.virsh("start", "taken")
    assert "running" in libvirtd.virsh("domstate", "taken")
    libvirtd.virsh("destroy", "taken")
    instance.spaces.run("umount", "/run").ok()
