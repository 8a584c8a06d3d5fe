"""Our own program's rows: the command is their only client, and the host says what it did."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.interop.virsh import DOMAIN, Virsh
from tests.terminal import Terminal
from virtlxc.rpc.client import Connection
from virtlxc.rpc.tables import OWN

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def box(shared_instance: Instance) -> Iterator[Instance]:
    """An instance whose domain ``box`` runs."""
    root = shared_instance.busybox()
    shared_instance.define(DOMAIN.format(name="box", root=root, init="/sbin/init"))
    shared_instance.virtlxc("start", "box").ok()
    yield shared_instance
    shared_instance.virtlxc("destroy", "box")
    shared_instance.virtlxc("undefine", "box").ok()


def pid(box: Instance, name: str = "box") -> int:
    return int(box.virtlxc("domid", name).ok())


def is_up(box: Instance) -> bool:
    """Whether busybox's init is in its loop."""
    status = Path(f"/proc/{pid(box)}/status").read_text()
    return "SigCgt:\t0000000000000000" not in status


@pytest.mark.proves("VERSION")
def test_version(box: Instance) -> None:
    with Connection(box.paths.socket) as ours:
        told = ours.call("VERSION", program=OWN)
    assert told["root"] == box.paths.root
    assert Path(f"/proc/{told['pid']}/cmdline").read_bytes().startswith(b"virtlxc\0daemon")


@pytest.mark.proves("DEFINE", "START_IGNORING", "STATUS", "SHUTDOWN")
def test_what_the_command_does_with_a_domain(box: Instance) -> None:
    root = box.root / "rootfs"
    box.define(DOMAIN.format(name="other", root=root, init="/sbin/init"))
    assert Path(box.paths.domain_xml("other")).exists()
    box.virtlxc("start", "other", "--ignore", "seclabel").ok()
    first = pid(box, "other")
    assert os.path.exists(f"/proc/{first}/root/etc/inittab")
    wait_for("init", lambda: "0000000000000000" not in _caught(first))
    box.virtlxc("shutdown", "other", "--wait").ok()
    wait_for("its end", lambda: not os.path.exists(f"/proc/{first}"))
    told = json.loads(box.virtlxc("--output", "json", "domstate", "other", "--reason").ok())
    assert told["state"] == "shut off"
    assert told["text"], "how it ended, in words"
    box.virtlxc("undefine", "other").ok()


def _caught(process: int) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("SigCgt:"))


@pytest.mark.proves("PLAN", "REBOOT")
def test_plan_and_reboot(box: Instance) -> None:
    before = pid(box)
    wait_for("init", lambda: is_up(box))
    with Connection(box.paths.socket) as ours:
        dom = ours.call("DOMAIN_LOOKUP_BY_NAME", name="box")["dom"]
        assert str(box.root / "rootfs") in ours.call("PLAN", program=OWN, dom=dom)["text"]
        assert ours.call("REBOOT", program=OWN, dom=dom)["how"]
    wait_for("another init", lambda: pid(box) != before)
    wait_for("the end of the first", lambda: not os.path.exists(f"/proc/{before}"))


@pytest.mark.proves("EXEC_START", "EXEC_WAIT")
def test_exec(box: Instance) -> None:
    ran = box.virtlxc("exec", "box", "--", "sh", "-c", "echo done >/tmp/exec; exit 3")
    assert ran.code == 3
    assert Path(box.root / "rootfs/tmp/exec").read_text() == "done\n"


@pytest.mark.proves("EXEC_CLOSE")
def test_an_end_for_a_program_inside(box: Instance) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    with Connection(box.paths.socket) as ours:
        dom = ours.call("DOMAIN_LOOKUP_BY_NAME", name="box")["dom"]
        made = ours.call(
            "EXEC_START", program=OWN, dom=dom, argv=["sleep", "600"], fds=[null, null, null]
        )
        assert Path(f"/proc/{made['pid']}/cmdline").read_bytes() == b"sleep\x00600\x00"
        ours.call("EXEC_CLOSE", program=OWN, handle=made["handle"])
        wait_for("its end", lambda: not os.path.exists(f"/proc/{made['pid']}"))
    os.close(null)


@pytest.mark.proves("LOGS", "CONSOLE_RESIZE")
def test_console_and_its_log(box: Instance) -> None:
    argv = box.argv("console", "box")
    console = Terminal(box.spaces, argv, box.environment(), size=(33, 99))
    console.expect("Escape character")
    console.type("\r")
    console.expect("#")
    console.type("stty size\r")
    console.expect("33 99")
    console.type("echo in the log $((40+2))\r")
    console.expect("in the log 42")
    console.resize(44, 111)
    console.type("sleep 0.3; stty size\r")
    console.expect("44 111")
    console.type("\x1d")
    assert console.end() == 0
    assert "in the log 42" in box.virtlxc("logs", "box").ok()


