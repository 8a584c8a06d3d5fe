"""A domain's life on the real kernel: start, exit codes, consoles, exec, reboot, poweroff."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.measure import private_kib
from tests.controller_link import CallFailed, ControllerLink
from tests.harness import wait_for
from tests.runtime_plans import (
    ENV,
    SHIFT,
    Ground,
    destroy,
    finish,
    link_names,
    make_plan,
    read_until,
    start,
    step,
)
from virtlxc.runtime import protocol, syscalls
from virtlxc.runtime.client import EnterChannel, Spawner, await_end
from virtlxc.runtime.journal import replay_journal

pytestmark = pytest.mark.host

SHELL = "#!/bin/sh\n"
#: 700 with Python 3.11 where the kernel's pages have 4 KiB; where memory lies differs each time.
SMALL_KIB = 717


@contextlib.contextmanager
def in_network_of(spawner: Spawner) -> Iterator[None]:
    """What the daemon's namespace is to the spawner in real life."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(f"/proc/{spawner.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(there, syscalls.CLONE_NEWNET)
    try:
        yield
    finally:
        syscalls.setns(home, syscalls.CLONE_NEWNET)
        os.close(home)
        os.close(there)


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    """A spawner in a network namespace of its own, with a bridge ``br-test``."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    made = Spawner()
    try:
        subprocess.run(["ip", "link", "add", "br-test", "type", "bridge"], check=True)
        subprocess.run(["ip", "link", "set", "br-test", "up"], check=True)
        made.start()
    finally:
        syscalls.setns(home, syscalls.CLONE_NEWNET)
        os.close(home)
    yield made
    made.close()


@pytest.fixture
def ground(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = Ground(tmp_path, f"{abs(hash(request.node.name)) % 100000}", 0)
    yield made
    made.clean_up()


def links(spawner: Spawner) -> str:
    """What ``ip`` shows in the spawner's network namespace."""
    argv = ["nsenter", f"--net=/proc/{spawner.pid}/ns/net", "ip", "-o", "link"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("two_forks", "userns"),
    [
        pytest.param(False, False, marks=pytest.mark.kernel),
        (False, True),
        (True, False),
        pytest.param(True, True, marks=pytest.mark.kernel),
    ],
)
def test_start_and_exit(spawner: Spawner, ground: Ground, userns: bool, two_forks: bool) -> None:
    init = ground.script(
        "/init.sh",
        f"{SHELL}echo pid $$ host $(hostname) uid $(id -u)\n"
        "cat /proc/self/uid_map\ncat /proc/self/cgroup\necho done\nexit 7\n",
    )
    plan = make_plan(ground, [init], name="exits", userns=userns, two_forks=two_forks)
    channel = start(spawner, plan)
    report = finish(ground, channel)
    log = ground.log.read_text()
    assert "pid 1 host exits uid 0" in log
    assert f"{SHIFT if userns else 0}" in log
    assert "0::/\n" in log, "the cgroup namespace begins at the payload's init"
    assert (report["how"], report["status"], report["signal"]) == ("exited", 7, 0)
    assert (report["boots"], report["guest"], report["error"]) == (1, None, None)
    assert ground.leftovers() == []


@pytest.mark.kernel
def test_a_start_that_waits_for_nobody_and_is_told_of_its_end(
    spawner: Spawner, ground: Ground
) -> None:
    init = ground.script("/init.sh", f"{SHELL}read line\nexit 3\n")
    plan = {**make_plan(ground, [init]), "go": True}
    channel = spawner.start_controller(plan)
    controller = channel.controller(10)
    channel.result(20)
    journal = json.loads((ground.run / "journal").read_text())
    assert journal["controller"] == controller
    notices = channel.take_notices()
    with notices:
        notices.settimeout(20)
        with ControllerLink(str(ground.run / "sock")) as link:
            link.console(0).sendall(b"go\n")
            got = protocol.receive(notices)
        assert got is not None
        assert (got[0]["event"], got[0]["status"]) == ("exit", 3)
    finish(ground, channel)
    assert ground.leftovers() == []


