"""Controllers that earlier versions started are found and served by the daemon of today.

Each archive in tests/data/controllers is a version of the daemon (tests/record_controller.py). It
starts a domain, is killed, and today's daemon takes its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller_link import ControllerLink
from tests.harness import Instance, wait_for
from tests.host.lifelab import PAUSED, RUNNING, SHUTOFF, Lab, Ref, is_alive
from tests.record_controller import FOLDER, unpack
from virtlxc.errors import VirtlxcError
from virtlxc.runtime.protocol import start_time

pytestmark = pytest.mark.host

RECORDS = sorted(FOLDER.glob("*.tar.xz"))
OLD_DAEMON = (
    "import sys; from virtlxc.daemon import main; from virtlxc.paths import Paths; "
    "sys.exit(main(Paths()))"
)
IDMAP = """<idmap><uid start='0' target='1000000' count='65536'/>
<gid start='0' target='1000000' count='65536'/></idmap>"""
TALK = "n=0; trap 'echo asked; exit 0' TERM; while :; do echo line $n; n=$((n+1)); sleep 0.1; done"


class Upgraded(Instance):
    """An instance whose first daemon is an old one; each further one is today's."""

    def __init__(self, record: Path) -> None:
        self.old: Path | None = None
        super().__init__(start=False)
        self.old = self.root / "old"
        unpack(record, self.old)
        self.start_daemon()
        self.old = None

    def argv(self, *arguments: str) -> list[str]:
        if arguments == ("daemon",) and self.old is not None:
            return [sys.executable, "-c", OLD_DAEMON]
        return super().argv(*arguments)

    def environment(self, **more: str) -> dict[str, str]:
        environment = super().environment(**more)
        if self.old is not None:
            environment["PYTHONPATH"] = str(self.old)
        return environment


@pytest.fixture(params=RECORDS, ids=lambda path: str(path.name).removesuffix(".tar.xz"))
def upgraded(request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Ref, int]]:
    """A domain that an old daemon has started, with today's daemon beside it."""
    instance = Upgraded(request.param)
    try:
        lab = Lab(instance)
        ref = lab.define("elder", init="/init", more="<on_reboot>restart</on_reboot>")
        lab.script("elder", TALK + "\n")
        init = lab.start(ref)[2]
        mapped = lab.define("mapped", init="/init", more=IDMAP)
        lab.script("mapped", TALK + "\n")
        lab.start(mapped)
        lab.console(ref, b"line 2")
        environment = Path(f"/proc/{instance.daemon_pid}/environ").read_text()
        assert f"PYTHONPATH={instance.root}/old\0" in environment
        instance.kill_daemon()
        instance.start_daemon()
        lab.connect()
        yield lab, ref, init
    finally:
        instance.close()


@pytest.fixture
def mapped(upgraded: tuple[Lab, Ref, int]) -> tuple[Lab, Ref, int]:
    """The same in a user namespace."""
    lab, _, _ = upgraded
    ref = lab.ref_of(lab.call("DOMAIN_LOOKUP_BY_NAME", name="mapped"))
    return lab, ref, lab.id(ref)


def test_there_is_a_record() -> None:
    assert RECORDS, "python -m tests.record_controller NAME"


def _groups(lab: Lab) -> list[Path]:
    return [group for group in lab.instance.cgroups() if "elder" in group.name]


def test_it_is_found_and_answers(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, init = upgraded
    assert (lab.id(ref), lab.state(ref)[0]) == (init, RUNNING)
    controller = lab.controller(ref)
    with ControllerLink(str(lab.folder(ref) / "sock")) as link:
        hello = link.hello()
        assert (hello["pid"], hello["starttime"]) == (controller, start_time(controller))
        assert hello["init"] == {"pid": init, "starttime": start_time(init)}
    seen = lab.console(ref, b"line 12")
    assert b"line 0\r\n" in seen, "what was said before is replayed"


def test_it_is_paused_resumed_and_limited(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, init = upgraded
    lab.call("DOMAIN_SUSPEND", dom=ref)
    assert lab.state(ref)[0] == PAUSED
    lab.call("DOMAIN_RESUME", dom=ref)
    assert lab.state(ref)[0] == RUNNING
    lab.call("DOMAIN_SET_MEMORY_FLAGS", dom=ref, memory=48 << 10, flags=1)
    assert lab.call("DOMAIN_GET_INFO", dom=ref)["memory"] > 0
    # A program of today's spawner enters it.
    ran = lab.instance.virtlxc("exec", "elder", "--", "/bin/sh", "-c", "echo $$ inside")
    assert "inside" in ran.ok()
    assert is_alive(init)


def test_it_is_shut_down_as_asked(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, _ = upgraded
    controller = lab.controller(ref)
    lab.call("DOMAIN_SHUTDOWN", dom=ref)
    assert lab.await_state(ref, SHUTOFF) == (SHUTOFF, 1)
    wait_for("its end", lambda: not is_alive(controller))
    assert _groups(lab) == []


def test_it_is_destroyed(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, init = upgraded
    lab.destroy(ref)
    assert lab.state(ref) == (SHUTOFF, 2)
    assert not is_alive(init) and _groups(lab) == []
    lab.start(ref)
    lab.destroy(ref)


def test_its_death_is_seen(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, init = upgraded
    os.kill(lab.controller(ref), 9)
    assert lab.await_state(ref, SHUTOFF) == (SHUTOFF, 6)
    wait_for("no init", lambda: not is_alive(init), 2)
    assert _groups(lab) == [] and not lab.folder(ref).exists()


def test_it_reboots_from_inside(upgraded: tuple[Lab, Ref, int]) -> None:
    lab, ref, init = upgraded
    # It may be killed by what it does before it can say that all went well.
    lab.instance.virtlxc("exec", "elder", "--", "/bin/busybox", "reboot", "-f")
    wait_for("another init", lambda: lab.id(ref) not in (init, -1))
    assert lab.state(ref)[0] == RUNNING
    lab.destroy(ref)


def test_a_change_of_it_outlives_its_reboot(mapped: tuple[Lab, Ref, int]) -> None:
    """The controller performs its next boot from what today's planner says."""
    lab, ref, init = mapped
    with ControllerLink(str(lab.folder(ref) / "sock")) as link:
        features = link.hello()["features"]
    data = lab.instance.root / "data"
    data.mkdir()
    (data / "file").write_text("of the host\n")
    xml = f"<filesystem><source dir='{data}'/><target dir='/mnt'/></filesystem>"
    if "amend" not in features:
        with pytest.raises(VirtlxcError, match="older version and cannot AMEND"):
            lab.call("DOMAIN_ATTACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=1)
        return
    lab.call("DOMAIN_ATTACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=1)
    lab.instance.virtlxc("exec", "mapped", "--", "/bin/busybox", "reboot", "-f")
    wait_for("another init", lambda: lab.id(ref) not in (init, -1))
    said = lab.instance.virtlxc("exec", "mapped", "--", "/bin/cat", "/mnt/file")
    assert said.ok().strip() == "of the host"
