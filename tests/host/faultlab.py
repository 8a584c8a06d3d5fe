"""What the tests of failed and killed starts need: a faulty daemon, two domains, a hard look."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests import rootfs
from tests.harness import PATIENCE, Instance, cgroup_mounts, wait_for
from tests.host.lifelab import Lab, Ref
from virtlxc.errors import VirtlxcError

SHIFT = 1_000_000
MISSING = "/nowhere/to be found"

NETWORKED = """
<domain type='lxc'>
  <name>netted</name>
  <memory unit='MiB'>64</memory>
  <cputune><shares>512</shares></cputune>
  <os><type>exe</type><init>/sbin/init</init></os>
  <idmap>
    <uid start='0' target='{shift}' count='65536'/>
    <gid start='0' target='{shift}' count='65536'/>
  </idmap>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <filesystem type='ram'>
      <source usage='1' units='MiB'/><target dir='/ram'/>
    </filesystem>
    <interface type='network'>
      <mac address='52:54:00:0f:0f:01'/><source network='default'/>
      <ip address='192.168.122.200' prefix='24'/>
    </interface>
    <console type='pty'/><console type='pty'/>
  </devices>
</domain>"""

PLAIN = """
<domain type='lxc'>
  <name>plain</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>"""


class Gap(NamedTuple):
    """A place in a plan where a step of ``side`` can stand: behind the step number ``after``."""

    after: int
    side: str
    what: str


class FaultyInstance(Instance):
    """An instance whose daemon takes the wanted fault into its plans."""

    def argv(self, *arguments: str) -> list[str]:
        if arguments == ("daemon",):
            return [sys.executable, "-m", "tests.host.faulty_daemon"]
        return super().argv(*arguments)


def gaps(steps: list[dict[str, Any]]) -> Iterator[Gap]:
    """Every place behind every step, for each side that may have a step there."""
    for number, step in enumerate(steps[:-1]):
        sides = [step["side"], steps[number + 1]["side"]]
        if step["op"] == "fork-stage":
            sides.append("stage")
        if step["op"] == "fork-init":
            sides = ["init"]  # the stage is no more
        for side in dict.fromkeys(sides):
            yield Gap(number, side, f"{side}, behind {number} '{step['name']}'")


def kinds(steps: list[dict[str, Any]]) -> Iterator[Gap]:
    """One gap for each kind of step: twenty folders in hierarchies of v1 are one case."""
    seen = set()
    for gap in gaps(steps):
        kind = (gap.side, steps[gap.after]["op"])
        if kind not in seen:
            seen.add(kind)
            yield gap


class FaultLab(Lab):
    """Starts that fail or hang at a wanted step, and what is there afterwards."""

    def __init__(self, instance: FaultyInstance) -> None:
        super().__init__(instance)
        root = instance.root
        rootfs.make_busybox(root / "netted", owner=SHIFT)
        rootfs.make_busybox(root / "plain")
        for name in ("netted", "plain"):
            (root / name / "ram").mkdir()
        self.refs = {
            "netted": self._define(NETWORKED.format(root=root / "netted", shift=SHIFT)),
            "plain": self._define(PLAIN.format(root=root / "plain")),
        }
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo)
        self.fifo.chmod(0o666)
        for name in ("netted", "plain"):
            # The same FIFO inside, where init looks for it once it has pivoted.
            inside = root / name / str(self.fifo).lstrip("/")
            inside.parent.mkdir(parents=True)
            for folder in list(inside.parents)[: len(self.fifo.parts) - 2]:
                folder.chmod(0o755)
            os.link(self.fifo, inside)
        self.plans = {name: self._learn(name) for name in self.refs}
        self.before = self.state_of_things()

    def _define(self, xml: str) -> Ref:
        return self.ref_of(self.call("DOMAIN_DEFINE_XML", xml=xml))

    def _learn(self, name: str) -> list[dict[str, Any]]:
        """The steps of a start that goes well."""
        self.works(name)
        steps: list[dict[str, Any]] = json.loads(
            (self.instance.root / "plan.json").read_text()
        )["steps"]
        return steps

    def works(self, name: str) -> None:
        """The domain can be started and stopped."""
        assert self.start(self.refs[name])[2] > 0
        self.destroy(self.refs[name])

    # --- faults

    def want(self, gap: Gap, path: str | Path) -> None:
        """From the next start on."""
        fault = {"after": gap.after, "side": gap.side, "path": str(path)}
        (self.instance.root / "fault.json").write_text(json.dumps(fault))

    def want_nothing(self) -> None:
        (self.instance.root / "fault.json").unlink(missing_ok=True)

    def refused(self, name: str) -> str:
        """The message of a start that must fail."""
        try:
            self.start(self.refs[name])
        except VirtlxcError as error:
            return error.message
        raise AssertionError(f"{name} has started")

    # --- what is there

    def state_of_things(self) -> dict[str, list[str]]:
        """Everything that a start makes, by kind; a start that failed must leave no difference."""
        instance = self.instance
        tag = f"lxc-{instance.paths.instance}-*"
        groups = [
            str(path)
            for mount in cgroup_mounts()
            for path in (*mount.glob(tag), *mount.glob(f"machine/{tag}"))
        ]
        lines = Path(f"/proc/{instance.spaces.pid}/net/dev").read_text().splitlines()[2:]
        run = Path(instance.paths.run)
        return {
            "cgroup": groups,
            "link": sorted(line.split(":")[0].strip() for line in lines),
            "mount": sorted(
                line.split()[4]
                for line in Path(f"/proc/{instance.spaces.pid}/mountinfo").read_text().splitlines()
            ),
            "process": children(self.spawner()),
            "file": sorted(str(p) for p in run.rglob("*") if "/net" not in str(p)),
            "descriptor": descriptors(instance.daemon_pid),
            "id range": instance.id_ranges(),
        }

    def spawner(self) -> int:
        """The pid of the daemon's spawner; 0 when it is dead, and nobody needed another yet."""
        for pid in children(self.instance.daemon_pid):
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"spawner" in title:
                return int(pid)
        return 0

    def assert_nothing_left(self, what: str) -> None:
        """Within a second, everything is as it was before the start."""
        end = time.monotonic() + 1.0 * PATIENCE
        while True:
            now = self.state_of_things()
            left = {
                kind: sorted(set(found) - set(self.before[kind]))
                for kind, found in now.items()
                if set(found) - set(self.before[kind])
            }
            if not left:
                return
            assert time.monotonic() < end, f"left behind, {what}: {left}"
            time.sleep(0.02)


