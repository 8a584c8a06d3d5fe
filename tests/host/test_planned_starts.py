"""Planned starts, performed: what a guest finds is what the plan says, on this kernel."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import wait_for
from tests.host.startlab import LOOK, SHIFT, SHIFTED, Ground
from tests.rootfs import give_to
from virtlxc.host import gather
from virtlxc.model import (
    Container,
    CpuTune,
    Features,
    Filesystem,
    Os,
    Share,
    Sysctl,
)
from virtlxc.runtime.journal import replay_journal
from virtlxc.runtime.protocol import Failed

pytestmark = pytest.mark.host

DEFAULT_DROPPED = (16, 25, 27, 30, 33)


@pytest.mark.kernel
def test_a_container_sees_its_own_world(ground: Ground) -> None:
    said, started = ground.run(ground.domain())
    assert started["init"] > 1
    assert (said["pid"], said["uid"], said["host"]) == ("1", "0", "planned")
    assert said["cgroup"] == "0::/"
    assert said["tty"] == "/dev/console"
    assert said["links"] == "eth0 lo"
    assert "10.9.0.2/24" in said["eth0"] and "mtu 1400" in said["eth0"]
    assert "52:54:00:aa:bb:cc" in said["eth0"] and "UP" in said["eth0"]
    assert said["nodes"] == (
        "console fd full mqueue null ptmx pts random shm stderr stdin stdout tty tty1 tty2 "
        "urandom zero"
    )
    for number in DEFAULT_DROPPED:
        assert not int(said["bounding"], 16) >> number & 1
        assert not int(said["effective"], 16) >> number & 1
    assert said["timers"] == "0"
    assert "Read-only" in said["irq"] and "Read-only" in said["kernel"]
    assert said["null"] == "works"
    assert "not permitted" in said["mknod"]
    assert said["group"] == "made"
    assert "container_ttys=pts/1;" in said["env"] and "container=lxc-libvirt;" in said["env"]
    assert str(ground.folder) not in said["mounts"]


@pytest.mark.kernel
def test_a_shifted_root_in_a_user_namespace(ground: Ground) -> None:
    give_to(ground.root, SHIFT)
    said, started = ground.run(ground.domain(idmap=SHIFTED))
    del started
    assert (said["pid"], said["uid"]) == ("1", "0")
    assert said["console"] == "0:5"
    assert said["group"] == "made"
    assert said["null"] == "works"
    assert "10.9.0.2/24" in said["eth0"]


def test_an_idmapped_root(ground: Ground) -> None:
    made = ground.domain(idmap=SHIFTED, more="touch /made; say own $(stat -c %u /made /bin/sh)")
    if not ground.facts.idmapped.get(gather.look(str(ground.root)).fstype):
        with pytest.raises(Exception, match="takes no idmapped mounts"):
            ground.plan(made)
        return
    said, _ = ground.run(made)
    assert said["uid"] == "0" and said["own"] == "0"
    assert (ground.root / "made").stat().st_uid == 0, "the guest's root writes as the folder's"


def test_the_hosts_programs_without_its_data(ground: Ground) -> None:
    secret = Path("/var/lib/virtlxc-test-secret")
    secret.write_text("data of the host")
    more = f"""
say secret "$(cat {secret} 2>&1)"
say shadow "$(cat /etc/shadow | wc -c)"
say home "$(ls -A /root /home /srv /var/lib | grep -v : | tr '\\n' ' ')"
say usr "$( (touch /usr/x) 2>&1)"
say etc "$( (touch /etc/x) 2>&1)"
say run "$(ls -A /run)"
say tmp "$(touch /tmp/x && echo works)"
say below "$(cat /srv/app/file) $( (touch /srv/x) 2>&1)"
"""
    data = ground.folder / "data"
    data.mkdir()
    (data / "file").write_text("given")
    given = Filesystem(source=str(data), target="/srv/app")
    try:
        said, _ = ground.run(ground.domain(filesystems=(given,), more=more))
    finally:
        secret.unlink()
    assert "No such file" in said["secret"]
    assert said["shadow"] == "0"
    assert said["home"] == "app" and said["run"] == ""
    assert said["below"].startswith("given ") and "Read-only" in said["below"]
    assert "Read-only" in said["usr"] and "Read-only" in said["etc"]
    assert said["tmp"] == "works"


@pytest.mark.kernel
def test_everything_else(ground: Ground) -> None:
    data = ground.folder / "data"
    data.mkdir()
    (data / "file").write_text("of the host")
    made = ground.domain(
        more="""
