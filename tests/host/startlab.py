"""Starts planned and performed without a daemon: a host with a bridge, and a guest that talks."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.harness import wait_for
from tests.rootfs import make_busybox
from virtlxc.host import gather
from virtlxc.host.facts import HostFacts
from virtlxc.model import Console, Domain, Filesystem, IdMap, IdRange, Interface, Ip, Os
from virtlxc.plan import Plan, StartOptions, plan_start
from virtlxc.plan.steps import CONTROLLER
from virtlxc.runtime.client import Spawner
from virtlxc.runtime.journal import replay_journal

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
        self,
        domain: Domain,
        fds: tuple[int, ...] = (),
        meanwhile: Callable[[Plan, dict[str, int]], None] | None = None,
    ) -> tuple[dict[str, str], dict[str, int]]:
        """Start, wait for the guest's words, end. Gives them, and the pids of the start.

        ``meanwhile`` looks at the running container, whose guest has said all.
        """
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
                if meanwhile is not None:
                    meanwhile(plan, {**started, "controller": controller["pid"]})
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
        end = time.monotonic() + 60
        while (links := set(os.listdir("/sys/class/net"))) and time.monotonic() < end:
            if not any(name.startswith("vnet") for name in links):
                break
            time.sleep(0.02)
        return found
