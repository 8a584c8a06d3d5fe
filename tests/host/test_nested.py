"""virtlxc inside of a container of its own, in a user namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import distributions, rootfs
from tests.harness import Instance, cgroup_mounts, wait_for
from tests.host import nestlab
from tests.host.guestlab import FIRST_ID, guest
from tests.host.nestlab import CONFIG, IDS, Nest, group_of, outer_uid, uid_of
from tests.vm import host_image
from virtlxc.errors import KernelRefused
from virtlxc.host.cgroup import delegated

pytestmark = [pytest.mark.host]

BOX = """<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  {idmap}
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='/srv/guest'/><target dir='/'/></filesystem>
    {more}
    <console type='pty'/>
  </devices>
</domain>
"""
CONTAINER = "this host is itself a container"


@pytest.fixture(scope="module")
def nest() -> Iterator[Nest]:
    instance = Instance()
    try:
        yield nestlab.bare(instance)
    finally:
        instance.close()


def test_a_guest_of_a_guest_lives_and_leaves_nothing(nest: Nest) -> None:
    _lives_and_leaves_nothing(nest)


@pytest.mark.guests
@pytest.mark.systemd
def test_a_guest_of_a_debian_lives_and_leaves_nothing() -> None:
    instance = Instance()
    try:
        root = instance.memory_folder("deb-root")
        files = instance.seen(root)
        distributions.unpack("host", files)
        host_image.add_code(files)
        host_image.mask(files)
        (files / "etc/virtlxc").mkdir()
        (files / "etc/virtlxc/virtlxc.toml").write_text(CONFIG)
        deb = guest(instance, "deb", root=root, ids=IDS, nesting=True).start().up()
        nest = Nest(deb, ("virtlxc",))
        _lives_and_leaves_nothing(nest)
        deb.stop()
    finally:
        instance.close()


def _lives_and_leaves_nothing(nest: Nest) -> None:
    """Looked at from inside and, whatever that says, from the host."""
    if not (nest.guest.inside / "usr/bin/busybox").exists():
        busybox = rootfs.find_busybox().read_bytes()
        (nest.guest.files / "usr/bin/busybox").write_bytes(busybox)
        (nest.guest.files / "usr/bin/busybox").chmod(0o755)
    before = _state(nest)
    nest.virtlxc("new", "box", "--template", "busybox", "--no-network", "--start").ok()
    pid = nest.outside(int(nest.virtlxc("domid", "box").ok()))
    assert uid_of(pid) == outer_uid(1 << 16), "root of a range of the guest's own"
    assert group_of(pid).startswith(f"{nest.payload}/"), "the outer limits and rules hold for it"
    said = nest.virtlxc("exec", "--no-tty", "box", "--", "sh", "-c", "id -u; cat /proc/1/comm").ok()
    assert said.split() == ["0", "init"]
    nodes = "echo x > /dev/null && head -c 4 /dev/zero | wc -c && stat -c %t:%T /dev/urandom"
    said = nest.virtlxc("exec", "--no-tty", "box", "--", "sh", "-c", nodes).ok()
    assert said.split() == ["4", "1:9"]
    wait_for(
        "words on its console", lambda: "Please press Enter" in nest.virtlxc("logs", "box").ok()
    )
    assert CONTAINER in nest.virtlxc("dominfo", "box").ok(), "who reads of it knows of its rules"
    nest.virtlxc("shutdown", "box", "--wait").ok()
    assert not Path(f"/proc/{pid}").exists()
    nest.virtlxc("start", "box").ok()
    pid = nest.outside(int(nest.virtlxc("domid", "box").ok()))
    nest.virtlxc("reboot", "box").ok()
    wait_for("another init", lambda: not Path(f"/proc/{pid}").exists())
    wait_for("it runs again", lambda: nest.virtlxc("domstate", "box").ok().strip() == "running")
    nest.virtlxc("destroy", "box").ok()
    nest.virtlxc("delete", "box").ok()
    wait_for("all of it gone", lambda: _state(nest) == before, 5)


def _state(nest: Nest) -> dict[str, list[str]]:
    """What a container inside makes, as the host and as the guest see it."""
    groups = [
        str(Path(folder, name).relative_to(mount))
        for mount in cgroup_mounts()
        for folder, names, _ in os.walk(f"{mount}{nest.payload}")
        for name in names
        if name.startswith(("lxc-", "machine-lxc"))
    ]
    return {
        "groups": groups,
        "mounts": nest.guest.run("cut", "-d ", "-f5", "/proc/self/mountinfo").ok().split(),
        "links": nest.guest.run("ls", "/sys/class/net").ok().split(),
        "processes": [
            line
            for line in nest.guest.run("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
            if line.startswith("libvirt_lxc")
        ],
    }


def test_it_has_the_network_of_the_guest(nest: Nest) -> None:
    nest.virtlxc("new", "net", "--template", "busybox", "--start").ok()
    wait_for("a lease", lambda: "192.168." in nest.virtlxc("domifaddr", "net").ok())
    nest.virtlxc("exec", "--no-tty", "net", "--", "ping", "-c1", "192.168.122.1").ok()
    assert nest.guest.instance.links() == [], "nothing of it is on the host"
    nest.virtlxc("delete", "net", "--force").ok()
    nest.virtlxc("net-destroy", "default").ok()


def test_without_a_map_it_runs_as_the_guests_root(nest: Nest) -> None:
    nest.define(BOX.format(name="same", idmap="", more="")).ok()
    nest.virtlxc("start", "same").ok()
    pid = nest.outside(int(nest.virtlxc("domid", "same").ok()))
    assert uid_of(pid) == FIRST_ID
    messages = nest.virtlxc("dominfo", "same").ok()
    assert "root in this container is root on the host" in messages and CONTAINER in messages
    nest.virtlxc("destroy", "same").ok()
    nest.virtlxc("undefine", "same").ok()


def test_it_sees_the_guests_programs(nest: Nest) -> None:
    """Without a root file system: those of the host, which the guest is."""
    xml = BOX.format(name="programs", idmap="", more="")
    root = xml[xml.index("<filesystem") : xml.index("</filesystem>") + len("</filesystem>")]
    sleep = "<init>/usr/bin/sleep</init><initarg>1000</initarg>"
    nest.define(xml.replace(root, "").replace("<init>/sbin/init</init>", sleep)).ok()
    nest.virtlxc("start", "programs").ok()
    words = "test -x /usr/bin/sleep && ls -A /srv | wc -l; touch /usr/new"
    said = nest.virtlxc("exec", "--no-tty", "programs", "--", "sh", "-c", words)
    assert said.stdout.split() == ["0"], "the guest has something there"
    assert "Read-only file system" in said.stderr
    nest.virtlxc("destroy", "programs").ok()
    nest.virtlxc("undefine", "programs").ok()


def test_a_folder_is_laid_over(nest: Nest) -> None:
    """Notes of an overlay on what is gone are attributes of users there."""
    extra = (
        "<metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>"
        "<virtlxc:filesystem target='/' overlay='ram'/></virtlxc:container></metadata>"
    )
    nest.define(BOX.format(name="over", idmap=extra, more="")).ok()
    nest.virtlxc("start", "over").ok()
    words, warning = "rm -r /etc && mkdir /etc && touch /etc/new && ls /etc", ""
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 6):
        words = "rm /etc/* && touch /etc/new && ls /etc"
        warning = "a folder below overlay='ram' can be neither removed nor renamed on this host"
    assert warning in nest.virtlxc("dominfo", "over").ok()
    assert nest.virtlxc("exec", "--no-tty", "over", "--", "sh", "-c", words).ok().split() == ["new"]
    nest.virtlxc("destroy", "over").ok()
    nest.virtlxc("undefine", "over").ok()
    nest.guest.run("test", "-f", "/srv/guest/etc/passwd").ok()


def test_host_validate_says_what_it_is(nest: Nest) -> None:
    said = nest.virtlxc("host-validate").stdout
    assert f"PASS {CONTAINER}, with the ids 0-{IDS - 1}" in said
    assert "WARN not allowed here: the rules of the container that this host is hold" in said
    assert "WARN cannot be made here: guests get this host's own" in said
    assert "FAIL without mknod" not in said


@pytest.mark.parametrize(
    ("idmap", "more", "refusal"),
    [
        (
            "<idmap><uid start='0' target='1000000' count='65536'/>"
            "<gid start='0' target='1000000' count='65536'/></idmap>",
            "",
            f"wants the users 0-65535 -> 1000000-1065535, and {CONTAINER[:9]}, itself a container, "
            f"has 0-{IDS - 1}",
        ),
        (
            "",
            "<hostdev mode='capabilities' type='misc'><source><char>/dev/null</char></source>"
            "</hostdev>",
            f"make /dev/null: {CONTAINER}, whose kernel gives it no devices for <hostdev>",
        ),
        (
            "",
            "<disk type='file'><source file='/srv/x.img'/><target dev='sda'/></disk>",
            f"make /dev/sda: {CONTAINER}, whose kernel gives it no devices for <disk>",
        ),
        (
            "<idmap><uid start='0' target='65536' count='65536'/>"
            "<gid start='0' target='65536' count='65536'/></idmap>",
            "",
            f"{CONTAINER}, which did not mount what '/srv/guest' is on",
        ),
    ],
    ids=["ids", "hostdev", "disk", "unshifted"],
)
def test_what_it_cannot_be_given_is_refused(
    nest: Nest, idmap: str, more: str, refusal: str
) -> None:
    nest.define(BOX.format(name="bad", idmap=idmap, more=more)).ok()
    try:
        assert refusal in nest.virtlxc("start", "bad").failed()
    finally:
        nest.virtlxc("undefine", "bad").ok()


def test_ids_run_out_with_a_mend(nest: Nest) -> None:
    """The guest has two ranges to give."""
    for name in ("one", "two"):
        nest.virtlxc("new", name, "--template", "busybox", "--no-network").ok()
    said = nest.virtlxc("new", "three", "--template", "busybox", "--no-network").failed()
    assert f"{CONTAINER}, and has the ids 0-{IDS - 1}: give it more by a larger count" in said
    for name in ("one", "two"):
        nest.virtlxc("delete", name).ok()


# As systemd does with what it got: out of the top, which hands all controllers down then.
TAKES_GROUPS = """\
#!/bin/sh
cd /sys/fs/cgroup
mkdir own
for pid in $(cat cgroup.procs); do echo $pid > own/cgroup.procs; done
for name in $(cat cgroup.controllers); do echo +$name > cgroup.subtree_control; done
echo "handed down: $(cat cgroup.subtree_control | wc -w) of $(cat cgroup.controllers | wc -w)"
"""


@pytest.mark.kernel
def test_a_guest_that_hands_controllers_down_is_entered_and_rebooted(instance: Instance) -> None:
    root = instance.busybox()
    rootfs.script(root, "/etc/rc", TAKES_GROUPS)
    found = guest(instance, "taker", root=root).start()
    said = found.wait_log("handed down: ").split("handed down: ")[1].split()
    assert said[0] == said[2], "all that it has"
    assert "0::/own\n" in found.run("cat", "/proc/self/cgroup").ok(), "where its init is"
    old = (instance.virtlxc("domid", "taker").ok(), "-\n\n")
    instance.virtlxc("reboot", "taker").ok()
    wait_for("another init", lambda: instance.virtlxc("domid", "taker").ok() not in old)
    wait_for("its second boot", lambda: found.log().count("handed down: ") == 2)
    assert "0::/own\n" in found.run("cat", "/proc/self/cgroup").ok()
    found.stop()


def test_processes_leave_the_top_that_hands_controllers_down(tmp_path: Path) -> None:
    """The kernel wants that of every group but the hierarchy's own top."""
    mount = next(m for m in cgroup_mounts() if (m / "cgroup.procs").exists() and _is_v2(m))
    top = mount / f"virtlxc-test-{os.getpid()}"
    top.mkdir()
    process = subprocess.Popen(["sleep", "60"])
    try:
        (top / "cgroup.procs").write_text(str(process.pid))
        delegated.vacate(str(top), ())
        assert group_of(process.pid) == f"/{top.name}", "nothing is to be handed down"
        delegated.vacate(str(top), ("memory",))
        assert group_of(process.pid) == f"/{top.name}/{delegated.GROUP}"
        delegated.vacate(str(top), ("memory",))
        with pytest.raises(KernelRefused, match=r"empty the top of cgroup2: .*/nowhere"):
            delegated.vacate(str(top / "nowhere"), ("memory",))
    finally:
        process.kill()
        process.wait()
        for group in (top / delegated.GROUP, top):
            wait_for("an empty group", lambda group=group: _removed(group))  # type: ignore[misc]


def _is_v2(mount: Path) -> bool:
    return (mount / "cgroup.controllers").exists()


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return not group.exists()
    return True
