"""Inventories against a real daemon: moved in, kept as files say, and taken away again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from virtlxc.rpc.client import Connection

pytestmark = pytest.mark.host

DOMAIN = """<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <interface type='network'><source network='inner'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""
NETWORK = """<network>
  <name>inner</name>
  <bridge name='vli0'/>
  <ip address='10.77.0.1' netmask='255.255.255.0'/>
</network>
"""


@pytest.fixture
def instance() -> Iterator[Instance]:
    made = Instance()
    try:
        yield made
    finally:
        made.close()


class Inventory:
    """A folder of two domains and their network."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.path = Path(instance.root, "inventory")
        (self.path / "autostart").mkdir(parents=True)
        (self.path / "net.xml").write_text(NETWORK)
        for name in ("web1", "web2"):
            self.domain(name)

    def domain(self, name: str, memory: int = 64) -> None:
        xml = DOMAIN.format(name=name, memory=memory, root=self.instance.root / "rootfs")
        (self.path / f"{name}.xml").write_text(xml)

    def definitions(self) -> dict[str, tuple[int, int]]:
        """Inode and time of every file that the daemon and apply keep."""
        paths = self.instance.paths
        files = [*Path(paths.domains).rglob("*"), *Path(paths.networks).rglob("*"),
                 Path(paths.lib, "applied.json")]  # fmt: skip
        found = {str(one): one.lstat() for one in files}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def test_apply_from_nothing_to_pruned(instance: Instance) -> None:
    inventory = Inventory(instance)
    folder = str(inventory.path)
    shown = instance.virtlxc("apply", "--dry-run", folder).ok()
    assert f"+ network 'inner': new ({folder}/net.xml)\n+ domain 'web1': new" in shown
    assert shown.endswith("3 new; nothing was done\n\n")
    assert instance.domains("--all") == []
    drift = instance.virtlxc("diff", folder)
    assert (drift.code, drift.stdout) == (1, shown.replace("; nothing was done\n\n", "\n"))

    instance.virtlxc("apply", folder).ok()
    assert instance.domains("--all") == ["web1", "web2"]
    before = inventory.definitions()
    assert instance.virtlxc("apply", folder).ok() == "3 as they are\n\n"
    assert instance.virtlxc("diff", folder).ok() == "3 as they are\n\n"
    assert inventory.definitions() == before

    inventory.domain("web1", memory=128)
    drift = instance.virtlxc("diff", folder)
    assert drift.code == 1
    assert "-  <memory unit='KiB'>65536</memory>" in drift.stdout
    assert "+  <memory unit='KiB'>131072</memory>" in drift.stdout
    uuid = instance.virtlxc("domuuid", "web1").ok()
    instance.virtlxc("apply", folder).ok()
    assert instance.virtlxc("domuuid", "web1").ok() == uuid
    changed = {path for path, what in inventory.definitions().items() if before[path] != what}
    assert changed == {instance.paths.domain_xml("web1"), f"{instance.paths.lib}/applied.json"}

    instance.define(DOMAIN.format(name="mine", memory=64, root="/srv"))
    (inventory.path / "web2.xml").unlink()
    assert instance.virtlxc("apply", folder).ok() == "2 as they are\n\n"
    assert "- domain 'web2': no longer wanted" in instance.virtlxc("diff", folder).stdout
    instance.virtlxc("apply", "--prune", folder).ok()
    assert instance.domains("--all") == ["mine", "web1"]


POOL = """<pool type='dir'>
  <name>data</name>
  <target><path>{path}</path></target>
