"""What domxml-to-native writes starts under the real LXC, and is there what the XML says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.namespaces import Result

pytestmark = pytest.mark.interop

DOMAIN = """<domain type='lxc'>
  <name>walk</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init><initenv name='FOO'>bar baz</initenv></os>
  <features><capabilities policy='default'><sys_nice state='off'/></capabilities></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <filesystem type='ram'><source usage='1024' units='KiB'/><target dir='/tmp'/></filesystem>
    <filesystem type='mount'><source dir='{data}'/><target dir='/data'/><readonly/></filesystem>
    <interface type='bridge'>
      <mac address='00:16:3e:0a:0b:0c'/>
      <source bridge='br0'/>
      <ip address='10.9.0.7' prefix='24'/>
      <guest dev='lan0'/>
      <link state='up'/>
    </interface>
    <console type='pty'/>
  </devices>
</domain>
"""
CAP_SYS_NICE, CAP_CHOWN = 23, 0
# LXC's own folders are compiled in: it sees them on top of the host's.
SET_UP = """
set -e
mount -t overlay -o "lowerdir=$1/usr:/usr" peer /usr
mount -t tmpfs -o mode=755 peer /run
mkdir -p /run/lxc
"""


class Lxc:
    """LXC's tools in an instance's namespaces."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.tree = peers.lxc()
        self.folder = instance.root / "lxc"
        instance.run("sh", "-c", SET_UP, "-", str(self.tree.root)).ok()

    def run(self, program: str, *words: str) -> Result:
        argv = self.tree.argv(program, "-P", str(self.folder), "-n", "walk", *words)
        return self.instance.run(*argv, timeout=60)

    def start(self, config: str) -> int:
        """The host's pid of init."""
        (self.folder / "walk").mkdir(parents=True)
        (self.folder / "walk/config").write_text(config)
        log = self.folder / "log"
        ran = self.run("lxc-start", "-d", "-l", "DEBUG", "-o", str(log))
        assert ran.code == 0, f"{ran}\n{log.read_text()[-3000:] if log.exists() else ''}"
        wait_for("RUNNING", lambda: "RUNNING" in self.run("lxc-info", "-s", "-H").stdout)
        return int(self.run("lxc-info", "-p", "-H").ok())

    def end(self) -> None:
        self.run("lxc-stop", "-k")
        self.instance.run("umount", "-l", "/run", "/usr")


@pytest.fixture
def lxc() -> Iterator[Lxc]:
    instance = Instance(start=False)
    made = Lxc(instance)
    try:
        yield made
    finally:
        made.end()
        instance.close()


def test_it_starts_and_is_what_the_xml_says(lxc: Lxc) -> None:
    instance = lxc.instance
    root, data = instance.busybox(), instance.root / "data"
    data.mkdir()
    (data / "seen").write_text("yes")
    instance.bridge("br0", "10.9.0.1/24")
    file = instance.write("d.xml", DOMAIN.format(root=root, data=data))
    config = instance.virtlxc("domxml-to-native", "lxc-tools", "--xml", file).ok()
    init = lxc.start(config)

    def inside(*argv: str) -> str:
        return instance.run("nsenter", "-t", str(init), "-a", *argv).ok()

    assert inside("/bin/hostname") == "walk\n"
    assert inside("/bin/cat", "/data/seen") == "yes"
    assert "ro" in _options(init, "/data")
    assert "size=1024k" in _options(init, "/tmp")
    link = inside("/bin/ip", "address", "show", "lan0")
    assert "00:16:3e:0a:0b:0c" in link
    assert "10.9.0.7/24" in link
    ping = [str(root / "bin/busybox"), "ping", "-c", "1", "-W", "5", "10.9.0.7"]
    assert "1 packets received" in instance.run(*ping).ok()
    environment = Path(f"/proc/{init}/environ").read_bytes().split(b"\0")
    assert b"FOO=bar baz" in environment
    bounding = _capabilities(init)
    assert not bounding >> CAP_SYS_NICE & 1
    assert bounding >> CAP_CHOWN & 1


def _options(pid: int, target: str) -> list[str]:
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[4] == target:
            return [*left.split()[5].split(","), *right.split()[2].split(",")]
    raise AssertionError(f"nothing is mounted at {target}")


def _capabilities(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("CapBnd:")[1].split()[0], 16)