def test_a_start_that_waits_for_nobody_ends_with_its_daemon(
    spawner: Spawner, ground: Ground
) -> None:
    """The channel is closed before the journal is written: nothing begins."""
    init = ground.script("/init.sh", f"{SHELL}exec sleep 1000\n")
    plan = {**make_plan(ground, [init]), "go": True}
    fifo = ground.run.parent / "wait"
    os.mkfifo(fifo)
    first = next(n for n, step in enumerate(plan["steps"]) if step["op"] == "journal")
    hold = {"name": "hold", "side": "controller", "op": "open", "text": "hold", "kernel": "test",
            "args": {"key": "hold", "path": str(fifo), "flags": "r"}}  # fmt: skip
    plan["steps"] = [*plan["steps"][:first], hold, *plan["steps"][first:]]
    channel = spawner.start_controller(plan)
    pidfd = os.pidfd_open(channel.controller(10)["pid"])
    try:
        channel.close()
        assert await_end(pidfd, 10)
        # What the daemon made is its successor's to undo, by the journal.
        assert replay_journal(str(ground.run / "journal")) == []
        assert ground.leftovers() == []
    finally:
        os.close(pidfd)


def test_started_means_ready(spawner: Spawner, ground: Ground) -> None:
    """When start returns: init runs its program, the link is in its bridge, the console answers."""
    init = ground.script("/init.sh", f"{SHELL}cat /sys/class/net/eth0/address\nexec sleep 1000\n")
    plan = make_plan(ground, [init], bridge="br-test")
    channel = spawner.start_controller(plan)
    controller = channel.controller(10)
    channel.go()
    started = channel.result(20)
    cmdline = Path(f"/proc/{started['init']}/cmdline").read_bytes()
    assert b"python" not in cmdline
    title = Path(f"/proc/{controller['pid']}/cmdline").read_bytes()
    assert title == b"libvirt_lxc\0--name\0box\0--uuid\0" + b"0\0"
    assert Path(f"/proc/{controller['pid']}/comm").read_text() == "libvirt_lxc\n"
    place = Path(f"/proc/{started['init']}/cgroup").read_text()
    assert place.count(f"{ground.leaf}/payload/init") == 1 + len(ground.v1)
    own = Path(f"/proc/{controller['pid']}/cgroup").read_text()
    assert f"0::{ground.leaf}/supervisor\n" in own
    host, mac = link_names(ground)
    (line,) = [line for line in links(spawner).splitlines() if f" {host}@" in line]
    assert "master br-test" in line and mac in line and ",UP" in line
    with ControllerLink(str(ground.run / "sock")) as link:
        hello = link.hello(pidfd=True)
        assert (hello["pid"], hello["proto"]) == (controller["pid"], 1)
        assert hello["init"] == {"pid": started["init"], "starttime": started["init_starttime"]}
        assert link.subscribe() == hello
        read_until(link.console(0), b"52:54:00:00:00:01")
    destroy(ground, channel)
    assert host not in links(spawner)
    assert ground.leftovers() == []


def test_sigterm_ends_a_domain_and_is_blocked_in_no_guest(
    spawner: Spawner, ground: Ground
) -> None:
    """A controller has the signal blocked, and reads it; what it starts has not."""
    script = f"{SHELL}grep SigBlk /proc/self/status; echo ready; exec sleep 1000\n"
    init = ground.script("/init.sh", script)
    channel = start(spawner, make_plan(ground, [init]))
    with ControllerLink(str(ground.run / "sock")) as link:
        said = read_until(link.console(0), b"ready").split()
    assert said[1] == b"0" * 16
    os.kill(channel.controller()["pid"], signal.SIGTERM)
    report = finish(ground, channel)
    assert (report["how"], report["signal"], report["intent"]) == ("signaled", 9, None)
    assert ground.leftovers() == []


def test_an_idle_controller_is_small(spawner: Spawner, ground: Ground) -> None:
    """Private memory, once init has said something, and once another daemon has come.

    docs/performance.md has what it consists of.
    """
    init = ground.script("/init.sh", f"{SHELL}echo up; exec sleep 1000\n")
    channel = start(spawner, make_plan(ground, [init], bridge="br-test"))
    wait_for("the log", lambda: b"up" in ground.log.read_bytes())
    pid = channel.controller()["pid"]
    assert private_kib(pid) < SMALL_KIB
    with ControllerLink(str(ground.run / "sock")) as link:
        assert link.subscribe()["pid"] == pid
        assert private_kib(pid) < SMALL_KIB
    destroy(ground, channel)


