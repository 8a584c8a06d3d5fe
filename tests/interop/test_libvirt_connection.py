"""Our command on libvirt's own library: the same commands for any hypervisor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import peers
from tests.harness import CHECKOUT, Instance
from tests.interop.virsh import DOMAIN
from tests.namespaces import Result, plain_environment

pytestmark = pytest.mark.interop

TEST = "test:///default"
# One line is one process: the test driver's state lives in it. Both must print the same bytes.
LINES = (
    "list --all",
    "list --all --name; list --all --uuid; list --inactive; list --title",
    "dominfo test",
    "domid test; domname 1; domuuid test; domstate test; domstate test --reason",
    "dumpxml test; dumpxml test --inactive; dumpxml test --xpath //name",
    "suspend test; domstate test; resume test; domstate test --reason",
    "shutdown test; list --all; start test; list",
    "destroy test; domstate test; undefine test; list --all",
    "reboot test",
    "autostart test; dominfo test; autostart --disable test",
    "vcpucount test",
    "setmem test 1048576 --config; setmaxmem test 4194304 --config; dominfo test",
    "memtune test; memtune test --hard-limit 4000000; memtune test",
    "schedinfo test",
    "cpu-stats test --count 1",
    "domiflist test; domifaddr test; domblklist test",
    "dommemstat test",
    "desc test; desc test --title --new-desc shop; desc test --title; list --title",
    "metadata test --uri urn:x",
    "domrename test shop",
    "destroy test; domrename test shop; list --all",
    "domcontrol test; domstats; domhostname test",
    "domif-getlink test testnet0",
    "net-list --all; net-info default; net-dumpxml default; net-uuid default",
    "net-destroy default; net-list --all; net-start default; net-autostart default; net-list",
    "net-destroy default; net-undefine default; net-list --all",
    "net-dhcp-leases default; net-update default add bridge '<a/>'",
    "pool-list --all; pool-info default-pool; pool-dumpxml default-pool; pool-uuid default-pool",
    "pool-destroy default-pool; pool-list --all; pool-start default-pool",
    "pool-refresh default-pool; pool-autostart default-pool; pool-list --details",
    "vol-list default-pool; vol-create-as default-pool one 10M; vol-list default-pool",
    "vol-create-as default-pool one 10M; vol-info one --pool default-pool; "
    "vol-path one --pool default-pool; vol-dumpxml one --pool default-pool; "
    "vol-delete one --pool default-pool; vol-list default-pool",
    "nodeinfo; hostname; nodecpumap; nodecpumap --pretty; freecell --all; capabilities",
    "maxvcpus; sysinfo; nodememstats; domcapabilities",
    "list nonsense", "dominfo nobody", "start test", "net-info nobody", "pool-info nobody",
    "vol-info none --pool default-pool", "console test", "send-process-signal test 1 9",
    "managedsave-nothing test",
)  # fmt: skip
# What both say otherwise, and why; everything else is the same to the last byte.
DIFFERENT = {
    "list nonsense": "surplus words also get the usage",
    "managedsave-nothing test": "an unknown command also gets a hint at the nearest",
}


@cache
def python() -> tuple[str, ...]:
    """An interpreter that finds Debian's libvirt library: ours, if that was built for it."""
    trees, interpreter = [peers.virsh()], sys.executable
    modules = Path(trees[0].environment()["PYTHONPATH"]).glob("libvirtmod.*.so")
    tag = f"-{sys.version_info.major}{sys.version_info.minor}-"
    if not any(tag in module.name for module in modules):
        trees, interpreter = [*trees, peers.fetch("lxml")], "/usr/bin/python3"
    found = [tree.environment() for tree in trees]
    folders = ":".join([str(CHECKOUT), *(one["PYTHONPATH"] for one in found)])
    libraries = ":".join(one["LD_LIBRARY_PATH"] for one in found)
    return ("env", f"PYTHONPATH={folders}", f"LD_LIBRARY_PATH={libraries}", interpreter)


def ours(*words: str) -> list[str]:
    return [*python(), "-m", "virtlxc", *words]


def run(argv: list[str]) -> Result:
    ran = subprocess.run(argv, capture_output=True, text=True, env=plain_environment(), timeout=60)
    return Result(tuple(argv), ran.stdout, ran.stderr, ran.returncode)


@pytest.mark.parametrize("line", LINES)
def test_what_virsh_prints(line: str) -> None:
    theirs = run(peers.virsh().argv("virsh", "-c", TEST, line))
    mine = run(ours("-c", TEST, line))
    if line in DIFFERENT:
        assert mine.stderr.startswith(theirs.stderr.rstrip("\n"))
        return
    assert (still(mine.stdout), mine.stderr, mine.code) == (
        still(theirs.stdout), theirs.stderr, theirs.code,
    )  # fmt: skip