</pool>
"""


def test_pools_are_in_inventories_too(instance: Instance) -> None:
    inventory = Inventory(instance)
    folder, data = str(inventory.path), instance.root / "data"
    data.mkdir()
    (data / "precious").write_text("mine")
    pool = inventory.path / "pool.xml"
    pool.write_text(POOL.format(path=data))
    (inventory.path / "autostart/pool.xml").symlink_to("../pool.xml")
    assert instance.virtlxc("check", str(pool)).ok().startswith("1 run as they are")
    done = instance.virtlxc("apply", "--start", folder).ok()
    first = [line.split(": ")[0] for line in done.splitlines() if line.startswith(("+", ">"))]
    assert first == ["+ network 'inner'", "+ pool 'data'", "+ domain 'web1'", "+ domain 'web2'",
                     "> pool 'data'"]  # fmt: skip
    assert "precious" in instance.virtlxc("vol-list", "data").ok()
    assert instance.virtlxc("pool-list", "--autostart", "--name").ok().split() == ["data"]
    assert instance.virtlxc("apply", folder).ok() == "4 as they are\n\n"
    pool.write_text(POOL.format(path=data).replace("<target>", "<target><!-- same -->"))
    assert instance.virtlxc("diff", folder).ok() == "4 as they are\n\n"
    pool.write_text(POOL.format(path=data / "deeper"))
    drift = instance.virtlxc("diff", folder)
    assert drift.code == 1
    assert f"+    <path>{data}/deeper</path>" in drift.stdout
    pool.unlink()
    instance.virtlxc("apply", "--prune", folder).ok()
    assert instance.virtlxc("pool-list", "--all", "--name").ok().split() == []
    assert (data / "precious").read_text() == "mine"


def test_what_others_changed_is_seen_though_the_files_are_the_same(instance: Instance) -> None:
    inventory = Inventory(instance)
    folder = str(inventory.path)
    instance.virtlxc("apply", folder).ok()
    instance.virtlxc("desc", "web1", "--config", "--new-desc", "by hand").ok()
    drift = instance.virtlxc("diff", folder)
    assert drift.code == 1
    assert "-  <description>by hand</description>" in drift.stdout
    instance.virtlxc("apply", folder).ok()
    assert "by hand" not in instance.virtlxc("dumpxml", "web1").ok()
    assert instance.virtlxc("diff", folder).ok() == "3 as they are\n\n"
    instance.virtlxc("undefine", "web1").ok()
    assert "+ domain 'web1': new" in instance.virtlxc("apply", folder).ok()


def test_the_daemons_first_refusal_stops_or_does_not(instance: Instance) -> None:
    """What only the daemon knows: others have that name since we asked."""
    inventory = Inventory(instance)
    instance.define(DOMAIN.format(name="other", memory=64, root="/srv"))
    uuid = instance.virtlxc("domuuid", "other").ok().strip()
    xmls = [
        DOMAIN.format(name=name, memory=64, root="/srv") for name in ("a", "b", "c")
    ]
    xmls[1] = xmls[1].replace("<memory", f"<uuid>{uuid}</uuid><memory")
    with Connection(instance.paths.socket) as link:
        stopped = link.call("DEFINE_MANY", program="virtlxc", xmls=xmls, flags=1)["outcomes"]
        assert [(one[0], bool(one[2])) for one in stopped] == [("a", False), ("", True)]
        assert "is already defined with uuid" in stopped[1][2]
        assert instance.domains("--all") == ["a", "other"]
        went_on = link.call("DEFINE_MANY", program="virtlxc", xmls=xmls[1:], flags=0)["outcomes"]
        assert [(one[0], bool(one[2])) for one in went_on] == [("", True), ("c", False)]
    assert instance.domains("--all") == ["a", "c", "other"]
    kept = sorted(one.stem for one in Path(instance.paths.domains).glob("*.xml"))
    assert kept == ["a", "c", "other"]
    audit = [line for line in instance.daemon_messages().splitlines() if "DEFINE_MANY" in line]
    named = [line.split("domain=")[1].split()[0] for line in audit]
    assert named == ["a", "-", "-", "-", "c", "-"]  # one for each, and one for the call itself
    assert inventory.path.is_dir()


def test_what_is_marked_is_started_and_not_pruned_while_it_runs(instance: Instance) -> None:
    instance.busybox()
    inventory = Inventory(instance)
    folder = str(inventory.path)
    (inventory.path / "autostart" / "web1.xml").symlink_to("../web1.xml")
    done = instance.virtlxc("apply", "--start", folder).ok()
    assert done.endswith("> domain 'web1': started\n3 new\n\n")
    assert instance.domains() == ["web1"]
    assert "enable" in instance.virtlxc("dominfo", "web1").ok()
    assert instance.virtlxc("apply", "--start", folder).ok() == "3 as they are\n\n"
    (inventory.path / "web1.xml").unlink()
    pruned = instance.virtlxc("apply", "--prune", folder)
    assert pruned.code == 1
    assert "it is running (first: virtlxc shutdown web1)" in pruned.stderr
    assert instance.domains() == ["web1"]


def test_the_first_error_stops_or_does_not(instance: Instance) -> None:
    inventory = Inventory(instance)
    folder = str(inventory.path)
    (inventory.path / "bad.xml").write_text("<domain type='lxc'><name>bad</name></domain>")
    stopped = instance.virtlxc("apply", folder)
    assert (stopped.code, stopped.stdout.strip()) == (1, "")
    assert "bad.xml: " in stopped.stderr
    assert instance.domains("--all") == []
    went_on = instance.virtlxc("apply", "--keep-going", "--prune", folder)
    assert went_on.code == 1
    assert "nothing is removed" in went_on.stderr
    assert instance.domains("--all") == ["web1", "web2"]
    # The same name under another UUID is another domain's.
    text = (inventory.path / "web1.xml").read_text()
    uuid = "<uuid>11111111-2222-4333-8444-555555555555</uuid>"
    (inventory.path / "bad.xml").unlink()
    (inventory.path / "web1.xml").write_text(text.replace("<memory", f"{uuid}<memory"))
    refused = instance.virtlxc("apply", folder)
    assert "there is a domain 'web1' with another uuid" in refused.stderr


LIBVIRT_DOMAIN = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE.
-->
<domain type='lxc'>
  <name>old1</name>
  <uuid>8369f1ac-7e46-e869-4ca5-759d51478066</uuid>
  <metadata><x:note xmlns:x="urn:x">  kept <x:b/> </x:note></metadata>
  <memory unit='KiB'>65536</memory>
  <os><type arch='x86_64'>exe</type><init>/sbin/init</init></os>
  <mystery depth='7'/>
  <devices>
    <filesystem type='mount'><source dir='/srv/old1'/><target dir='/'/></filesystem>
    <interface type='bridge'><mac address='00:17:3e:9f:33:f7'/><source bridge='br0'/></interface>
  </devices>
</domain>
"""