def test_no_way_to_a_writable_program_of_the_host(spawner: Spawner, ground: Ground) -> None:
    """/proc/PID/exe of what runs for a domain leads to a read-only mount."""
    init = ground.script("/init.sh", f"{SHELL}exec sleep 1000\n")
    channel = start(spawner, make_plan(ground, [init]))
    for pid in (spawner.pid, channel.controller()["pid"]):
        # (Opening it for writing would be refused as long as it is executed, and only then.)
        with pytest.raises(OSError, match="Read-only file system"):
            os.chmod(f"/proc/{pid}/exe", 0o755)
    destroy(ground, channel)


@pytest.mark.parametrize("userns", [False, True])
def test_no_descriptor_of_the_host_leaks(spawner: Spawner, ground: Ground, userns: bool) -> None:
    init = ground.script(
        "/init.sh", f"{SHELL}echo $(ls /proc/self/fd)\necho done; exec sleep 100\n"
    )
    channel = start(spawner, make_plan(ground, [init], userns=userns))
    with ControllerLink(str(ground.run / "sock")) as link:
        listing = read_until(link.console(), b"done").decode()
    assert listing.split()[:-1] == ["0", "1", "2", "3"], "the last is ls's own"
    destroy(ground, channel)


@pytest.mark.kernel
def test_reboot_and_poweroff_from_inside(spawner: Spawner, ground: Ground) -> None:
    """Two boots by one controller, fresh namespaces each, with a veth; the ring goes on."""
    init = ground.script(
        "/init.sh",
        f"{SHELL}echo boot $(readlink /proc/self/ns/net) $(cat /sys/class/net/eth0/address)\n"
        "if [ -e /second ]; then poweroff -f; else : > /second; reboot -f; fi\nsleep 100\n",
    )
    (ground.root / "second").unlink(missing_ok=True)
    plan = make_plan(ground, [init], bridge="br-test")
    channel = start(spawner, plan)
    report = finish(ground, channel)
    assert (report["boots"], report["guest"], report["signal"]) == (2, "poweroff", signal.SIGINT)
    first, second = [line for line in ground.log.read_text().splitlines() if "boot net" in line]
    assert first.split()[1] != second.split()[1]
    assert first.split()[2] == second.split()[2] == "52:54:00:00:00:01"
    assert link_names(ground)[0] not in links(spawner)
    assert ground.leftovers() == []


def test_on_reboot_destroy_ends_the_domain(spawner: Spawner, ground: Ground) -> None:
    init = ground.script("/init.sh", f"{SHELL}reboot -f\nsleep 100\n")
    plan = {**make_plan(ground, [init]), "on_reboot": "destroy"}
    report = finish(ground, start(spawner, plan))
    assert (report["boots"], report["guest"]) == (1, "reboot")


def test_a_reboot_is_told_and_needs_no_spawner(spawner: Spawner, ground: Ground) -> None:
    init = ground.script(
        "/init.sh",
        f"{SHELL}[ -e /second ] && exec sleep 1000\nread x < /dev/console\n"
        ": > /second; reboot -f\nsleep 100\n",
    )
    lonely = Spawner()
    lonely.start()
    channel = start(lonely, make_plan(ground, [init]))
    os.kill(lonely.pid, signal.SIGKILL)
    assert await_end(lonely.fileno(), 5)
    assert not lonely.alive()
    with (
        ControllerLink(str(ground.run / "sock")) as events,
        ControllerLink(str(ground.run / "sock")) as console,
    ):
        before = events.subscribe()
        console.console().send(b"go\n")
        first, second = events.event(10), events.event(10)
        assert first is not None and first["event"] == "reboot"
        assert second is not None and second["event"] == "boot"
        assert second["boots"] == 2
        assert second["init"] != before["init"]["pid"]
    destroy(ground, channel)
    assert ground.leftovers() == []


def test_consoles_replay_and_slow_viewers(spawner: Spawner, ground: Ground) -> None:
    """What was said before is replayed to each; who does not read stops nobody."""
    init = ground.script(
        "/init.sh",
        f"{SHELL}echo early words\nread line < /dev/console\n"
        "i=0; while [ $i -lt 3000 ]; do echo line $i $line; i=$((i+1)); done\n"
        "echo the end\nexec sleep 1000\n",
    )
    channel = start(spawner, make_plan(ground, [init]))
    path = str(ground.run / "sock")
    with ControllerLink(path) as lazy, ControllerLink(path) as one, ControllerLink(path) as two:
        asleep = lazy.console()
        for link in (one, two):
            read_until(link.console(), b"early words")
        os.write(one.fileno(), b"x" * 40 + b"\n")
        for link in (one, two):
            sock = link._socket
            read_until(sock, b"the end", 30)
        assert b"early words" in asleep.recv(200)
        with ControllerLink(path) as late:
            replay = read_until(late.console(), b"the end")
            assert 60000 < len(replay) <= 65536
    destroy(ground, channel)


