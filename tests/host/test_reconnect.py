"""What the daemon's death ends: nothing. And what the next one makes of what it finds."""

from __future__ import annotations

import os
import shutil
import signal
import time
from functools import partial

import pytest

from benchmarks.measure import private_kib
from tests.harness import Instance, wait_for
from tests.host.lifelab import PAUSED, RUNNING, SHUTOFF, Lab, Ref, is_alive
from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime.protocol import start_time

pytestmark = pytest.mark.host
SMALL_KIB = 717


@pytest.fixture
def lab(instance: Instance) -> Lab:
    return Lab(instance)


def again(lab: Lab, *, hard: bool = True) -> None:
    """Another daemon in the place of this one."""
    if hard:
        lab.instance.kill_daemon()
    else:
        lab.connection.close()
        lab.instance.stop_daemon()
    lab.instance.start_daemon()
    lab.connect()


@pytest.mark.parametrize(
    "hard",
    [pytest.param(True, id="killed", marks=pytest.mark.kernel), pytest.param(False, id="stopped")],
)
def test_domains_outlive_the_daemon(lab: Lab, hard: bool) -> None:
    ref = lab.define("web1", init="/init")
    lab.script("web1", "n=0; while :; do echo line $n; n=$((n+1)); sleep 0.1; done\n")
    lab.call("DOMAIN_SET_AUTOSTART", dom=ref, autostart=1)
    os.unlink(lab.instance.paths.run + "/autostarted")
    before = lab.start(ref)[2]
    began = start_time(before)
    controller = lab.controller(ref)
    lab.console(ref, b"line 3")
    again(lab, hard=hard)
    assert lab.id(ref) == before and start_time(before) == began
    assert lab.state(ref) == (RUNNING, 1)
    assert lab.controller(ref) == controller
    seen = lab.console(ref, b"line 12")
    assert b"line 0\r\n" in seen
    live = lab.call("DOMAIN_GET_XML_DESC", dom=ref, flags=0)["xml"]
    assert f"<domain type='lxc' id='{before}'>" in live
    lab.destroy(ref)
    assert lab.state(ref) == (SHUTOFF, 2)
    assert not is_alive(controller)


def test_an_end_that_nobody_saw_is_acted_on(lab: Lab) -> None:
    ref = lab.define("web1")
    crashy = lab.define("crashy", more="<on_crash>restart</on_crash>")
    lab.start(ref)
    lab.start(crashy)
    lab.console(ref, b"activate this console")
    init, other = lab.id(ref), lab.id(crashy)
    controllers = [lab.controller(ref), lab.controller(crashy)]
    lab.instance.kill_daemon()
    os.kill(init, signal.SIGUSR2)
    os.kill(other, signal.SIGKILL)
    wait_for("both ended", lambda: not any(is_alive(pid) for pid in controllers))
    lab.instance.start_daemon()
    lab.connect()
    assert lab.state(ref) == (SHUTOFF, 1)
    assert not lab.folder(ref).exists()
    lab.await_state(crashy, RUNNING)
    assert lab.id(crashy) != other


def test_a_reboot_that_nobody_saw_is_found(lab: Lab) -> None:
    ref = lab.define("web1")
    before = lab.start(ref)[2]
    lab.console(ref, b"activate this console")
    lab.instance.kill_daemon()
    os.kill(before, signal.SIGTERM)
    wait_for("the end of the first init", lambda: not is_alive(before))
    time.sleep(0.5)
    lab.instance.start_daemon()
    lab.connect()
    wait_for("the new init", lambda: lab.id(ref) not in (before, -1))
    assert is_alive(lab.id(ref))
    assert lab.state(ref)[0] == RUNNING


def test_dead_controllers_are_cleaned_up_behind(lab: Lab) -> None:
    ref = lab.define("web1")
    init = lab.start(ref)[2]
    controller = lab.controller(ref)
    lab.instance.kill_daemon()
    os.kill(controller, signal.SIGKILL)
    lab.instance.start_daemon()
    lab.connect()
    assert lab.state(ref) == (SHUTOFF, 6)
    wait_for("no init", lambda: not is_alive(init))
    assert lab.instance.cgroups() == []