def test_import_from_libvirt_and_back(instance: Instance) -> None:
    etc = instance.root / "libvirt"
    for folder in ("lxc/autostart", "qemu/networks/autostart", "hooks"):
        (etc / folder).mkdir(parents=True)
    (etc / "lxc/old1.xml").write_text(LIBVIRT_DOMAIN)
    (etc / "lxc/autostart/old1.xml").symlink_to(etc / "lxc/old1.xml")
    (etc / "qemu/networks/inner.xml").write_text(NETWORK)
    (etc / "qemu/vm.xml").write_text("<domain type='kvm'/>")
    (etc / "hooks/lxc").write_text("#!/bin/sh\n")
    (etc / "hooks/lxc").chmod(0o755)
    instance.define(DOMAIN.format(name="mine", memory=64, root="/srv"))

    only_shown = instance.virtlxc("import", "--from", str(etc), "--dry-run")
    assert "2 new; nothing was done" in only_shown.ok()
    assert instance.domains("--all") == ["mine"]
    done = instance.virtlxc("import", "--from", str(etc))
    assert done.code == 0
    assert f"libvirt's hook {etc}/hooks/lxc is not run by virtlxc" in done.stderr
    xml = instance.virtlxc("dumpxml", "old1").ok()
    for kept in (
        "8369f1ac-7e46-e869-4ca5-759d51478066",
        "00:17:3e:9f:33:f7",
        "<mystery depth='7'/>",
        '<x:note xmlns:x="urn:x">  kept <x:b/> </x:note>',
    ):
        assert kept in xml
    assert instance.domains("--all", "--autostart") == ["old1"]
    assert "inner" in instance.virtlxc("net-list", "--all", "--name").ok().split()
    assert instance.virtlxc("import", "--from", str(etc)).ok().startswith("nothing to do\n")

    instance.virtlxc("import", "--undo").ok()
    assert instance.domains("--all") == ["mine"]
    assert instance.virtlxc("net-list", "--all", "--name").ok().split() == ["default"]
    record = json.loads(Path(instance.paths.lib, "imported.json").read_text())
    assert record["objects"] == []