def test_resize_and_unknown_calls(spawner: Spawner, ground: Ground) -> None:
    init = ground.script(
        "/init.sh", f"{SHELL}echo ready\nread x < /dev/console; stty size\nexec sleep 1000\n"
    )
    channel = start(spawner, make_plan(ground, [init]))
    path = str(ground.run / "sock")
    with ControllerLink(path) as link, ControllerLink(path) as console:
        assert link.call("RESIZE", tty=0, rows=33, cols=77, future="ignored") == {}
        sock = console.console()
        sock.send(b"\n")
        read_until(sock, b"33 77")
        with pytest.raises(CallFailed, match="UNSUPPORTED"):
            link.call("OF_A_LATER_VERSION")
        with pytest.raises(CallFailed, match="there is no console 9"):
            link.call("CONSOLE", tty=9)
        assert link.call("STATUS")["state"] == "running"
    destroy(ground, channel)


@pytest.mark.processor
def test_yes_costs_little(spawner: Spawner, ground: Ground) -> None:
    """A guest that floods its console, read by nobody: no disk filled, no core eaten."""
    init = ground.script("/init.sh", f"{SHELL}exec yes words that fill a line of a log\n")
    plan = {**make_plan(ground, [init]), "log_bytes": 256 * 1024, "log_files": 2}
    channel = start(spawner, plan)
    usage = Path(ground.v2 + ground.leaf, "payload", "cpu.stat")
    pid = channel.controller()["pid"]

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return own + int(usage.read_text().split()[1]) / 1e6

    time.sleep(2.5)  # until the burst that a boot may have is spent
    before = used()
    time.sleep(4)
    share = (used() - before) / 4
    assert share < 0.05, f"{share:.1%} of a core"
    logs = [path for path in ground.folder.iterdir() if path.name.startswith("console.log")]
    assert sum(path.stat().st_size for path in logs) <= 2 * 256 * 1024
    destroy(ground, channel)


class Entered:
    """Programs that tests run in a domain."""

    def __init__(self, spawner: Spawner, ground: Ground, init: int) -> None:
        self.spawner = spawner
        self.init = init
        self.cgroups = [[mount, f"{ground.leaf}/payload/init"] for mount in (ground.v2, *ground.v1)]

    def begin(
        self, *argv: str, tty: dict[str, int] | None = None, user: str | None = None
    ) -> tuple[EnterChannel, int]:
        """The channel, and a descriptor to read the program's output from (-1 with a tty)."""
        request = {
            "argv": list(argv),
            "env": ENV,
            "cwd": "/",
            "user": user,
            "caps_bounding": [0, 1, 3, 5, 6, 7],
            "cgroups": self.cgroups,
            "tty": tty,
        }
        pidfd = os.pidfd_open(self.init)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fds = (pidfd,) if tty else (pidfd, null, writer, writer)
            return self.spawner.enter(request, fds), reader
        finally:
            for fd in (pidfd, writer, null):
                os.close(fd)

    def run(self, *argv: str, user: str | None = None) -> tuple[dict[str, int], str]:
        channel, reader = self.begin(*argv, user=user)
        channel.running(60)
        with open(reader, "rb") as output:
            text = output.read().decode()
        ended = channel.wait(60)
        channel.close()
        return ended, text


@pytest.fixture(params=[False, True], ids=["root", "userns"])
def entered(spawner: Spawner, ground: Ground, request: pytest.FixtureRequest) -> Iterator[Entered]:
    (ground.root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/:/bin/sh\n"
    )
    (ground.root / "etc/group").write_text("root:x:0:\nweb:x:34:\nextra:x:99:a,web\n")
    init = ground.script("/init.sh", f"{SHELL}exec sleep 1000\n")
    channel = spawner.start_controller(make_plan(ground, [init], userns=request.param))
    channel.go()
    yield Entered(spawner, ground, channel.result(20)["init"])
    destroy(ground, channel)
    assert ground.leftovers() == []


