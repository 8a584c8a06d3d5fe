"""The story of a first container: made from a template, started, on the network, looked into,
stopped, deleted. As a user sees it, through the command."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for

pytestmark = pytest.mark.host

PROMPT = "Please press Enter to activate this console."


def lease_of(instance: Instance, name: str) -> str:
    """The address that the guest got by DHCP."""

    def look() -> str:
        found = re.search(r"ipv4 +(\S+)/24", instance.virtlxc("domifaddr", name).ok())
        return found.group(1) if found else ""

    return wait_for(f"a lease of {name}", look)


@pytest.mark.kernel
def test_from_nothing_to_a_shell_and_back(instance: Instance) -> None:
    instance.virtlxc("new", "test", "--template", "busybox").ok()
    assert "shut off" in instance.virtlxc("list", "--all").ok()
    instance.virtlxc("start", "test").ok()
    address = lease_of(instance, "test")
    log = wait_for(
        "the prompt",
        lambda: text if PROMPT in (text := instance.virtlxc("logs", "test").ok()) else "",
    )
    assert f"lease of {address} obtained" in log
    inside = instance.virtlxc("exec", "test", "--", "ip", "-4", "addr", "show", "eth0").ok()
    assert f"inet {address}/24" in inside
    assert instance.virtlxc("exec", "test", "--", "hostname").ok() == "test\n"
    assert "nameserver 192.168." in instance.virtlxc("exec", "test", "cat", "/etc/resolv.conf").ok()
    owner = instance.virtlxc("exec", "test", "--", "stat", "-c", "%u:%g", "/sbin/init").ok()
    assert owner == "0:0\n", "files are the guest's root's, by an idmapped mount"
    uid_map = instance.virtlxc("exec", "test", "--", "cat", "/proc/self/uid_map").ok().split()
    assert uid_map[0] == "0" and int(uid_map[1]) >= 0x80000
    shown = instance.virtlxc("net-dumpxml", "default").ok()
    assert shown.startswith("<network connections='1'>")
    assert "test" in instance.virtlxc("net-dhcp-leases", "default").ok()
    instance.virtlxc("shutdown", "test", "--wait", "--timeout", "20").ok()
    assert "shut off" in instance.virtlxc("list", "--all").ok()
    instance.virtlxc("delete", "test").ok()
    assert "test" not in instance.virtlxc("list", "--all").ok()
    assert list((Path(instance.paths.lib) / "guests").iterdir()) == []
    instance.virtlxc("net-destroy", "default").ok()


LAB = """<network><name>lab</name><forward mode='nat'/><bridge stp='off' delay='0'/>
<ip address='10.89.0.1' prefix='24'><dhcp><range start='10.89.0.2' end='10.89.0.99'/></dhcp></ip>
</network>"""


def kept(instance: Instance) -> set[str]:
    """All that a guest may leave: files, groups, links, mounts, and notes of its ids."""
    return {
        *(
            str(path)
            for folder in ("etc", "run", "var/lib")
            for path in (instance.root / folder).rglob("*")
        ),
        *map(str, instance.cgroups()),
        *(f"link {name}" for name in instance.links()),
        *(f"mount {point}" for point in instance.spaces.mounts_below(instance.root)),
        *(f"ids {note}" for note in instance.id_ranges()),
    }


def test_what_new_is_told_is_so_and_delete_leaves_nothing(instance: Instance) -> None:
    instance.virtlxc("net-define", instance.write("lab.xml", LAB)).ok()
    instance.virtlxc("net-start", "lab").ok()
    before = kept(instance)
    mac = "52:54:00:0a:0b:0c"
    instance.virtlxc(
        *("new", "db1", "--template", "busybox", "--network", "lab", "--mac", mac),
        *("--memory", "96M", "--start"),
    ).ok()
    inside = instance.virtlxc("exec", "db1", "--", "ip", "link", "show", "eth0").ok()
    assert f"link/ether {mac}" in inside
    bridge = instance.virtlxc("net-info", "lab").ok().rpartition("Bridge:")[2].strip()
    (port,) = json.loads(instance.run("ip", "-j", "link", "show", "master", bridge).ok())
    beyond = instance.virtlxc("exec", "db1", "--", "cat", "/sys/class/net/eth0/iflink").ok()
    assert beyond == f"{port['ifindex']}\n", "the port of the bridge is the other end of its card"
    assert lease_of(instance, "db1").startswith("10.89.0.")
    files = [("memory.limit_in_bytes",), ("payload", "memory.max")]
    found = [group.joinpath(*file) for group in instance.cgroups() for file in files]
    assert [file.read_text() for file in found if file.exists()] == [f"{96 << 20}\n"]
    assert any(one.startswith("ids ") for one in kept(instance))
    assert "running" in instance.virtlxc("delete", "db1").failed()
    instance.virtlxc("delete", "db1", "--force").ok()
    with contextlib.suppress(AssertionError):
        wait_for("nothing of it", lambda: kept(instance) == before, 10)
    assert sorted(kept(instance) ^ before) == []
    instance.virtlxc("net-destroy", "lab").ok()


def test_two_guests_reach_each_other_by_name(instance: Instance) -> None:
    for name in ("one", "two"):
        instance.virtlxc("new", name, "--template", "busybox", "--start").ok()
    address = lease_of(instance, "two")
    lease_of(instance, "one")
    answer = instance.virtlxc("exec", "one", "--", "nslookup", "-type=a", "two").ok()
    assert address in answer
    instance.virtlxc("exec", "one", "--", "ping", "-c", "1", "-W", "5", address).ok()
    for name in ("one", "two"):
        instance.virtlxc("destroy", name).ok()
        instance.virtlxc("delete", name).ok()
    instance.virtlxc("net-destroy", "default").ok()


def test_network_outlives_the_daemon_and_guests_the_network(instance: Instance) -> None:
    instance.virtlxc("new", "test", "--template", "busybox", "--start").ok()
    address = lease_of(instance, "test")
    instance.kill_daemon()
    instance.start_daemon()
    assert re.search(r"default +active", instance.virtlxc("net-list").ok())
    assert lease_of(instance, "test") == address
    instance.virtlxc("net-destroy", "default").ok()
    instance.virtlxc("net-start", "default").ok()
    gateway = ["exec", "test", "--", "ping", "-c", "1", "-W", "5", "192.168.122.1"]
    instance.virtlxc(*gateway).ok()
    instance.virtlxc("destroy", "test").ok()
    instance.virtlxc("delete", "test").ok()
    instance.virtlxc("net-destroy", "default").ok()


def test_a_file_system_without_idmapped_mounts_gets_shifted_files(instance: Instance) -> None:
    """As in containers and live systems, where /var/lib lies on an overlay."""
    lib = Path(instance.paths.lib)
    layers = "lowerdir=/l/lower,upperdir=/l/upper,workdir=/l/work"
    instance.run(
        "sh", "-ec",
        f"mkdir -p {lib} {lib}.layers; mount -t tmpfs layers {lib}.layers; cd {lib}.layers;"
        f"mkdir lower upper work guests; mount -t overlay overlay -o "
        f"{layers.replace('/l/', f'{lib}.layers/')} {lib}",
    ).ok()  # fmt: skip
    instance.stop_daemon()
    instance.start_daemon()
    instance.virtlxc("new", "over", "--template", "busybox", "--no-network", "--start").ok()
    wait_for("the prompt", lambda: PROMPT in instance.virtlxc("logs", "over").ok())
    inside = instance.virtlxc("exec", "over", "--", "stat", "-c", "%u:%g %a", "/bin/su").ok()
    assert inside.startswith("0:0 ")
    rootfs = f"{lib}/guests/over/rootfs"
    outside = instance.run("stat", "-c", "%u", f"{rootfs}/sbin/init", f"{rootfs}/etc").ok().split()
    assert len(set(outside)) == 1 and int(outside[0]) >= 0x80000, "shifted on the disk"
    instance.virtlxc("delete", "over", "--force").ok()
    instance.stop_daemon()
    instance.run("umount", str(lib)).ok()
    instance.run("umount", f"{lib}.layers").ok()
