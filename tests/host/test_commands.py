"""The lives of domains by command: what is waited for, edited, refused, and what stays."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.lifelab import Lab, document, is_alive
from tests.terminal import Terminal

pytestmark = pytest.mark.host

DEAF = "#!/bin/sh\ntrap : TERM HUP\necho deaf\nwhile :; do sleep 1000; done\n"
TALKING = "#!/bin/sh\necho first words\nexec sleep 1000\n"


@pytest.fixture(scope="module")
def lab(shared_instance: Instance) -> Lab:
    return Lab(shared_instance)


@pytest.fixture
def box(lab: Lab) -> Iterator[str]:
    """A defined domain of the test's own, whose init a test may replace."""
    lab.define("box", init="/init")
    script(lab, TALKING)
    yield "box"
    lab.instance.virtlxc("destroy", "box")
    lab.instance.virtlxc("undefine", "box")


def script(lab: Lab, text: str) -> None:
    rootfs.script(lab.instance.root / "root-box", "/init", text)


def state(lab: Lab, name: str) -> str:
    return lab.instance.virtlxc("domstate", name, "--reason").ok().strip()


def pid_of(lab: Lab, name: str) -> int:
    return int(lab.instance.virtlxc("domid", name).ok())


def await_log(lab: Lab, name: str, text: str) -> None:
    wait_for(text, lambda: text in lab.instance.virtlxc("logs", name).stdout)


def test_a_shutdown_that_is_waited_for_destroys_only_by_force(lab: Lab, box: str) -> None:
    script(lab, DEAF)
    virtlxc = lab.instance.virtlxc
    virtlxc("start", box).ok()
    await_log(lab, box, "deaf")
    init = pid_of(lab, box)
    bounded = virtlxc("shutdown", box, "--wait", "--timeout", "1")
    assert (bounded.code, is_alive(init)) == (1, True), str(bounded)
    assert "it still runs after 1 s" in bounded.stderr
    forced = virtlxc("shutdown", box, "--wait", "--timeout", "1", "--force").ok()
    assert "Domain 'box' destroyed after 1 s" in forced
    assert state(lab, box) == "shut off (destroyed)"
    assert not is_alive(init)


@pytest.mark.parametrize("word", ["start", "create"])
def test_a_start_with_its_console(lab: Lab, box: str, word: str) -> None:
    instance = lab.instance
    given = box
    if word == "create":
        root = instance.root / "root-box"
        given = instance.write("create.xml", document("passing", root, "/init", ""))
    name = box if word == "start" else "passing"
    argv = instance.argv(word, given, "--console")
    terminal = Terminal(instance.spaces, argv, instance.environment())
    try:
        terminal.expect("first words")
        terminal.type("\x1d")
        assert terminal.end() == 0
    finally:
        terminal.close()
    assert f"Connected to domain '{name}'" in terminal.text()
    assert state(lab, name).startswith("running")
    instance.virtlxc("destroy", name).ok()


def test_autodestroy_ends_it_with_the_command(lab: Lab, box: str) -> None:
    assert "started" in lab.instance.virtlxc("start", box, "--autodestroy").ok()
    wait_for("its end", lambda: state(lab, box) == "shut off (destroyed)")


def test_a_reboot_can_be_an_end(lab: Lab) -> None:
    name = lab.define("once", init="/init", more="<on_reboot>destroy</on_reboot>")[0]
    lab.script(name, "trap 'reboot -f' HUP\necho ready\nwhile :; do sleep 0.1; done\n")
    try:
        lab.instance.virtlxc("start", name).ok()
        await_log(lab, name, "ready")
        init = pid_of(lab, name)
        os.kill(init, signal.SIGHUP)
        wait_for("its end", lambda: state(lab, name) == "shut off (shutdown)")
        assert not is_alive(init) and lab.instance.cgroups() == []
        assert lab.instance.virtlxc("logs", name).ok().count("ready") == 1
    finally:
        lab.instance.virtlxc("destroy", name)
        lab.instance.virtlxc("undefine", name)