@pytest.mark.kernel
def test_exec(entered: Entered) -> None:
    ended, text = entered.run("sh", "-c", "echo $(hostname) $$; cat /proc/self/cgroup; exit 5")
    assert ended == {"status": 5}
    assert text.startswith("box ")
    assert "0::/\n" in text
    ended, text = entered.run("id", user="web")
    assert text.split() == ["uid=33(web)", "gid=34(web)", "groups=34(web),99(extra)"]
    ended, text = entered.run("grep", "CapBnd", "/proc/self/status")
    assert text.split() == ["CapBnd:", "00000000000000eb"]
    assert entered.run("sh", "-c", "kill -9 $$")[0] == {"signal": 9}
    ended, text = entered.run("ls", "/proc/self/fd")
    assert text.split() == ["0", "1", "2", "3"], "the last is ls's own"


def test_exec_refusals_name_the_step(entered: Entered) -> None:
    from virtlxc.runtime.protocol import Failed

    channel, _ = entered.begin("no-such-program")
    with pytest.raises(Failed, match="execute the program: the domain has no program 'no-such-pro"):
        channel.running(60)
    channel, _ = entered.begin("true", user="nobody-here")
    with pytest.raises(Failed, match="the guest's /etc/passwd has no user 'nobody-here'"):
        channel.running(60)


def test_exec_with_a_terminal(entered: Entered) -> None:
    channel, reader = entered.begin(
        "sh", "-c", "tty; stty size; read x; exit 3", tty={"rows": 11, "cols": 22}
    )
    os.close(reader)
    channel.running(60)
    seen = b""
    while b"11 22" not in seen:
        seen += os.read(channel.master, 1000)
    assert b"/dev/pts/" in seen
    os.write(channel.master, b"\n")
    assert channel.wait(60) == {"status": 3}
    os.close(channel.master)
    channel.close()


def test_exec_ends_with_its_caller(entered: Entered) -> None:
    channel, reader = entered.begin("sleep", "1000")
    pid = channel.running(60)["pid"]
    pidfd = os.pidfd_open(pid)
    channel.close()
    assert await_end(pidfd, 5)
    os.close(pidfd)
    os.close(reader)


def test_a_controller_that_dies_takes_its_domain_along(spawner: Spawner, ground: Ground) -> None:
    from virtlxc.runtime.journal import replay_journal

    init = ground.script("/init.sh", f"{SHELL}exec sleep 1000\n")
    channel = spawner.start_controller(make_plan(ground, [init], bridge="br-test"))
    pid = channel.controller(10)["pid"]
    channel.go()
    init_fd = os.pidfd_open(channel.result(20)["init"])
    os.kill(pid, signal.SIGKILL)
    assert await_end(channel.pidfd, 5)
    assert await_end(init_fd, 5), "init survives its controller"
    os.close(init_fd)
    journal = str(ground.run / "journal")
    assert json.loads(Path(journal).read_text())["kill"]
    with in_network_of(spawner):
        assert replay_journal(journal) == []
        assert replay_journal(journal) == []
    assert link_names(ground)[0] not in links(spawner)
    assert ground.leftovers() == []


def test_hostile_links_are_refused(spawner: Spawner, ground: Ground) -> None:
    from virtlxc.runtime.protocol import Failed

    victim = ground.folder / "victim"
    victim.mkdir()
    (ground.root / "dev").rmdir()
    (ground.root / "dev").symlink_to(victim)
    init = ground.script("/init.sh", f"{SHELL}exec sleep 1000\n")
    channel = spawner.start_controller(make_plan(ground, [init]))
    channel.go()
    with pytest.raises(Failed, match="leads through a symbolic link, which is refused") as refused:
        channel.result(20)
    assert (refused.value.side, refused.value.step) == ("init", "attach-dev")
    assert list(victim.iterdir()) == []
    assert ground.leftovers() == []


def test_a_link_never_leads_out_of_the_guest(spawner: Spawner, ground: Ground) -> None:
    """Where links are followed, "/" is the guest's."""
    (ground.root / "etc/trap").symlink_to("/../../../../../../tmp")
    init = ground.script("/init.sh", f"{SHELL}ls -d /tmp/inside && exec sleep 1000\n")
    plan = make_plan(ground, [init])
    extra = step("init", "mount", fstype="tmpfs", target="/etc/trap/inside", create="dir")
    extra["args"]["nosymlinks"] = False
    at = [row["op"] for row in plan["steps"]].index("pivot")
    plan["steps"].insert(at, extra)
    channel = start(spawner, plan)
    assert (ground.root / "tmp/inside").is_dir()
    assert not Path("/tmp/inside").exists()
    destroy(ground, channel)