say data "$(cat /data/sub/file) $( (touch /data/sub/x) 2>&1)"
say bound "$(ls /bin2/sh)"
say ram "$(df -k /ram | tail -1)"
""",
        filesystems=(
            Filesystem(source=str(ground.root), target="/"),
            Filesystem(source=str(data), target="/data/sub", readonly=True),
            Filesystem(type="bind", source="/bin", target="/bin2"),
            Filesystem(type="ram", target="/ram", usage_kib=1024),
        ),
        features=Features(cap_policy="deny", caps=(("chown", "on"),)),
        cputune=CpuTune(shares=512, period=50000, quota=25000),
        cpuset="0",
        container=Container(
            pids_limit=100, sysctls=(Sysctl(name="net.ipv4.ip_forward", value="1"),)
        ),
    )
    first = replace(made.os, inituser="+1000", initgroup="+1001", initdir="/tmp")
    said, _ = ground.run(replace(made, os=first))
    assert said["data"].startswith("of the host") and "Read-only" in said["data"]
    assert said["bound"] == "/bin2/sh"
    assert "1024" in said["ram"]
    assert (said["uid"], said["gids"]) == ("1000", "1001")
    assert (said["pwd"], said["forward"]) == ("/tmp", "1")
    assert int(said["bounding"], 16) == 1 and int(said["effective"], 16) == 0
    assert said["console"] == "1000:5"


def test_shared_namespaces_with_and_without_user_namespace(ground: Ground) -> None:
    shares = tuple(
        Share(kind=kind, type="pid", value=str(os.getpid())) for kind in ("net", "ipc", "uts")
    )
    for mapped in (None, SHIFTED):
        (ground.folder / "console.log").unlink(missing_ok=True)
        if mapped is not None:
            give_to(ground.root, SHIFT)
        more = 'say ipc "$(readlink /proc/self/ns/ipc)"\n'
        said, _ = ground.run(ground.domain(more=more, interfaces=(), shares=shares, idmap=mapped))
        assert said["ipc"] == os.readlink("/proc/self/ns/ipc")
        assert said["links"] == "br0 lo"
        assert said["host"] == os.uname().nodename
        assert said["uid"] == "0"


@pytest.mark.v1
def test_the_view_of_cgroup_v1(ground: Ground) -> None:
    give_to(ground.root, SHIFT)
    more = "mkdir /sys/fs/cgroup/memory/own && say v1 made; cat /proc/self/cgroup"
    said, _ = ground.run(
        ground.domain(container=Container(cgroup_view="v1"), idmap=SHIFTED, cpuset="0", more=more)
    )
    assert "memory" in said["view"] and "cgroup.procs" not in said["view"]
    assert said["v1"] == "made"


def test_paused(ground: Ground) -> None:
    plan = ground.plan(ground.domain(), paused=True)
    with ground.spawner.start_controller(plan.to_json()) as channel:
        controller = channel.controller(20)["pid"]
        channel.go()
        channel.result(60)
        payload = Path(plan.payload.mount + ground.real(plan.payload.path, controller))
        wait_for("the freeze", lambda: "frozen 1" in (payload / "cgroup.events").read_text())
        ground.end(plan, controller)


@pytest.mark.kernel
def test_a_reboot_from_inside_makes_all_anew(ground: Ground) -> None:
    give_to(ground.root, SHIFT)
    again = "[ -e /second ] || { touch /second; mkdir /sys/fs/cgroup/left; reboot -f; }"
    init = Os(init="/bin/sh", initargs=("-c", f"{again}\n{LOOK}\necho END\nexec sleep 1000"))
    said, _ = ground.run(ground.domain(os=init, idmap=SHIFTED))
    assert (ground.root / "second").exists()
    assert "left" not in said["view"]
    assert "10.9.0.2/24" in said["eth0"] and said["console"] == "0:5"


def test_descriptors_are_passed_on(ground: Ground) -> None:
    (ground.folder / "one").write_text("first\n")
    (ground.folder / "two").write_text("second\n")
    more = "say three $(cat <&3); say four $(cat <&4)"
    domain = ground.domain(more=more)
    with (ground.folder / "one").open() as one, (ground.folder / "two").open() as two:
        said, _ = ground.run(domain, fds=(one.fileno(), two.fileno()))
    assert (said["three"], said["four"]) == ("first", "second")


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_hostile_link_is_refused_by_the_kernel_too(ground: Ground, name: str) -> None:
    """Had the link been laid behind our back, after the facts were found."""
    plan = ground.plan(ground.domain())
    (ground.root / name).rename(ground.root / "aside")
    (ground.root / name).symlink_to("/etc")
    before = Path("/proc/self/mountinfo").read_text()
    with (
        ground.spawner.start_controller(plan.to_json()) as channel,
        pytest.raises(Failed, match=f"the guest.s /{name} leads through a symbolic link"),
    ):
        channel.controller(20)
        channel.go()
        channel.result(60)
    assert Path("/proc/self/mountinfo").read_text() == before
    replay_journal(f"{plan.run}/journal")