def test_a_crashed_one_is_kept_until_it_is_destroyed(lab: Lab) -> None:
    ref = lab.define("kept", init="/init", more="<on_crash>preserve</on_crash>")
    name, virtlxc = ref[0], lab.instance.virtlxc
    lab.script(name, "echo last words\nexec sleep 1000\n")
    try:
        virtlxc("start", name).ok()
        await_log(lab, name, "last words")
        os.kill(pid_of(lab, name), signal.SIGKILL)
        wait_for("the crash", lambda: state(lab, name) == "crashed (unknown)", 30)
        for _ in range(2):
            assert "last words" in virtlxc("logs", name).ok()
            assert "crashed" in virtlxc("list", "--all").ok()
            assert (lab.folder(ref) / "status.json").exists()
            lab.instance.kill_daemon()
            lab.instance.start_daemon()
            lab.connect()
            assert state(lab, name) == "crashed (unknown)"
        virtlxc("destroy", name).ok()
        assert state(lab, name) == "shut off (destroyed)"
        assert not lab.folder(ref).exists()
    finally:
        virtlxc("destroy", name)
        virtlxc("undefine", name)


@pytest.mark.parametrize(("word", "old", "new"), [
    ("edit", "<memory unit='KiB'>65536", "<memory unit='KiB'>131072"),
    ("net-edit", "10.77.0.1", "10.78.0.1"),
])  # fmt: skip
def test_what_an_editor_saves_is_the_definition(
    lab: Lab, box: str, word: str, old: str, new: str
) -> None:
    virtlxc, paths = lab.instance.virtlxc, lab.instance.paths
    net = "<network><name>net7</name><ip address='10.77.0.1' prefix='24'/></network>"
    name = box if word == "edit" else "net7"
    show = "dumpxml" if word == "edit" else "net-dumpxml"
    if name == "net7":
        virtlxc("net-define", lab.instance.write("net7.xml", net)).ok()
    try:
        editor = lab.instance.write("editor", f'#!/bin/sh\nsed -i "s|{old}|{new}|" "$1"\n')
        os.chmod(editor, 0o755)
        assert old in virtlxc(show, name).ok()
        said = virtlxc(word, name, EDITOR=editor).ok()
        assert "edited" in said
        (stored,) = Path(paths.etc).rglob(f"{name}.xml")
        assert new in stored.read_text() and new in virtlxc(show, name).ok()
        assert old not in stored.read_text()
        assert "not changed" in virtlxc(word, name, EDITOR="true").ok()
    finally:
        if name == "net7":
            virtlxc("net-undefine", name).ok()