def test_check_needs_no_root(instance: Instance, tmp_path: Path) -> None:
    folder = instance.root / "inventory"
    folder.mkdir()
    hidden = instance.root / "hidden"
    instance.busybox("hidden/root")
    hidden.chmod(0o700)
    xml = DOMAIN.format(name="web1", memory=64, root=hidden / "root")
    (folder / "web1.xml").write_text(xml.replace("network='inner'", "network='default'"))
    found = instance.virtlxc("check", str(folder), user=65534)
    assert found.code == 0, found.stdout
    assert found.stdout.startswith("1 run as they are, 0 run with differences, 0 cannot\n")
    assert "could not be seen" in found.stdout


def test_a_daemon_that_is_killed_leaves_whole_definitions(instance: Instance) -> None:
    """kill -9 of the daemon in the middle of a group: what it had reported is there, all of it."""
    inventory = Inventory(instance)
    for at in range(250):
        inventory.domain(f"many{at:03}")
    folder = str(inventory.path)
    output = instance.root / "output"
    with output.open("wb") as file:
        applying = instance.spaces.popen(
            instance.argv("apply", folder), env=instance.environment(), stdout=file, stderr=file
        )
    domains = Path(instance.paths.domains)
    wait_for("the first group", lambda: len(list(domains.glob("*.xml"))) >= 100, pause=0)
    instance.kill_daemon()
    assert applying.wait(60) != 0
    for file_ in domains.glob("*.xml"):
        assert file_.read_text().rstrip().endswith("</domain>"), file_
    lines = output.read_text().splitlines()
    said = [line.split("'")[1] for line in lines if line.startswith("+ domain ")]
    there = {one.stem for one in domains.glob("*.xml")}
    assert set(said) <= there
    instance.start_daemon()
    assert set(instance.domains("--all")) == there
    left = [one for one in domains.iterdir() if one.name.startswith(".")]
    assert left == []
    instance.virtlxc("apply", folder).ok()
    assert instance.virtlxc("diff", folder).ok() == "253 as they are\n\n"


def test_every_change_has_its_audit_line(instance: Instance) -> None:
    """Of domains, networks and pools: who, what, which one, and how it ended."""
    inventory = Inventory(instance)
    pool = instance.root / "data"
    network = str(inventory.path / "net.xml")
    done = (
        ("define", str(inventory.path / "web1.xml")), ("autostart", "web1"), ("undefine", "web1"),
        ("net-define", network), ("net-start", "inner"), ("net-autostart", "inner"),
        ("net-destroy", "inner"), ("net-undefine", "inner"),
        ("pool-define-as", "data", "dir", "--target", str(pool)), ("pool-build", "data"),
        ("pool-start", "data"), ("vol-create-as", "data", "v", "1M"),
        ("vol-delete", "v", "--pool", "data"), ("pool-destroy", "data"), ("pool-undefine", "data"),
    )  # fmt: skip
    for words in done:
        instance.virtlxc(*words).ok()
    instance.virtlxc("net-start", "inner").failed()
    instance.virtlxc("net-info", "default").ok()  # changes nothing
    lines = [line for line in instance.daemon_messages().splitlines() if " call=" in line]
    told = [
        (line.split(" call=")[1].split()[0], line.split(" domain=")[1].split(" result=")[0])
        for line in lines
    ]
    assert told == [
        ("DEFINE", "web1"), ("DOMAIN_SET_AUTOSTART", "web1"), ("DOMAIN_UNDEFINE_FLAGS", "web1"),
        ("NETWORK_DEFINE_XML", "inner"), ("NETWORK_START", "inner"),
        ("NETWORK_SET_AUTOSTART", "inner"), ("NETWORK_DESTROY", "inner"),
        ("NETWORK_UNDEFINE", "inner"), ("STORAGE_POOL_DEFINE_XML", "data"),
        ("STORAGE_POOL_BUILD", "data"), ("STORAGE_POOL_CREATE", "data"),
        ("STORAGE_VOL_CREATE_XML", "data/v"), ("STORAGE_VOL_DELETE", "data/v"),
        ("STORAGE_POOL_DESTROY", "data"), ("STORAGE_POOL_UNDEFINE", "data"),
    ]  # fmt: skip
    assert all("uid=0 pid=" in line and line.endswith("result=ok") for line in lines)


