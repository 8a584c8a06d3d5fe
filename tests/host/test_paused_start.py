"""A start that is paused stops init within its exec: nothing of its program runs until resume."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.lifelab import PAUSED, RUNNING, SHUTOFF, Lab, Ref, document, is_alive
from tests.host.test_runtime_faults import Held, assert_nothing_left, other_network
from tests.runtime_plans import Ground, Plan, begin, destroy, finish, make_plan, step
from virtlxc.driver.constants import Event, Start
from virtlxc.errors import VirtlxcError
from virtlxc.runtime.client import Spawner
from virtlxc.runtime.protocol import Failed

pytestmark = pytest.mark.host

LIFECYCLE = 0
# Where the kernel says that a frozen process waits: do_freezer_trap is inlined by some compilers.
FROZEN = ("get_signal", "do_freezer_trap")
_ENTRY_AT = 24  # e_entry in an ELF header of 64 bits: elf(5)


@pytest.fixture(scope="module")
def lab(shared_instance: Instance) -> Lab:
    return Lab(shared_instance)


@contextlib.contextmanager
def held(lab: Lab, script: str, more: str = "") -> Iterator[tuple[Ref, Path]]:
    """A domain whose init is a static busybox that does ``script``, started paused; its root."""
    root = lab.instance.root / "root-held"
    if not root.exists():
        rootfs.make_busybox(root)
    words = f"</init><initarg>-c</initarg><initarg>{script}</initarg>{more}"
    xml = document("held", root, "/bin/sh", "").replace("</init>", words)
    ref = lab.ref_of(lab.call("DOMAIN_DEFINE_XML", xml=xml))
    try:
        yield lab.start(ref, Start.PAUSED), root
    finally:
        with contextlib.suppress(VirtlxcError):
            lab.destroy(ref)
        lab.call("DOMAIN_UNDEFINE", dom=ref)
        for name in ("made", "second"):
            (root / "tmp" / name).unlink(missing_ok=True)


def entry(program: Path) -> int:
    """The address of the first instruction, as a static program's file has it."""
    (address,) = struct.unpack_from("=Q", program.read_bytes(), _ENTRY_AT)
    return int(address)


def instruction(pid: int) -> int:
    """The program counter of a process that sleeps: proc_pid_syscall(5); 0 while it runs."""
    words = Path(f"/proc/{pid}/syscall").read_text().split()
    return int(words[-1], 16) if len(words) > 2 else 0


@pytest.mark.parametrize(
    "user", [pytest.param("", marks=pytest.mark.kernel), "<inituser>+77</inituser>"]
)
def test_init_stands_before_its_first_instruction(lab: Lab, user: str) -> None:
    """The program is executed, and its program counter is where its file says that it begins."""
    other = Lab(lab.instance)
    other.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=LIFECYCLE, dom=None)
    with held(lab, "echo here; touch /tmp/made; exec sleep 1000", user) as (ref, root):
        pid = ref[2]
        start = entry(root / "bin/busybox")
        wait_for("the freezer", lambda: Path(f"/proc/{pid}/wchan").read_text() in FROZEN)
        times = Path(f"/proc/{pid}/stat").read_text().split()[13:15]
        time.sleep(0.2)
        assert instruction(pid) == start
        assert os.path.samefile(f"/proc/{pid}/exe", root / "bin/busybox")
        assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sh\0-c\0")
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        assert status["TracerPid"] == "0" and status["State"].startswith("S")
        assert status["Uid"].split()[0] == ("77" if user else "0")
        assert Path(f"/proc/{pid}/stat").read_text().split()[13:15] == times
        assert not (root / "tmp/made").exists()
        assert lab.state(ref) == (PAUSED, 11)
        lab.call("DOMAIN_RESUME", dom=ref)
        wait_for("its first act", lambda: (root / "tmp/made").exists())
        lab.console(ref, b"here")
        assert lab.state(ref) == (RUNNING, 5)
        seen: list[tuple[int, int]] = []
        while len(seen) < 4:
            event = other.connection.next_event(10)
            assert event is not None, seen
            seen.append((event.fields["event"], event.fields["detail"]))
        # The first is that of the definition.
        assert seen[1:] == [(Event.STARTED, 0), (Event.SUSPENDED, 0), (Event.RESUMED, 0)]
    other.connection.close()


def test_it_can_be_destroyed_where_it_stands(lab: Lab) -> None:
    with held(lab, "touch /tmp/made; exec sleep 1000") as (ref, root):
        lab.destroy(ref)
        assert lab.state(ref) == (SHUTOFF, 2)
        assert not is_alive(ref[2])
        assert not (root / "tmp/made").exists()


def test_a_reboot_from_inside_is_not_paused(lab: Lab) -> None:
    again = "[ -e /tmp/second ] &amp;&amp; exec sleep 1000; touch /tmp/second; reboot -f"
    with held(lab, again) as (ref, root):
        assert not (root / "tmp/second").exists()
        lab.call("DOMAIN_RESUME", dom=ref)
        wait_for("another boot", lambda: lab.id(ref) not in (ref[2], -1))
        wait_for("its end", lambda: Path(f"/proc/{lab.id(ref)}/comm").read_text() == "sleep\n")


def test_what_cannot_be_executed(lab: Lab) -> None:
    ref = lab.define("broken-held", init="/init")
    program = lab.instance.root / "root-broken-held" / "init"
    program.write_text("#!/bin/none\n")
    program.chmod(0o755)
    with pytest.raises(VirtlxcError, match="execute init: /init: its interpreter, named in its"):
        lab.start(ref, Start.PAUSED)
    assert lab.state(ref)[0] == SHUTOFF
    lab.call("DOMAIN_UNDEFINE", dom=ref)


