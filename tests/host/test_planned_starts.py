"""Planned starts, performed: what a guest finds is what the plan says, on this kernel."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness import wait_for
from tests.host.netlab import ip, own_network
from tests.rootfs import give_to, make_busybox
from virtlxc.host import gather, probe
from virtlxc.host.facts import HostFacts
from virtlxc.model import (
    Console,
    Container,
    CpuTune,
    Domain,
    Features,
    Filesystem,
    IdMap,
    IdRange,
    Interface,
    Ip,
    Os,
    Share,
    Sysctl,
)
from virtlxc.plan import Plan, StartOptions, plan_start
from virtlxc.plan.steps import CONTROLLER
from virtlxc.runtime.client import Spawner
from virtlxc.runtime.journal import replay_journal
from virtlxc.runtime.protocol import Failed

pytestmark = pytest.mark.host

INSTANCE = f"{os.getpid() & 0xFFFF:04x}"  # several runs of these tests may share a host
SHIFT = 1_000_000
SHIFTED = IdMap(
    uids=(IdRange(start=0, target=SHIFT, count=65536),),
    gids=(IdRange(start=0, target=SHIFT, count=65536),),
)
CARD = Interface(
    type="bridge",
    source="br0",
    mac="52:54:00:aa:bb:cc",
    ips=(Ip(address="10.9.0.2", prefix=24),),
    mtu=1400,
)
# What the guest tells, a line each: NAME=VALUE.
LOOK = r"""
say() { echo "$1=$2"; }
say pid $$
say uid $(id -u)
say gids "$(id -G)"
say host $(hostname)
say cgroup "$(grep ^0: /proc/self/cgroup)"
say tty $(tty)
say pwd $(pwd)
say bounding $(grep CapBnd /proc/self/status | cut -f2)
say effective $(grep CapEff /proc/self/status | cut -f2)
say links "$(ls /sys/class/net | tr '\n' ' ')"
say eth0 "$(ip addr show eth0 2>/dev/null | tr '\n' ' ')"
say nodes "$(ls /dev | tr '\n' ' ')"
say console $(stat -c %u:%g /dev/console 2>/dev/null)
say timers "$(cat /proc/timer_list | wc -c)"
say irq "$( (echo f > /proc/irq/default_smp_affinity) 2>&1)"
say kernel "$( (echo x > /proc/sys/kernel/hostname) 2>&1)"
say forward "$(cat /proc/sys/net/ipv4/ip_forward)"
say null "$(echo gone > /dev/null && echo works)"
say mknod "$(mknod /tmp/disk b 8 0 2>&1 && cat /tmp/disk 2>&1)"
say mounts "$(cut -d ' ' -f 2,3,4 /proc/mounts | tr '\n' ';')"
say group "$(mkdir /sys/fs/cgroup/own 2>&1 && echo made)"
say view "$(ls /sys/fs/cgroup | tr '\n' ' ')"
say env "$(env | tr '\n' ';')"
say top "$(ls -A / | tr '\n' ' ')"
"""


class Ground:
    """One test's host: a network of its own with a bridge, a root folder, a spawner."""

    def __init__(self, folder: Path, facts: HostFacts) -> None:
        self.folder = folder
        self.facts = facts
        self.root = make_busybox(folder / "root")
        self.spawner = Spawner()
        self.spawner.start()

    def domain(self, more: str = "", **fields: Any) -> Domain:
        """A domain whose init tells what it sees, runs ``more``, and waits."""
        init = Os(init="/bin/sh", initargs=("-c", f"{LOOK}\n{more}\necho END\nexec sleep 1000"))
        base: dict[str, Any] = {
            "name": "planned",
            "uuid": str(uuid.uuid4()),
            "memory": 65536,
            "os": init,
            "filesystems": (Filesystem(source=str(self.root), target="/"),),
            "interfaces": (CARD,),
            "consoles": (Console(), Console()),
        }
        return Domain(**(base | fields))

    def plan(self, domain: Domain, **options: Any) -> Plan:
        start = gather.start_facts(domain)
        run, log = str(self.folder / "run"), str(self.folder / "console.log")
        return plan_start(
            domain,
            self.facts,
            start,
            StartOptions(**({"run": run, "log": log, "instance": INSTANCE} | options)),
        )

    def run(
        self, domain: Domain, fds: tuple[int, ...] = ()
    ) -> tuple[dict[str, str], dict[str, int]]:
        """Start, wait for the guest's words, end. Gives them, and the pids of the start."""
        plan = self.plan(domain, fds=len(fds))
        with self.spawner.start_controller(plan.to_json(), fds) as channel:
            controller = channel.controller(20)
            channel.go()
            started = channel.result(60)
            log = self.folder / "console.log"
            try:
                text = wait_for(
                    "the guest's words",
                    lambda: log.exists() and "END" in log.read_text() and log.read_text(),
                    timeout=60,
                )
                self.look(plan, controller["pid"])
            finally:
                self.end(plan, controller["pid"])
        said = dict(line.split("=", 1) for line in str(text).splitlines() if "=" in line)
        return {name: value.strip() for name, value in said.items()}, started

    def look(self, plan: Plan, controller: int) -> None:
        """From outside: the guest is in the payload, the controller alone beside it."""
        leaf = plan.leaf.mount + self.real(plan.leaf.path, controller)
        assert Path(leaf, "supervisor/cgroup.procs").read_text().split() == [str(controller)]
        assert Path(leaf, "payload/init/cgroup.procs").read_text()
        assert Path(leaf, "payload/cgroup.procs").read_text() == ""

    @staticmethod
    def real(path: str, controller: int) -> str:
        return path.replace(CONTROLLER, str(controller))

    def end(self, plan: Plan, controller: int) -> None:
        group = plan.payload.mount + self.real(plan.payload.path, controller)
        Path(group, "cgroup.kill").write_text("1")
        run = Path(plan.run)
        wait_for("the controller's end", lambda: not Path(f"/proc/{controller}").exists())
        assert (run / "exit.json").exists()
        assert replay_journal(str(run / "journal")) == []
        (run / "exit.json").unlink()
        assert not run.exists() or list(run.iterdir()) == []

    def close(self) -> None:
        self.spawner.close()
        assert self.leftovers() == []

    def leftovers(self) -> list[str]:
        mounts = [self.facts.cgroup.mount, *self.facts.cgroup.v1.values()]
        found = [
            str(path)
            for mount in sorted(set(mounts))
            for path in Path(mount).glob(f"machine/lxc-{INSTANCE}-*")
        ]
        end = time.monotonic() + 2
        while (links := set(os.listdir("/sys/class/net"))) and time.monotonic() < end:
            if not any(name.startswith("vnet") for name in links):
                break
            time.sleep(0.02)
        return found


@pytest.fixture(scope="module")
def facts() -> HostFacts:
    return probe.probe_host()


@pytest.fixture
def ground(tmp_path: Path, facts: HostFacts) -> Iterator[Ground]:
    with own_network():
        ip("link", "add", "br0", "type", "bridge")
        ip("link", "set", "br0", "up")
        tmp_path.chmod(0o755)
        for parent in tmp_path.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o055)
        made = Ground(tmp_path, facts)
        try:
            yield made
        finally:
            made.close()


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


@pytest.mark.kernel
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
    assert (said["uid"], said["pwd"], said["forward"]) == ("1000", "/tmp", "1")
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
        said, _ = ground.run(ground.domain(interfaces=(), shares=shares, idmap=mapped))
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