def test_each_daemon_has_its_own_memory(instance: Instance) -> None:
    """What was applied elsewhere is neither forgotten nor pruned here."""
    inventory = Inventory(instance)
    folder = str(inventory.path)
    other = Instance()
    try:
        there = ("-c", f"lxc+unix:///system?socket={other.paths.socket}")
        instance.virtlxc("apply", folder).ok()
        instance.virtlxc(*there, "apply", folder).ok()
        assert other.domains("--all") == ["web1", "web2"]
        (inventory.path / "web2.xml").unlink()
        instance.virtlxc(*there, "apply", "--prune", folder).ok()
        assert other.domains("--all") == ["web1"]
        assert instance.domains("--all") == ["web1", "web2"]
        instance.virtlxc("apply", "--prune", folder).ok()
        assert instance.domains("--all") == ["web1"]
    finally:
        other.close()


def test_check_of_what_runs(instance: Instance) -> None:
    """The host end of a running domain's card is there, and its own."""
    root = instance.busybox()
    xml = DOMAIN.format(name="web1", memory=64, root=root)
    xml = xml.replace("network='inner'/>", "network='default'/><target dev='vlt0'/>")
    folder = instance.root / "inventory"
    folder.mkdir()
    (folder / "web1.xml").write_text(xml)
    (folder / "web2.xml").write_text(xml.replace("web1", "web2"))
    instance.virtlxc("define", str(folder / "web1.xml")).ok()
    instance.virtlxc("start", "web1").ok()
    assert instance.run("ip", "link", "show", "vlt0").ok()
    found = instance.virtlxc("--output", "json", "check", str(folder))
    causes = {one["name"]: one["causes"] for one in json.loads(found.stdout)["files"]}
    assert causes["web1"] == []
    assert any("the host has a link 'vlt0' already" in cause for cause in causes["web2"])
    instance.virtlxc("destroy", "web1").ok()


def test_a_kill_at_any_moment_leaves_whole_objects_and_the_rest_can_be_done(
    instance: Instance,
) -> None:
    inventory = Inventory(instance)
    names = [f"many{at:02}" for at in range(40)]
    for name in names:
        inventory.domain(name)
    folder = str(inventory.path)
    argv = instance.argv("apply", folder)
    applying = instance.spaces.popen(argv, env=instance.environment(), stdout=subprocess.DEVNULL)
    wait_for("the first definitions", lambda: len(instance.domains("--all")) > 2, pause=0)
    applying.kill()
    applying.wait()
    there = instance.domains("--all")
    record = json.loads(Path(instance.paths.lib, "applied.json").read_text())
    assert {one["name"] for one in record["objects"]} >= set(there)
    instance.virtlxc("apply", folder).ok()
    assert instance.virtlxc("diff", folder).ok() == "43 as they are\n\n"
    # What was only on its way when the kill came is forgotten: it was made under another UUID.
    record = json.loads(Path(instance.paths.lib, "applied.json").read_text())
    assert len(record["objects"]) == 43
    for name in names:
        (inventory.path / f"{name}.xml").unlink()
    instance.virtlxc("apply", "--prune", folder).ok()
    assert instance.domains("--all") == ["web1", "web2"]