def still(text: str) -> str:
    """Without what the test driver makes of the clock."""
    return re.sub(r"(CPU time:|cpu.time[ =]|last_update) *[\d.]+", r"\1 CLOCK", text)


def test_events_come_through() -> None:
    line = "event --event lifecycle --timeout 1; net-event --event lifecycle --timeout 1"
    ran = run(ours("-c", TEST, line))
    assert ran.stdout.count("event loop timed out") == 2
    # Within one process the test driver tells what the same process did before.
    begin = "from virtlxc.rpc.libvirt import Connection\n"
    script = begin + (
        "c = Connection('test:///default')\n"
        "dom = c.call('DOMAIN_LOOKUP_BY_NAME', name='test')['dom']\n"
        "c.call('CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY', eventID=0, dom=None)\n"
        "c.call('DOMAIN_SUSPEND', dom=dom)\n"
        "e = c.next_event(5)\n"
        "print(e.name, e.fields['dom'][0], e.fields['event'], e.fields['detail'])\n"
        "print(c.next_event(0.05))\n"
    )
    ran = run([*python(), "-c", script])
    assert ran.ok().splitlines() == ["DOMAIN_EVENT_CALLBACK_LIFECYCLE test 3 0", "None"]


def test_what_is_ours_alone() -> None:
    ran = run(ours("-c", TEST, "logs test"))
    assert "not supported by the connection driver: LOGS (it is virtlxc's own" in ran.failed()


def test_only_reading() -> None:
    ran = run(ours("--readonly", "-c", TEST, "suspend test"))
    assert "operation forbidden: read only access prevents virDomainSuspend" in ran.failed()


def test_no_such_hypervisor() -> None:
    ran = run(ours("-c", "nonsense:///x", "list"))
    theirs = run(peers.virsh().argv("virsh", "-c", "nonsense:///x", "list"))
    assert (ran.failed(), ran.code) == (theirs.stderr, theirs.code)


def test_without_the_library() -> None:
    argv = [sys.executable, "-c", _WITHOUT, "-c", "qemu:///system", "list"]
    environment = {**plain_environment(), "PYTHONPATH": str(CHECKOUT)}
    ran = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60)
    assert ran.returncode == 1
    assert "cannot connect to 'qemu:///system': that takes libvirt's Python library" in ran.stderr
    assert "(pip install 'virtlxc[libvirt]', or the package python3-libvirt)" in ran.stderr
    assert len(ran.stderr.splitlines()) == 2  # virsh's own headline, and the reason


_WITHOUT = """
import sys
sys.modules["libvirt"] = None
from virtlxc.cli.main import main
sys.exit(main())
"""


# Our own daemon, by way of the library


@pytest.fixture(scope="module")
def shop(shared_instance: Instance) -> Iterator[Instance]:
    root = shared_instance.busybox()
    shared_instance.define(DOMAIN.format(name="shop", root=root, init="/sbin/init"))
    yield shared_instance
    shared_instance.virtlxc("undefine", "shop").ok()


def by_library(instance: Instance, *words: str) -> Result:
    uri = f"libvirt+lxc+unix:///system?socket={instance.paths.socket}"
    return instance.run(*ours("-c", uri, *words), timeout=60)


def test_a_domains_life_by_way_of_the_library(shop: Instance) -> None:
    assert "Domain 'shop' started" in by_library(shop, "start", "shop").ok()
    assert shop.domains() == ["shop"]
    assert by_library(shop, "domid", "shop").ok() == shop.virtlxc("domid", "shop").ok()
    by_library(shop, "schedinfo", "shop", "--set", "cpu_shares=2048").ok()
    assert "2048" in shop.virtlxc("schedinfo", "shop").ok()
    ended = by_library(shop, "shutdown", "shop", "--wait")
    assert "Domain 'shop' has shut down" in ended.ok()
    assert shop.domains() == []


def test_volumes_by_way_of_the_library(shop: Instance) -> None:
    folder = shop.root / "pool"
    folder.mkdir()
    data = os.urandom(300_000)
    (shop.root / "data").write_bytes(data)
    by_library(shop, "pool-create-as", "p", "dir", "--target", str(folder)).ok()
    by_library(shop, "vol-create-as", "p", "v", "300000", "--format", "raw").ok()
    by_library(shop, "vol-upload", "v", str(shop.root / "data"), "--pool", "p").ok()
    assert (folder / "v").read_bytes() == data
    by_library(shop, "vol-download", "v", str(shop.root / "back"), "--pool", "p").ok()
    assert (shop.root / "back").read_bytes() == data
    by_library(shop, "pool-destroy", "p").ok()


# libvirt's own LXC driver


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Libvirtd]:
    with peers.Libvirtd.answering(tmp_path_factory.mktemp("libvirtd")) as daemon:
        yield daemon