# --- faults, with plans by hand -----------------------------------------------------------------


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    with other_network():
        made = Spawner()
        made.start()
        yield made
        made.close()


@pytest.fixture
def ground(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = Ground(tmp_path, f"p{abs(hash(request.node.name)) % 100000}", 0)
    yield made
    made.clean_up()


def paused_plan(ground: Ground) -> Plan:
    """A plan that ends as one of a paused start; its init would leave a file."""
    init = ground.script("/init.sh", "#!/bin/sh\ntouch /tmp/made\nexec sleep 1000\n")
    plan = make_plan(ground, [init], bridge="br-test")
    payload = {"mount": ground.v2, "path": f"{ground.leaf}/payload"}
    plan["steps"] = [
        *plan["steps"][:-1],
        step("controller", "trace", boot=False),
        plan["steps"][-1],
        step("controller", "trace-await", boot=False),
        step("controller", "cgroup-write", boot=False, file="cgroup.freeze", value="1", **payload),
        step("controller", "trace-end", boot=False),
    ]
    return plan


def with_step(plan: Plan, behind: str, side: str, path: str) -> Plan:
    """One more step of ``side`` behind the operation: it opens ``path``."""
    steps = list(plan["steps"])
    number = max(i for i, row in enumerate(steps) if row["op"] == behind)
    steps.insert(number + 1, step(side, "open", boot=False, key="x", path=path))
    return {**plan, "steps": steps}


@pytest.mark.parametrize("behind", ["trace", "trace-await", "cgroup-write", "trace-end"])
def test_a_failure_behind_each_step_leaves_nothing(
    spawner: Spawner, ground: Ground, behind: str
) -> None:
    plan = with_step(paused_plan(ground), behind, "controller", "/nowhere")
    with pytest.raises(Failed, match="/nowhere: No such file"):
        begin(spawner, plan).result(20)
    assert_nothing_left(ground, behind)
    assert not (ground.root / "tmp/made").exists()


@pytest.mark.parametrize("victim", ["performer", "controller", "guest"])
@pytest.mark.parametrize("behind", ["trace", "trace-await", "cgroup-write", "trace-end"])
def test_a_kill_behind_each_step_leaves_nothing(
    spawner: Spawner, ground: Ground, tmp_path: Path, victim: str, behind: str
) -> None:
    """Above all no init that runs on, and none that is traced or frozen."""
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    plan = with_step(paused_plan(ground), behind, "controller", fifo)
    start = Held(spawner, ground, plan, "controller")
    pids = {**start.pids, "guest": start.pids.pop("stage")}
    assert Path(f"/proc/{pids['guest']}/ns/pid").exists()
    traced = Path(f"/proc/{pids['guest']}/status").read_text()
    tracer = 0 if behind == "trace-end" else pids["performer"]
    assert f"TracerPid:\t{tracer}\n" in traced
    os.kill(pids[victim], signal.SIGKILL)
    if victim == "guest":
        with open(fifo, "w"):
            pass  # The performer stands there, and hears of it at one of its next steps.
    if victim == "guest" and behind != "trace":
        # As with every init that ends at once, it has been started.
        start.channel.result(20)
        assert finish(ground, start.channel)["signal"] == signal.SIGKILL
    else:
        with pytest.raises(Failed, match=r"killed during the start|given up|is gone"):
            start.channel.result(20)
    wait_for("their end", lambda: not any(is_alive(p) for n, p in pids.items() if n != "spawner"))
    assert_nothing_left(ground, f"{victim} killed behind {behind}")
    assert not (ground.root / "tmp/made").exists()
    start.channel.close()


def test_a_signal_before_the_exec_is_handed_on(
    spawner: Spawner, ground: Ground, tmp_path: Path
) -> None:
    """A signal stops what is traced; without a hand on it, the start would hang."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    os.mkfifo(ground.root / "tmp/fifo")
    plan = with_step(paused_plan(ground), "trace", "init", "/tmp/fifo")
    start = Held(spawner, ground, plan, "init")
    os.kill(start.pids["init"], signal.SIGWINCH)
    time.sleep(0.1)
    with open(ground.root / "tmp/fifo", "w"):
        started = start.channel.result(20)
    pid = started["init"]
    wait_for("the freezer", lambda: Path(f"/proc/{pid}/wchan").read_text() in FROZEN)
    assert not (ground.root / "tmp/made").exists()
    destroy(ground, start.channel)


def test_an_init_that_somebody_traces_already(
    spawner: Spawner, ground: Ground, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plan = paused_plan(ground)
    number = next(i for i, row in enumerate(plan["steps"]) if row["op"] == "trace")
    held_at = step("controller", "open", boot=False, key="x", path=str(fifo))
    plan["steps"].insert(number, held_at)
    start = Held(spawner, ground, plan, "controller")
    script = (
        "import sys; from virtlxc.runtime.ops.tracing import Tracee\n"
        "other = Tracee(int(sys.argv[1])); print(flush=True); other.attend(0)"
    )
    argv = [sys.executable, "-c", script, str(start.pids["stage"])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        with open(fifo, "w"):
            wanted = rf"trace: init cannot be traced: .*\(process {other.pid} traces it already\)"
            with pytest.raises(Failed, match=wanted):
                start.channel.result(20)
    assert_nothing_left(ground, "traced by somebody else")
