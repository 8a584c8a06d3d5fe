"""What services of the host do: start in order at boot, stop everything before the host ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.host.lifelab import RUNNING, SHUTOFF, Lab, Ref

# Ends 0.1 s after it is asked; "asked" and "ended" go to a file that all domains share.
POLITE = """\
trap 'echo "{name} asked" >>/shared/log; sleep 0.1; echo "{name} ended" >>/shared/log; exit' TERM
echo "{name} up" >>/shared/log
while :; do sleep 0.05; done
"""
STUBBORN = "trap : TERM\necho up\nwhile :; do sleep 0.05; done\n"
pytestmark = pytest.mark.host


@pytest.fixture
def lab(instance: Instance) -> Iterator[Lab]:
    made = Lab(instance)
    (instance.root / "shared").mkdir()
    yield made
    made.connection.close()


def define(lab: Lab, name: str, script: str, order: int | None = None, more: str = "") -> Ref:
    shared = f"<filesystem type='mount'><source dir='{lab.instance.root}/shared'/>"
    container = (
        f"<metadata><virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>"
        f"<virtlxc:autostart order='{order}'/></virtlxc:container></metadata>"
        if order is not None
        else ""
    )
    ref = lab.define(
        name, init="/init", more=container + more,
        devices=shared + "<target dir='/shared'/></filesystem>",
    )  # fmt: skip
    lab.script(name, script.format(name=name))
    return ref


def log(lab: Lab) -> list[str]:
    path = lab.instance.root / "shared/log"
    return path.read_text().splitlines() if path.exists() else []


def test_those_that_started_first_end_last_and_equals_end_together(lab: Lab) -> None:
    for name, order in (("db", 1), ("web1", 2), ("web2", 2)):
        lab.start(define(lab, name, POLITE, order))
        wait_for("its init", partial(lambda line: line in log(lab), f"{name} up"))
    done = lab.instance.virtlxc("guests-stop", "--timeout", "60").ok()
    assert done == "\n"
    assert lab.instance.domains() == []
    told = [line for line in log(lab) if not line.endswith(" up")]
    assert told[-2:] == ["db asked", "db ended"]
    assert set(told[:2]) == {"web1 asked", "web2 asked"}


def test_one_that_hangs_is_destroyed_at_the_bound_and_named(lab: Lab) -> None:
    lab.start(define(lab, "polite", POLITE))
    hangs = lab.start(define(lab, "hangs", STUBBORN))
    lab.console(hangs, b"up")
    wait_for("its init", lambda: "polite up" in log(lab))
    begin = time.monotonic()
    said = lab.instance.virtlxc("guests-stop", "--timeout", "2")
    assert time.monotonic() - begin > 1.9
    assert said.code == 0
    assert "warning: domain 'hangs' was destroyed: it did not end within 2 s" in said.stderr
    assert "still running inside: init" in said.stderr
    assert "polite" not in said.stderr
    assert "polite ended" in log(lab)
    assert lab.instance.domains() == []


def test_what_is_told_to_restart_is_not_restarted(lab: Lab) -> None:
    ref = define(lab, "again", POLITE, more="<on_poweroff>restart</on_poweroff>")
    lab.start(ref)
    wait_for("its init", lambda: "again up" in log(lab))
    lab.instance.virtlxc("guests-stop").ok()
    assert lab.state(ref)[0] == SHUTOFF
    assert log(lab).count("again up") == 1


def test_a_paused_one_is_resumed_to_end_by_itself(lab: Lab) -> None:
    ref = define(lab, "paused", POLITE)
    lab.start(ref)
    wait_for("its init", lambda: "paused up" in log(lab))
    lab.call("DOMAIN_SUSPEND", dom=ref)
    lab.instance.virtlxc("guests-stop", "--timeout", "60").ok()
    assert "paused ended" in log(lab)


def test_without_a_daemon_the_command_stops_them_itself(lab: Lab) -> None:
    lab.start(define(lab, "alone", POLITE))
    wait_for("its init", lambda: "alone up" in log(lab))
    lab.connection.close()
    lab.instance.kill_daemon()
    lab.instance.virtlxc("guests-stop", "--timeout", "60").ok()
    assert "alone ended" in log(lab)
    assert not Path(lab.instance.paths.run, "starting").exists()
    lab.instance.start_daemon()
    lab.connect()
    assert lab.instance.domains() == []


def test_autostart_goes_by_order_and_guests_start_waits_for_it(lab: Lab) -> None:
    refs = [define(lab, name, POLITE, order) for name, order in (("web", 2), ("db", 1), ("a", 3))]
    broken = lab.define("broken", init="/nothing")
    for ref in (*refs, broken):
        lab.call("DOMAIN_SET_AUTOSTART", dom=ref, autostart=1)
    os.unlink(lab.instance.paths.run + "/autostarted")
    lab.connection.close()
    lab.instance.stop_daemon()
    lab.instance.start_daemon()
    lab.connect()
    said = lab.instance.virtlxc("guests-start")
    assert said.code == 0
    assert "warning: cannot start domain 'broken'" in said.stderr
    assert [lab.state(ref)[0] for ref in refs] == [RUNNING] * 3
    ids = sorted((started(lab, ref), ref[0]) for ref in refs)
    assert [name for _, name in ids] == ["db", "web", "a"]


def started(lab: Lab, ref: Ref) -> float:
    """When its controller was started, by the kernel's clock."""
    stat = Path(f"/proc/{lab.controller(ref)}/stat").read_text()
    return float(stat.rpartition(") ")[2].split()[19])


def test_guests_start_starts_what_guests_stop_stopped_and_nothing_else(lab: Lab) -> None:
    ref, ended = define(lab, "marked", POLITE), define(lab, "ended", POLITE)
    for one in (ref, ended):
        lab.call("DOMAIN_SET_AUTOSTART", dom=one, autostart=1)
    lab.start(ref)
    lab.instance.virtlxc("guests-start").ok()
    assert lab.state(ended)[0] == SHUTOFF
    wait_for("its init", lambda: "marked up" in log(lab))
    lab.instance.virtlxc("guests-stop").ok()
    lab.instance.virtlxc("guests-start").ok()
    assert lab.state(ref)[0] == RUNNING