OLD = """<domain type='lxc'>
  <name>old</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='/srv/old'/><target dir='/'/></filesystem>
    <interface type='network'><mac address='00:16:3e:01:02:03'/><source network='old'/></interface>
    <watchdog model='i6300esb'/>
    <console type='pty'/>
  </devices>
</domain>
"""
OLD_NETWORK = "<network><name>old</name><ip address='10.9.8.1' netmask='255.255.255.0'/></network>"
NEW = """<domain type='lxc'>
  <name>new</name>
  <metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>
    <virtlxc:pids limit='100'/></virtlxc:container></metadata>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='/srv/new'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""


def test_definitions_move_both_ways(libvirtd: peers.Libvirtd, tmp_path: Path) -> None:
    """libvirt's own driver on one side, virtlxc on the other; no file passes by hand."""
    instance = Instance()
    try:

        def move(*words: str) -> Result:
            # What both sides can be seen from: libvirtd's namespaces, and our socket's path.
            return libvirtd.spaces.run(*ours("--root", str(instance.root), *words))

        for name, text, command in (("old", OLD, "define"), ("net", OLD_NETWORK, "net-define")):
            (tmp_path / name).write_text(text)
            libvirtd.virsh(command, str(tmp_path / name))
        libvirtd.virsh("autostart", "old")
        uuid = libvirtd.virsh("domuuid", "old").strip()

        only_shown = move("import", "-c", "lxc:///system", "--dry-run", "old")
        assert "+ domain 'old': new" in only_shown.ok()
        assert instance.domains("--all") == []
        nobody = move("import", "-c", "lxc:///system", "nobody").failed()
        assert "no persistent domain, network or pool at lxc:///system is called" in nobody

        done = move("import", "-c", "lxc:///system", "old")
        assert "+ network 'old': new" in done.ok()
        assert "domain 'old': /domain/devices/watchdog has no effect" in done.stderr
        assert instance.virtlxc("domuuid", "old").ok().strip() == uuid
        xml = instance.virtlxc("dumpxml", "old").ok()
        assert "00:16:3e:01:02:03" in xml
        assert "<watchdog model='i6300esb'" in xml
        assert instance.domains("--all", "--autostart") == ["old"]
        assert move("import", "-c", "lxc:///system", "old").ok() == "nothing to do\n\n"
        # Only the sides have changed that should have.
        assert libvirtd.virsh("list", "--all", "--name").split() == ["old"]

        instance.define(NEW)
        sent = move("export", "-c", "lxc:///system", "new")
        assert "+ domain 'new': new" in sent.ok()
        assert "domain 'new': <virtlxc:pids> is kept, and has no effect there" in sent.stderr
        theirs = libvirtd.virsh("dumpxml", "new")
        assert "<virtlxc:pids limit='100'/>" in theirs.replace('"', "'")
        assert libvirtd.virsh("domuuid", "new") == instance.virtlxc("domuuid", "new").ok()
        assert move("export", "-c", "lxc:///system", "new").ok() == "nothing to do\n\n"
        libvirtd.virsh("desc", "new", "--config", "--new-desc", "changed there")
        left = move("export", "-c", "lxc:///system", "new")
        assert "left as it is at lxc:///system: domain 'new' is there, and not as" in left.stderr
        assert "changed there" in libvirtd.virsh("dumpxml", "new")

        instance.virtlxc("import", "--undo").ok()
        assert instance.domains("--all") == ["new"]
        for name in ("old", "new"):
            libvirtd.virsh("undefine", name)
        libvirtd.virsh("net-undefine", "old")
    finally:
        instance.close()


def test_what_is_no_container_is_left_there(shared_instance: Instance) -> None:
    argv = ours("--root", str(shared_instance.root), "import", "-c", TEST, "test")
    ran = shared_instance.run(*argv)
    assert ran.ok() == "nothing to do\n\n"
    assert "left there: domain 'test' is a domain of type 'test'" in ran.stderr


def test_libvirts_own_lxc_driver(libvirtd: peers.Libvirtd, tmp_path: Path) -> None:
    def there(*words: str) -> Result:
        return libvirtd.spaces.run(*ours("-c", "libvirt+lxc:///system", *words))

    file = tmp_path / "d.xml"
    file.write_text(DOMAIN.format(name="theirs", root=tmp_path, init="/sbin/init"))
    assert there("define", str(file)).ok() == f"Domain 'theirs' defined from {file}\n\n"
    assert libvirtd.virsh("list", "--all", "--name").split() == ["theirs"]
    assert there("dumpxml", "theirs").ok().strip() == libvirtd.virsh("dumpxml", "theirs").strip()
    there("autostart", "theirs").ok()
    links = libvirtd.spaces.run("ls", "/etc/libvirt/lxc/autostart").ok()
    assert links == "theirs.xml\n"
    assert "Running hypervisor: LXC" in there("version").ok()
    there("undefine", "theirs").ok()
    assert libvirtd.virsh("list", "--all", "--name").split() == []