@pytest.mark.proves("NEW", "NEW_START", "NEW_WAIT", "DELETE")
def test_containers_from_a_template(box: Instance) -> None:
    box.virtlxc("new", "made", "busybox").ok()
    with Connection(box.paths.socket) as ours:
        ours.call("NEW", program=OWN, name="other", template="busybox")
    for name in ("made", "other"):
        text = Path(box.paths.domain_xml(name)).read_text()
        root = Path(text.partition("<source dir='")[2].partition("'")[0])
        assert (root / "bin/sh").is_symlink() or (root / "bin/sh").exists()
        box.virtlxc("delete", name).ok()
        assert not root.exists()
        assert not Path(box.paths.domain_xml(name)).exists()


@pytest.mark.proves("DEFINE_MANY", "DEFINITIONS")
def test_many_definitions_at_once(box: Instance) -> None:
    root = box.root / "rootfs"
    names = [f"many{number}" for number in range(3)]
    xmls = [DOMAIN.format(name=name, root=root, init="/sbin/init") for name in names]
    with Connection(box.paths.socket) as ours:
        assert len(ours.call("DEFINE_MANY", program=OWN, xmls=xmls)["outcomes"]) == 3
        for name in names:
            assert f"<name>{name}</name>" in Path(box.paths.domain_xml(name)).read_text()
        doms = [ours.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"] for name in names]
        assert len(ours.call("DEFINITIONS", program=OWN, doms=doms)["kept"]) == 3
    for name in names:
        box.virtlxc("undefine", name).ok()


@pytest.mark.proves("NETWORK_START")
def test_a_network(box: Instance) -> None:
    xml = "<network><name>own</name><bridge name='ownbr'/><ip address='10.78.1.1' prefix='24'/>"
    box.virtlxc("net-define", box.write("net.xml", xml + "</network>")).ok()
    box.virtlxc("net-start", "own").ok()
    assert "10.78.1.1/24" in box.run("ip", "-o", "address", "show", "dev", "ownbr").ok()
    box.virtlxc("net-destroy", "own").ok()
    box.virtlxc("net-undefine", "own").ok()


@pytest.mark.proves("GUESTS_START", "GUESTS_STOP")
def test_the_end_of_a_host_and_its_beginning(instance: Instance) -> None:
    instance.define(DOMAIN.format(name="one", root=instance.busybox(), init="/sbin/init"))
    instance.virtlxc("autostart", "one").ok()
    instance.virtlxc("start", "one").ok()
    first = pid(instance, "one")
    wait_for("init", lambda: "0000000000000000" not in _caught(first))
    assert instance.virtlxc("guests-stop").stderr == ""
    assert not os.path.exists(f"/proc/{first}")
    instance.virtlxc("guests-start").ok()
    assert os.path.exists(f"/proc/{pid(instance, 'one')}/root/etc/inittab")


@pytest.mark.proves("PROGRAMS")
def test_a_shutdown_in_vain_names_what_runs(box: Instance) -> None:
    root = box.root / "rootfs"
    init = "/bin/sh</init><initarg>-c</initarg><initarg>trap : TERM HUP; while :; do sleep 99; done"
    xml = DOMAIN.format(name="stuck", root=root, init=init)
    box.define(xml.replace("sleep 99; done</init>", "sleep 99; done</initarg>"))
    box.virtlxc("start", "stuck").ok()
    first = pid(box, "stuck")
    wait_for("its trap", lambda: "0000000000000000" not in _caught(first))
    said = box.virtlxc("shutdown", "stuck", "--wait", "--timeout", "1").failed()
    assert "inside run " in said and ", sleep; look with" in said
    box.virtlxc("destroy", "stuck").ok()
    box.virtlxc("undefine", "stuck").ok()


@pytest.mark.proves("SET_LIMITS", "GET_LIMITS", "PROGRAMS")
def test_limits_of_our_own_and_what_runs_inside(box: Instance) -> None:
    live = 1
    with Connection(box.paths.socket) as ours:
        dom = ours.call("DOMAIN_LOOKUP_BY_NAME", name="box")["dom"]
        ours.call("SET_LIMITS", program=OWN, dom=dom, params=[("pids", 4, 321)], flags=live)
        folder = Virsh(box).leaf("box")
        group = folder.get("pids", folder[""])
        assert (group / "pids.max").read_text().strip() == "321"
        found = ours.call("GET_LIMITS", program=OWN, dom=dom, flags=live)["params"]
        assert ("pids", 4, 321) in [tuple(one) for one in found]
        assert "init" in ours.call("PROGRAMS", program=OWN, dom=dom)["names"]
