"""Plans built by hand, for tests of the runtime alone: a busybox domain in cgroups of its own.

``Ground`` is where one test works: a folder, a root file system, cgroups named after this process;
it can tell what a domain left behind. ``make_plan`` gives the steps; tests change them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.controller_link import ControllerLink
from tests.rootfs import make_busybox, script
from virtlxc.runtime.client import Spawner, StartChannel, await_end
from virtlxc.runtime.journal import replay_journal

STAGE = "\0stage\0"
CONTROLLER = "\0controller\0"
SHIFT = 1_000_000
Step = dict[str, Any]
Plan = dict[str, Any]

#: c, name, mode, major, minor
NODES = (
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
    ("tty", 5, 0),
)  # fmt: skip
ENV = [["PATH", "/bin:/sbin"], ["container", "lxc-libvirt"], ["HOME", "/"], ["TERM", "linux"]]


def hierarchies() -> tuple[str, list[str]]:
    """Where cgroup2 is mounted, and the mounts of cgroup version 1."""
    v1 = []
    v2 = ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, fstype, *_ = line.split()
        if fstype == "cgroup2" and not v2:
            v2 = target
        elif fstype == "cgroup":
            v1.append(target)
    return v2, v1


class Ground:
    """Where one test works; ``tag`` makes its names unique."""

    def __init__(self, folder: Path, tag: str, owner: int = 0) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.run.mkdir()
        self.root = make_busybox(folder / "root", owner=owner)
        self.leaf = f"/virtlxc-test-{os.getpid()}-{tag}"
        self.v2, self.v1 = hierarchies()
        self.log = folder / "console.log"

    def script(self, name: str, text: str) -> str:
        """A program of the guest; its path inside."""
        script(self.root, name, text)
        return name

    def leftovers(self) -> list[str]:
        """What is there and should not be: cgroups, links, mounts, files of the run folder."""
        found = [
            f"cgroup {mount}{self.leaf}"
            for mount in [self.v2, *self.v1]
            if os.path.exists(mount + self.leaf)
        ]
        found += [f"file {path.name}" for path in self.run.iterdir() if path.name != "exit.json"]
        mounts = Path("/proc/self/mountinfo").read_text()
        if str(self.folder) in mounts:
            found.append("a mount")
        return found

    def clean_up(self) -> None:
        """Whatever a failed test left in cgroups goes, so that no other test meets it."""
        for mount in [self.v2, *self.v1]:
            top = Path(mount + self.leaf)
            if (top / "cgroup.kill").exists():
                (top / "cgroup.kill").write_text("1")
            subprocess.run(
                ["find", str(top), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
                stderr=subprocess.DEVNULL,
                check=False,
            )


def _step(side: str, op: str, called: str = "", undo: Step | None = None, **args: Any) -> Step:
    boot = side in ("stage", "init") or op in ("fork-stage",)
    return {
        "name": called or op, "side": side, "op": op, "args": args, "boot": boot, "undo": undo,
    }  # fmt: skip


def step(side: str, op: str, *, boot: bool | None = None, **args: Any) -> Step:
    """A step to insert into a plan."""
    made = _step(side, op, **args)
    if boot is not None:
        made["boot"] = boot
    return made


def _boot(made: Step) -> Step:
    return {**made, "boot": True}


def make_plan(
    ground: Ground,
    argv: list[str],
    *,
    name: str = "box",
    userns: bool = False,
    bridge: str | None = None,
    consoles: int = 1,
    attach_root: bool = True,
    v1: bool = True,
    two_forks: bool = False,
) -> Plan:
    """A whole system container: every namespace, cgroups everywhere, consoles, maybe a veth."""
    shift = SHIFT if userns else 0
    links = bridge is not None
    steps = [
        *_born(ground),
        *_once(ground, name, v1),
        *_processes(ground, shift, v1, two_forks),
        *(_link(ground, bridge) if bridge else []),
        *_mounts(ground, shift, consoles, userns),
        _step(
            "stage",
            "unshare",
            called="unshare-cgroup",
            flags=["cgroup", "pid"] if two_forks else ["cgroup"],
        ),
        _step("stage", "fork-init"),
        *_inside(name, argv, consoles, links),
    ]
    supervisor = {"mount": ground.v2, "path": f"{ground.leaf}/supervisor"}
    return {
        "proto": 1,
        "born": supervisor,
        "domain": {"name": name, "uuid": "0" * 32},
        "run": str(ground.run),
        "log": str(ground.log),
        "on_reboot": "restart",
        "kill": {"mount": ground.v2, "path": f"{ground.leaf}/payload"},
        "steps": steps,
    }


def _once(ground: Ground, name: str, v1: bool) -> list[Step]:
    run = str(ground.run)
    steps = [
        _step("controller", "journal", path=f"{run}/journal"),
        _step("controller", "title", text=f"libvirt_lxc --name {name} --uuid 0"),
        _step("controller", "listen", path=f"{run}/sock",
              undo={"op": "unlink", "args": {"path": f"{run}/sock"}}),
    ]  # fmt: skip
    for mount in [ground.v2, *(ground.v1 if v1 else ())]:
        leaf = [ground.leaf] if mount != ground.v2 else []
        for path in (*leaf, f"{ground.leaf}/payload", f"{ground.leaf}/payload/init"):
            where: Step = {"mount": mount, "path": path}
            undo = {"op": "cgroup-rmdir", "args": where}
            steps.append(_step("controller", "cgroup-mkdir", undo=undo, **where))
            if mount.endswith("cpuset"):
                files = ["cpuset.cpus", "cpuset.mems"]
                steps.append(_step("controller", "cgroup-inherit", files=files, **where))
    return steps


def _born(ground: Ground) -> list[Step]:
    """The cgroups that are there before the controller is; they go when it has gone."""
    steps = []
    for path in (ground.leaf, f"{ground.leaf}/supervisor"):
        where: Step = {"mount": ground.v2, "path": path}
        undo = {"op": "cgroup-rmdir", "args": where, "late": True}
        steps.append(_step("daemon", "cgroup-mkdir", undo=undo, **where))
    return steps


def _processes(ground: Ground, shift: int, v1: bool, two_forks: bool) -> list[Step]:
    """The stage in its namespaces and cgroups, made at one go or (two_forks) one by one."""
    place = f"{ground.leaf}/payload/init"
    kinds = ["mnt", "uts", "ipc", "net"]
    user = ["user"] if shift else []
    keys = [f"v1:{mount}" for mount in ground.v1] if v1 else []
    return [
        *(_boot(_step("controller", "cgroup-open", key=key, mount=key[3:], path=place))
          for key in keys),
        _step("controller", "fork-stage", cgroup={"mount": ground.v2, "path": place},
              namespaces=[] if two_forks else [*user, "pid", *kinds]),
        *([_step("stage", "cgroup-enter", keys=keys)] if keys else []),
        *([_step("stage", "unshare", called="unshare-user", flags=user)]
          if two_forks and user else []),
        *(_map_ids(shift) if user else []),
        *([_step("stage", "unshare", flags=kinds)] if two_forks else []),
    ]  # fmt: skip


def _map_ids(shift: int) -> list[Step]:
    rows = [[0, shift, 65536]]
    return [
        _boot(_step("controller", "id-map", pid=STAGE, uid=rows, gid=rows)),
        _boot(_step("controller", "open-ns", called="open-user", key="userns",
                    path=f"/proc/{STAGE}/ns/user")),
        _step("stage", "become-root"),
    ]  # fmt: skip


def link_names(ground: Ground) -> tuple[str, str]:
    """Name and address of the host's end of the test's veth."""
    number = os.getpid() & 0xFFFFFF
    raw = f"fe{number:06x}{abs(hash(ground.leaf)) & 0xFFFF:04x}"
    return f"vt{number:x}", ":".join(raw[i : i + 2] for i in range(0, 12, 2))


def _link(ground: Ground, bridge: str) -> list[Step]:
    host, host_mac = link_names(ground)
    return [
        _boot(_step("controller", "open-ns", key="netns", path=f"/proc/{STAGE}/ns/net")),
        _boot(_step("controller", "link-veth", host=host, host_mac=host_mac, guest="eth0",
                    netns="netns", mac="52:54:00:00:00:01", bridge=bridge,
                    undo={"op": "link-aside", "args": {"host": host, "mac": host_mac}})),
    ]  # fmt: skip


def _mounts(ground: Ground, shift: int, consoles: int, userns: bool) -> list[Step]:
    pts = [["newinstance"], ["ptmxmode", "0666"], ["mode", "0620"], ["gid", str(shift + 5)]]
    own: Step = {"uid": shift, "gid": shift}
    steps = [
        _step("controller", "open-tree", key="root", path=str(ground.root)),
        *([_step("controller", "mount-attr", key="root", idmap="userns")] if userns else []),
        _step(
            "controller",
            "new-mount",
            called="new-dev",
            key="dev",
            fstype="tmpfs",
            options=[
                ["mode", "755"],
                ["size", "512k"],
                *([["uid", str(shift)], ["gid", str(shift)]]),
            ],
            attrs=["nosuid"],
        ),
        *(
            _step(
                "controller",
                "node",
                called=f"node-{node}",
                key="dev",
                path=node,
                kind="c",
                mode=0o666,
                major=major,
                minor=minor,
                **own,
            )
            for node, major, minor in NODES
        ),
        _step("controller", "node", called="node-pts", key="dev", path="pts", kind="dir", **own),
        _step(
            "controller",
            "node",
            called="node-ptmx",
            key="dev",
            path="ptmx",
            kind="link",
            target="pts/ptmx",
        ),
        _step(
            "controller",
            "node",
            called="node-console",
            key="dev",
            path="console",
            kind="file",
            **own,
        ),
        *(
            _step(
                "controller",
                "node",
                called=f"node-tty{n}",
                key="dev",
                path=f"tty{n}",
                kind="file",
                **own,
            )
            for n in range(1, consoles + 1)
        ),
        _step(
            "controller",
            "new-mount",
            called="new-pts",
            key="devpts",
            fstype="devpts",
            options=pts,
            attrs=["nosuid", "noexec"],
        ),
        _step("controller", "ptys", key="devpts", count=consoles, uid=shift, gid=shift + 5),
    ]
    return [_boot(made) for made in steps]


def _inside(name: str, argv: list[str], consoles: int, links: bool) -> list[Step]:
    safe = ["nosuid", "nodev", "noexec"]
    pairs = [("console", 0), *((f"tty{n}", n - 1) for n in range(1, consoles + 1))]
    return [
        _step("init", "private-mounts"),
        _step("init", "attach-root"),
        _step(
            "init",
            "mount",
            called="mount-proc",
            fstype="proc",
            source="proc",
            target="/proc",
            attrs=safe,
        ),
        _step(
            "init",
            "mount",
            called="mount-sys",
            fstype="sysfs",
            source="sysfs",
            target="/sys",
            attrs=[*safe, "ro"],
        ),
        _step("init", "attach", called="attach-dev", key="dev", target="/dev", nosymlinks=True),
        _step(
            "init", "attach", called="attach-pts", key="devpts", target="/dev/pts", nosymlinks=True
        ),
        *(
            _step(
                "init",
                "bind-inside",
                called=f"bind-{to}",
                source=f"/dev/pts/{n}",
                target=f"/dev/{to}",
                nosymlinks=True,
            )
            for to, n in pairs
        ),
        _step("init", "mask", targets=["/proc/kcore", "/proc/acpi", "/proc/nothing"]),
        _step("init", "pivot"),
        _step("init", "lo-up"),
        *([_step("init", "link-up", link="eth0")] if links else []),
        _step("init", "hostname", name=name),
        _step("init", "keyring"),
        _step("init", "console"),
        _step("init", "caps", keep=[n for n in range(41) if n not in (16, 25)]),
        _step("init", "exec", argv=argv, env=ENV),
    ]


def begin(spawner: Spawner, plan: Plan) -> StartChannel:
    """Start a controller and let it go; the caller awaits the result."""
    channel = spawner.start_controller(plan)
    channel.controller(10)
    channel.go()
    return channel


def start(spawner: Spawner, plan: Plan) -> StartChannel:
    """Start a domain that must run in the end; the channel has the controller's pidfd."""
    channel = begin(spawner, plan)
    channel.result(20)
    return channel


def destroy(ground: Ground, channel: StartChannel) -> None:
    """Kill the domain and wait until its controller has left; replay what it left for us."""
    with ControllerLink(str(ground.run / "sock")) as link:
        link.call("INTENT", end="destroy", kill=True)
    finish(ground, channel)


def finish(ground: Ground, channel: StartChannel) -> dict[str, Any]:
    """Wait until the controller has left by itself; gives exit.json."""
    assert await_end(channel.pidfd, 20), "the controller does not leave"
    channel.close()
    assert replay_journal(str(ground.run / "journal")) == []
    report = json.loads((ground.run / "exit.json").read_text())
    assert isinstance(report, dict)
    return report


def read_until(sock: socket.socket, wanted: bytes, timeout: float = 60.0) -> bytes:
    """What a console says up to and with ``wanted``; AssertionError shows what it said instead."""
    sock.settimeout(timeout)
    data = b""
    while wanted not in data:
        try:
            more = sock.recv(65536)
        except TimeoutError:
            more = b""
        assert more, f"waited for {wanted!r}, got {data[-2000:]!r}"
        data += more
    return data