def test_pause_and_transience_outlive_the_daemon(lab: Lab) -> None:
    ref = lab.define("web1")
    lab.start(ref)
    lab.call("DOMAIN_SUSPEND", dom=ref)
    lab.call("DOMAIN_UNDEFINE", dom=ref)
    again(lab)
    assert lab.state(ref) == (PAUSED, 1)
    assert lab.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"] == 0
    lab.call("DOMAIN_RESUME", dom=ref)
    lab.destroy(ref)
    with pytest.raises(VirtlxcError) as caught:
        lab.state(ref)
    assert caught.value.code == Code.NO_DOMAIN


def test_a_changed_definition_stays_apart_from_the_running_one(lab: Lab) -> None:
    ref = lab.define("web1")
    lab.start(ref)
    lab.define("web1", more="<title>new</title>" + f"<uuid>{ref[1].hex()}</uuid>")
    assert lab.call("DOMAIN_IS_UPDATED", dom=ref)["updated"] == 1
    again(lab)
    assert lab.call("DOMAIN_IS_UPDATED", dom=ref)["updated"] == 1
    assert "<title>" not in lab.call("DOMAIN_GET_XML_DESC", dom=ref, flags=0)["xml"]
    assert "<title>new" in lab.call("DOMAIN_GET_XML_DESC", dom=ref, flags=2)["xml"]
    lab.destroy(ref)
    assert lab.call("DOMAIN_IS_UPDATED", dom=ref)["updated"] == 0


def test_autostart_is_once_a_boot(lab: Lab) -> None:
    ref = lab.define("web1")
    lab.call("DOMAIN_SET_AUTOSTART", dom=ref, autostart=1)
    os.unlink(lab.instance.paths.run + "/autostarted")
    again(lab)
    lab.await_state(ref, RUNNING)
    lab.destroy(ref)
    again(lab)
    time.sleep(1)
    assert lab.state(ref)[0] == SHUTOFF


def spawners(lab: Lab) -> list[int]:
    return [
        pid for pid, title in lab.instance.spaces.members().items() if "spawner" in title
    ]


def test_a_spawner_that_dies_is_replaced_and_nobody_else_dies(lab: Lab) -> None:
    first, second = lab.define("one"), lab.define("two")
    init = lab.start(first)[2]

    # The performer of that start has the same title, and is just being ended.
    wait_for("the one spawner", lambda: len(spawners(lab)) == 1)
    (spawner,) = spawners(lab)
    os.kill(spawner, signal.SIGKILL)
    wait_for("the spawner's end", lambda: not os.path.exists(f"/proc/{spawner}/exe"))
    assert lab.start(second)[2] > 0
    assert is_alive(init)
    lab.destroy(first)
    lab.destroy(second)


def test_unusable_files_are_reported_and_left_alone(lab: Lab) -> None:
    folder = lab.instance.root / "etc/virtlxc/lxc"
    good = lab.define("good")
    (folder / "broken.xml").write_text("<domain")
    shutil.copy(folder / "good.xml", folder / "othername.xml")
    again(lab)
    assert lab.instance.domains("--all") == ["good"]
    assert (folder / "broken.xml").exists()
    messages = lab.instance.daemon_messages()
    assert "cannot use the definition broken.xml: " in messages
    assert "cannot use the definition othername.xml: its name is 'good'" in messages
    assert lab.state(good)[0] == SHUTOFF


def test_a_second_daemon_is_refused_by_name(lab: Lab) -> None:
    result = lab.instance.virtlxc("daemon")
    error = result.failed()
    assert f"process {lab.instance.daemon_pid} is the daemon of {lab.instance.root}" in error
    assert lab.instance.domains() == []


def test_controllers_are_small_when_another_daemon_has_come(lab: Lab) -> None:
    """Each one's own memory; docs/performance.md has what it consists of."""
    refs = [lab.define(f"idle{number}") for number in range(3)]
    for ref in refs:
        lab.start(ref)
        wait_for("its first words", partial(_has_spoken, lab, ref))
    controllers = [lab.controller(ref) for ref in refs]
    for pid in spawners(lab):
        os.kill(pid, signal.SIGKILL)
    again(lab, hard=True)
    for ref in refs:
        assert lab.state(ref) == (RUNNING, 1)
    sizes = [private_kib(pid) for pid in controllers]
    assert max(sizes) < SMALL_KIB, sizes


def _has_spoken(lab: Lab, ref: Ref) -> bool:
    return "activate" in lab.instance.virtlxc("logs", ref[0]).stdout