def test_a_plain_user_sees_every_step_of_a_start(lab: Lab, box: str) -> None:
    xml = lab.instance.virtlxc("dumpxml", box).ok()
    file = lab.instance.write("plan.xml", xml)
    os.chmod(file, 0o644)
    steps = lab.instance.virtlxc("plan", file, user=65534).ok()
    for step in ("phase 0: daemon", "pivot: the root becomes /", "execute init: /init"):
        assert step in steps
    numbers = [int(found) for found in re.findall(r"^ +(\d+)[+ ] ", steps, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 50


def test_what_a_domain_asks_for_protection_is_kept_or_refused(lab: Lab, box: str) -> None:
    virtlxc = lab.instance.virtlxc
    filtered = lab.define("filtered", devices="""<interface type='ethernet'>
        <filterref filter='clean-traffic'/></interface>""")[0]
    try:
        refused = virtlxc("start", filtered)
        assert refused.code == 1
        assert (
            "cannot start domain 'filtered': keep the promises of its XML: /domain/devices/"
            "interface/filterref has no effect: packet filters are not set up (take it out, or "
            "start with --ignore filterref)"
        ) in refused.stderr
        assert lab.instance.cgroups() == [] and lab.instance.links() == []
        virtlxc("start", filtered, "--ignore", "filterref").ok()
        virtlxc("destroy", filtered).ok()
    finally:
        virtlxc("undefine", filtered)


def test_a_host_may_demand_user_namespaces(instance: Instance) -> None:
    lab = Lab(instance)
    ref = lab.define("rooted")
    config = Path(instance.paths.etc) / "virtlxc.toml"
    config.write_text("require_idmap = true\n")
    instance.stop_daemon()
    instance.start_daemon()
    refused = instance.virtlxc("start", ref[0])
    assert refused.code == 1 and "<idmap>" in refused.stderr, str(refused)
    assert instance.cgroups() == []


def test_the_version_of_our_own_daemon(lab: Lab) -> None:
    said = lab.instance.virtlxc("version", "--daemon").ok()
    assert re.search(r"^Compiled against library: libvirt \d+\.\d+\.\d+$", said, re.MULTILINE), said
    assert re.search(r"^Running against daemon: \d+\.\d+\.\d+$", said, re.MULTILINE), said


def test_a_shared_ipc_namespace_is_the_other_s_for_exec_too(lab: Lab, box: str) -> None:
    virtlxc = lab.instance.virtlxc
    name = lab.define("sharer", init="/init", more="""
        <lxc:namespace xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>
        <lxc:shareipc type='name' value='box'/></lxc:namespace>""")[0]
    lab.script(name, "exec sleep 1000\n")
    try:
        virtlxc("start", box).ok()
        virtlxc("start", name).ok()
        own, theirs = (
            {kind: os.readlink(f"/proc/{pid_of(lab, one)}/ns/{kind}") for kind in ("ipc", "uts")}
            for one in (name, box)
        )
        assert own["ipc"] == theirs["ipc"] != os.readlink("/proc/self/ns/ipc")
        assert own["uts"] != theirs["uts"]
        entered = virtlxc("exec", name, "--", "readlink", "/proc/self/ns/ipc").ok().strip()
        assert entered == theirs["ipc"]
    finally:
        virtlxc("destroy", name)
        virtlxc("undefine", name)


def test_a_clock_s_timer_is_a_node_inside_or_refused(lab: Lab) -> None:
    """Which of the two depends on the host: many machines have no such device."""
    virtlxc = lab.instance.virtlxc
    for timer, host in (("rtc", "/dev/rtc0"), ("hpet", "/dev/hpet")):
        name = lab.define(f"timed-{timer}", more=f"""
            <clock offset='localtime'><timer name='{timer}' present='yes'/></clock>""")[0]
        try:
            ran = virtlxc("start", name)
            if os.path.exists(host):
                assert ran.code == 0, str(ran)
                number = os.stat(host).st_rdev
                wanted = f"{os.major(number):x}:{os.minor(number):x}"
                look = virtlxc("exec", name, "--", "stat", "-c", "%t:%T", f"/dev/{timer}")
                assert look.ok().strip() == wanted
            else:
                assert f"the host has no {host}, which <clock> asks for" in ran.failed()
                assert lab.instance.cgroups() == []
        finally:
            virtlxc("destroy", name)
            virtlxc("undefine", name)


def test_two_commands_at_once_start_one_daemon() -> None:
    instance = Instance(start=False)
    try:
        Path(instance.paths.etc).mkdir(parents=True)
        refused = instance.virtlxc("list", user=65534).failed()
        assert "error: " in refused and not Path(instance.paths.lock).exists(), refused
        said: list[str] = []
        codes: list[int] = []

        def ask() -> None:
            ran = instance.virtlxc("list", "--name", SECRET="of the caller")
            codes.append(ran.code)
            said.append(ran.stderr)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        started = [text for text in said if "the daemon was not running: started it" in text]
        assert (len(started), codes) == (1, [0, 0]), said
        pid = int(Path(instance.paths.lock).read_text())
        assert f"(pid {pid}," in started[0]
        assert os.getsid(pid) == pid
        assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        assert f"virtlxc-{instance.paths.instance}.daemon" in groups
        assert groups != Path("/proc/self/cgroup").read_text()
        os.kill(pid, signal.SIGTERM)
        wait_for("the daemon to end", lambda: not Path(f"/proc/{pid}").exists())
    finally:
        instance.close()
