"""A change of a running container that fails or is killed anywhere leaves the old or the new one.

One more step is put behind each step of a real change. It opens a path that is not there, and
fails; or a FIFO that nobody writes to, and stands there until somebody is killed.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import wait_for
from tests.host.changelab import IDMAP, LIVE, ChangeLab
from tests.host.faultlab import MISSING, SHIFT, FaultyInstance, children, kill
from tests.host.faulty_daemon import STEP
from tests.host.lifelab import SHUTOFF, Lab
from virtlxc.errors import Code, VirtlxcError

pytestmark = pytest.mark.host

CARD = """<interface type='bridge'><mac address='52:54:00:fa:17:01'/><source bridge='br0'/>
<target dev='fault0'/><ip address='10.9.0.9' family='ipv4' prefix='24'/></interface>"""
FOLDER = "<filesystem><source dir='{data}'/><target dir='/given'/><readonly/></filesystem>"
DISK = """<disk type='file'><driver name='loop' type='raw'/><source file='{image}'/>
<target dev='vda'/></disk>"""


class FaultyChanges(ChangeLab):
    """Changes of one running domain that fail or hang at a wanted step."""

    def __init__(self, instance: FaultyInstance) -> None:
        super().__init__(instance)
        root = instance.root
        rootfs.make_busybox(root / "root-faulty", owner=SHIFT)
        self.fifo = root / "fifo"
        os.mkfifo(self.fifo)
        self.fifo.chmod(0o666)
        inside = root / "root-faulty" / str(self.fifo).lstrip("/")
        inside.parent.mkdir(parents=True)
        for folder in list(inside.parents)[: len(self.fifo.parts) - 2]:
            folder.chmod(0o755)
        os.link(self.fifo, inside)
        data = root / "data"
        data.mkdir()
        os.chown(data, SHIFT, SHIFT)
        image = root / "disk.img"
        image.write_bytes(bytes(1 << 20))
        self.devices = {
            "card": CARD,
            "folder": FOLDER.format(data=data),
            "disk": DISK.format(image=image),
        }
        self.ref = self.start(self.define("faulty", more=IDMAP))

    def want(self, part: str, after: int, path: str | Path) -> None:
        fault = {"part": part, "after": after, "path": str(path)}
        (self.instance.root / "change-fault.json").write_text(json.dumps(fault))

    def want_nothing(self) -> None:
        (self.instance.root / "change-fault.json").unlink(missing_ok=True)

    def steps(self, part: str) -> int:
        """How many the last change had."""
        told = json.loads((self.instance.root / "change.json").read_text())
        return len(told[part])

    def state_of_things(self) -> tuple[object, ...]:
        """Everything that a change makes, of what runs and of the host."""
        pid = self.id(self.ref)
        mounts = Path(f"/proc/{pid}/mounts").read_text().splitlines()
        return (
            self.xml(self.ref),
            sorted(self.instance.links()),
            sorted(line.split()[1] for line in mounts),
            sorted(os.listdir(f"/proc/{pid}/root/dev")),
            sorted(line.split(":")[0] for line in Path(f"/proc/{pid}/net/dev").open()),
            self.files(self.ref),
            sorted(self.own_loops()),
        )

    def own_loops(self) -> list[str]:
        files = Path("/sys/block").glob("loop*/loop/backing_file")
        return [text for file in files if str(self.instance.root) in (text := file.read_text())]

    def helper(self) -> int:
        """The process that stands at the FIFO; 0 when there is none yet."""
        for daemon in children(self.instance.daemon_pid):
            for child in children(int(daemon)):
                try:
                    if Path(f"/proc/{child}/wchan").read_text() == "wait_for_partner":
                        return int(child)
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return 0


class Held:
    """A change that stands at the FIFO, in a thread of its own."""

    def __init__(self, lab: FaultyChanges, call: str, xml: str) -> None:
        self.error = ""
        self._lab = lab
        self._call = call
        self._xml = xml
        self._thread = threading.Thread(target=self._change, daemon=True)
        self._thread.start()
        self.helper = wait_for("a helper at the FIFO", self._look, pause=0.003)

    def _look(self) -> int:
        assert self._thread.is_alive(), f"it did not stand: {self.error}"
        return self._lab.helper()

    def _change(self) -> None:
        try:
            own = Lab(self._lab.instance)
            own.call(self._call, dom=self._lab.ref, xml=self._xml, flags=LIVE)
            own.connection.abandon()
        except VirtlxcError as error:
            self.error = error.message

    def outcome(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive(), "the change does not end"
        return self.error


@pytest.fixture(scope="module")
def lab() -> Iterator[FaultyChanges]:
    instance = FaultyInstance()
    instance.bridge("br0", "10.9.0.1/24")
    try:
        yield FaultyChanges(instance)
    finally:
        (instance.root / "change-fault.json").unlink(missing_ok=True)
        with (instance.root / "fifo").open("r+b", buffering=0):
            instance.close()


@pytest.fixture
def before(lab: FaultyChanges) -> Iterator[tuple[object, ...]]:
    """How things are; a test ends with them so, too."""
    if lab.state(lab.ref)[0] == SHUTOFF:
        lab.ref = lab.start(lab.ref)
    yield lab.state_of_things()
    lab.want_nothing()


@pytest.mark.parametrize("device", ["card", "folder", "disk"])
def test_a_failure_behind_every_step(
    lab: FaultyChanges, before: tuple[object, ...], device: str
) -> None:
    xml = lab.devices[device]
    lab.attach(lab.ref, xml)
    steps = lab.steps("additions")
    lab.detach(lab.ref, xml)
    for after in range(steps):
        lab.want("additions", after, MISSING)
        message = lab.refused(Code.OPERATION_FAILED, "attach", lab.ref, xml)
        assert message == (
            f"cannot change domain 'faulty': {STEP}: {MISSING}: No such file or directory"
        )
        wait_for("all is as before", lambda: lab.state_of_things() == before)
    assert steps >= 2
    lab.want_nothing()
    lab.attach(lab.ref, xml)
    lab.detach(lab.ref, xml)


@pytest.mark.parametrize("device", ["card", "folder", "disk"])
def test_a_killed_helper_or_daemon_leaves_the_old_one(
    lab: FaultyChanges, before: tuple[object, ...], device: str
) -> None:
    xml = lab.devices[device]
    lab.attach(lab.ref, xml)
    steps = lab.steps("additions")
    lab.detach(lab.ref, xml)
    for after in range(steps):
        lab.want("additions", after, lab.fifo)
        held = Held(lab, "DOMAIN_ATTACH_DEVICE_FLAGS", xml)
        kill(held.helper)
        assert "the process that changes it was killed" in held.outcome()
        wait_for("all is as before", lambda: lab.state_of_things() == before)
    for after in (0, steps - 1):
        lab.want("additions", after, lab.fifo)
        held = Held(lab, "DOMAIN_ATTACH_DEVICE_FLAGS", xml)
        lab.want_nothing()
        lab.restart_daemon()
        held.outcome()
        wait_for("all is as before", lambda: lab.state_of_things() == before)
    lab.attach(lab.ref, xml)
    lab.detach(lab.ref, xml)


def test_a_killed_daemon_leaves_a_removal_to_the_next(
    lab: FaultyChanges, before: tuple[object, ...]
) -> None:
    xml = lab.devices["folder"]
    lab.attach(lab.ref, xml)
    lab.want("removals", 0, lab.fifo)
    held = Held(lab, "DOMAIN_DETACH_DEVICE_FLAGS", xml)
    lab.want_nothing()
    lab.instance.kill_daemon()
    with lab.fifo.open("r+b", buffering=0):  # the next daemon does the same, the fault included
        lab.instance.start_daemon()
    lab.connect()
    held.outcome()
    wait_for("it is gone", lambda: lab.state_of_things() == before)


def test_a_removal_is_done_whoever_was_killed_meanwhile(
    lab: FaultyChanges, before: tuple[object, ...]
) -> None:
    xml = lab.devices["folder"]
    lab.attach(lab.ref, xml)
    lab.want("removals", 0, lab.fifo)
    held = Held(lab, "DOMAIN_DETACH_DEVICE_FLAGS", xml)
    first = held.helper
    kill(first)
    wait_for("another helper", lambda: lab.helper() not in (0, first))
    with lab.fifo.open("r+b", buffering=0):
        assert held.outcome() == ""
    assert lab.state_of_things() == before


def test_a_killed_controller_leaves_nothing(
    lab: FaultyChanges, before: tuple[object, ...]
) -> None:
    for device in ("card", "disk"):
        if lab.state(lab.ref)[0] == SHUTOFF:
            lab.ref = lab.start(lab.ref)
        lab.want("additions", 1, lab.fifo)
        held = Held(lab, "DOMAIN_ATTACH_DEVICE_FLAGS", lab.devices[device])
        os.kill(lab.controller(lab.ref), signal.SIGKILL)
        with lab.fifo.open("r+b", buffering=0):
            error = held.outcome()
        assert error.startswith("cannot change domain 'faulty': "), error
        lab.await_state(lab.ref, SHUTOFF)
        wait_for("no link", lambda: "fault0" not in lab.instance.links())
        wait_for("no loop", lambda: not lab.own_loops())
        lab.want_nothing()


def test_both_killed_leave_nothing_to_the_next_daemon(
    lab: FaultyChanges, before: tuple[object, ...]
) -> None:
    lab.attach(lab.ref, lab.devices["disk"])
    lab.want("additions", 2, lab.fifo)
    held = Held(lab, "DOMAIN_ATTACH_DEVICE_FLAGS", lab.devices["card"])
    lab.want_nothing()
    controller = lab.controller(lab.ref)
    lab.instance.kill_daemon()
    os.kill(controller, signal.SIGKILL)
    lab.instance.start_daemon()
    lab.connect()
    held.outcome()
    lab.await_state(lab.ref, SHUTOFF)
    wait_for("no link", lambda: "fault0" not in lab.instance.links())
    wait_for("no loop", lambda: not lab.own_loops())
    lab.ref = lab.start(lab.ref)
    assert lab.state_of_things()[1:5] == before[1:5]