class HeldStart:
    """A start that stands at the FIFO, in a thread of its own."""

    def __init__(self, lab: FaultLab, name: str) -> None:
        self.lab = lab
        self.name = name
        self.error = ""
        self.ref: Ref | None = None
        self._thread = threading.Thread(target=self._start, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        try:
            own = Lab(self.lab.instance)
            self.ref = own.start(self.lab.refs[self.name])
            own.connection.abandon()
        except VirtlxcError as error:
            self.error = error.message

    def pids(self, side: str) -> dict[str, int]:
        """The processes of this start once it stands: controller, performer, stage or init."""
        return wait_for(f"a {side} at the FIFO", lambda: self._look(side), pause=0.003)

    def _look(self, side: str) -> dict[str, int]:
        assert self._thread.is_alive(), f"it did not stand: {self.error or self.ref}"
        if side == "daemon":
            tasks = Path(f"/proc/{self.lab.instance.daemon_pid}/task").iterdir()
            stands = any((task / "wchan").read_text() == "wait_for_partner" for task in tasks)
            return {"daemon": self.lab.instance.daemon_pid} if stands else {}
        found = {}
        for controller in children(self.lab.spawner()):
            for child in children(int(controller)):
                own = "performer" if _leads_nothing(int(child), int(controller)) else "guest"
                found[own] = int(child)
            found["controller"] = int(controller)
        who = found.get("performer" if side == "controller" else "guest", 0)
        try:
            stands = Path(f"/proc/{who}/wchan").read_text() == "wait_for_partner"
        except (FileNotFoundError, ProcessLookupError):
            stands = False
        return found if stands else {}

    def outcome(self, *, go_on: bool = False) -> str:
        """The error of the start, empty when it went well; ``go_on``: nobody stands any more."""
        writer = os.open(self.lab.fifo, os.O_RDWR) if go_on else -1
        try:
            self._thread.join(20 * PATIENCE)
        finally:
            if go_on:
                os.close(writer)
        assert not self._thread.is_alive(), "the start does not end"
        return self.error


def _leads_nothing(child: int, controller: int) -> bool:
    """The performer stands in the controller's namespaces, stage and init in their own."""
    try:
        kinds = [os.readlink(f"/proc/{pid}/ns/mnt") for pid in (child, controller)]
    except OSError:
        return False
    return kinds[0] == kinds[1]


def children(pid: int) -> list[str]:
    """Pids of the children of a process, zombies and all; empty when it is gone."""
    found: list[str] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += (task / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def descriptors(pid: int) -> list[str]:
    """What a process has open, with ordinals; clients' connections come and go."""
    count: dict[str, int] = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except FileNotFoundError:
            continue
        kind = target.split(":")[0]
        if kind != "socket":
            count[kind] = count.get(kind, 0) + 1
    return [f"{kind} {number}" for kind, total in count.items() for number in range(total)]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
