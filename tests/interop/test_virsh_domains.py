"""The real virsh drives domains; what it changed is read back from the kernel or from disk."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.interop.virsh import DOMAIN, Terminal, Virsh

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def root(shared_instance: Instance) -> Path:
    return shared_instance.busybox()


@pytest.fixture(scope="module")
def virsh(shared_instance: Instance) -> Virsh:
    return Virsh(shared_instance)


@pytest.fixture
def idle(virsh: Virsh, root: Path) -> Iterator[str]:
    """A domain that is defined and does not run."""
    virsh.define("idle", root)
    yield "idle"
    virsh("destroy", "idle")
    virsh("undefine", "idle")


@pytest.fixture
def web(virsh: Virsh, root: Path) -> Iterator[str]:
    """A domain that runs."""
    virsh.define("web", root)
    virsh("start", "web").ok()
    yield "web"
    virsh("destroy", "web")
    virsh("undefine", "web")


def test_define_list_undefine(virsh: Virsh, root: Path) -> None:
    virsh.define("one", root)
    assert Path(virsh.instance.paths.domain_xml("one")).exists()
    assert virsh("list", "--all", "--name").ok().split() == ["one"]
    assert virsh("list", "--name").ok().split() == []
    assert virsh("domstate", "one").ok().strip() == "shut off"
    virsh("undefine", "one").ok()
    assert not Path(virsh.instance.paths.domain_xml("one")).exists()
    assert virsh("list", "--all", "--name").ok().split() == []


def test_start_and_destroy(virsh: Virsh, idle: str) -> None:
    virsh("start", idle).ok()
    pid = virsh.id_of(idle)
    assert Path(f"/proc/{pid}/root/etc/inittab").exists()
    assert Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    assert virsh("domstate", "--reason", idle).ok().strip() == "running (booted)"
    virsh("destroy", idle).ok()
    assert not Path(f"/proc/{pid}").exists()
    assert virsh("domstate", "--reason", idle).ok().strip() == "shut off (destroyed)"


def test_create_is_transient(virsh: Virsh, root: Path) -> None:
    xml = DOMAIN.format(name="fleeting", root=root, init="/sbin/init")
    virsh("create", virsh.instance.write("fleeting.xml", xml)).ok()
    assert "Persistent:     no" in virsh("dominfo", "fleeting").ok()
    assert not Path(virsh.instance.paths.domain_xml("fleeting")).exists()
    virsh("destroy", "fleeting").ok()
    assert virsh("list", "--all", "--name").ok().split() == []


def test_start_paused_and_resume(virsh: Virsh, root: Path) -> None:
    """Nothing of init runs before: not even its first act, on its console or on the disk."""
    first = root / "bin/first"
    first.write_text("#!/bin/sh\necho first words\ntouch /tmp/first-act\nexec sleep 600\n")
    first.chmod(0o755)
    virsh.define("firstling", root, "/bin/first")
    done = root / "tmp/first-act"
    log = Path(virsh.instance.paths.domain_log("firstling"))
    try:
        virsh("start", "--paused", "firstling").ok()
        assert virsh("domstate", "--reason", "firstling").ok().strip() == "paused (starting up)"
        pid = virsh.id_of("firstling")
        time.sleep(0.2)
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sh\0/bin/first\0"
        assert not done.exists() and "first words" not in log.read_text()
        virsh("resume", "firstling").ok()
        assert virsh("domstate", "--reason", "firstling").ok().strip() == "running (unpaused)"
        wait_for("its first act", done.exists)
        wait_for("its words", lambda: "first words" in log.read_text())
    finally:
        virsh("destroy", "firstling")
        virsh("undefine", "firstling").ok()
        done.unlink(missing_ok=True)


def test_suspend_freezes(virsh: Virsh, web: str) -> None:
    virsh("suspend", web).ok()
    frozen = virsh.leaf(web)[""] / "cgroup.events"
    wait_for("the freezer", lambda: "frozen 1" in frozen.read_text())
    assert virsh("domstate", "--reason", web).ok().strip() == "paused (user)"
    virsh("resume", web).ok()
    wait_for("the thaw", lambda: "frozen 0" in frozen.read_text())


def test_autodestroy(virsh: Virsh, idle: str) -> None:
    """The domain ends with the connection that started it."""
    script = f"start --autodestroy {idle}; domstate {idle}"
    assert "running" in virsh(script).ok()
    wait_for("its end", lambda: virsh("domstate", idle).ok().strip() == "shut off")


def test_signals_reach_init(virsh: Virsh, root: Path) -> None:
    trap = root / "bin/trapper"
    trap.write_text(
        "#!/bin/sh\ntrap 'echo got usr1 > /tmp/signal' USR1\nwhile :; do sleep 1 & wait $!; done\n"
    )
    trap.chmod(0o755)
    virsh.define("trapper", root, "/bin/trapper")
    try:
        virsh("start", "trapper").ok()
        time.sleep(0.3)
        virsh("send-process-signal", "trapper", "1", "SIGUSR1").ok()
        wait_for("the trap", lambda: (root / "tmp/signal").exists())
    finally:
        virsh("destroy", "trapper")
        virsh("undefine", "trapper").ok()


def test_descriptors_are_passed(virsh: Virsh, root: Path) -> None:
    """``start --pass-fds``: the first one is init's descriptor 3."""
    writer = root / "bin/writer"
    writer.write_text("#!/bin/sh\necho from inside >&3\nexec sleep 600\n")
    writer.chmod(0o755)
    virsh.define("writer", root, "/bin/writer")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        argv = virsh.argv("start", "writer", "--pass-fds", str(writing))
        assert os.spawnvp(os.P_WAIT, argv[0], argv) == 0
        os.set_blocking(reading, False)
        wait_for("the line", lambda: select.select([reading], [], [], 0.1)[0], 5)
        assert os.read(reading, 100) == b"from inside\n"
    finally:
        os.close(reading)
        os.close(writing)
        virsh("destroy", "writer")
        virsh("undefine", "writer").ok()


def test_autostart_is_a_link(virsh: Virsh, idle: str) -> None:
    link = Path(virsh.instance.paths.autostart) / f"{idle}.xml"
    virsh("autostart", idle).ok()
    assert link.is_symlink()
    assert "Autostart:      enable" in virsh("dominfo", idle).ok()
    virsh("autostart", "--disable", idle).ok()
    assert not link.exists()


def test_what_dominfo_says(virsh: Virsh, web: str) -> None:
    fields = dict(
        line.split(":", 1) for line in virsh("dominfo", web).ok().splitlines() if ":" in line
    )
    found = {name: value.strip() for name, value in fields.items()}
    assert found["OS Type"] == "exe"
    assert found["State"] == "running"
    assert found["Max memory"] == "65536 KiB"
    assert found["UUID"] == virsh("domuuid", web).ok().strip()
    assert int(found["Id"]) == virsh.id_of(web)


def test_dumpxml_of_both_definitions(virsh: Virsh, web: str) -> None:
    live, config = virsh("dumpxml", web).ok(), virsh("dumpxml", "--inactive", web).ok()
    assert f"<domain type='lxc' id='{virsh.id_of(web)}'>" in live
    assert "id=" not in config.splitlines()[0]
    assert "<emulator>/usr/lib/libvirt/libvirt_lxc</emulator>" in config


def test_memory_limits_are_the_kernels(virsh: Virsh, web: str) -> None:
    virsh("memtune", web, "--hard-limit", "49152", "--live").ok()
    leaf = virsh.leaf(web)
    folder = leaf.get("memory", leaf[""])
    files = [folder / name for name in ("memory.max", "memory.limit_in_bytes")]
    text = next(file for file in files if file.exists()).read_text()
    assert int(text) == 49152 * 1024
    assert "hard_limit     : 49152" in virsh("memtune", web).ok()


def test_what_is_told_of_memory_is_what_holds(virsh: Virsh, web: str) -> None:
    virsh("memtune", web, "--hard-limit", "49152", "--live").ok()
    virsh("setmem", web, "32768", "--live").ok()
    rows = virsh("dommemstat", web).ok().splitlines()
    told = {name: int(value) for name, value in (line.split() for line in rows if line)}
    assert (told["actual"], told["available"]) == (32768, 32768)
    assert told["unused"] < 32768
    assert "hard_limit     : 32768" in virsh("memtune", web).ok()


def test_shares_are_the_kernels(virsh: Virsh, web: str) -> None:
    virsh("schedinfo", web, "--live", "--set", "vcpu_quota=50000").ok()
    leaf = virsh.leaf(web)
    folder = leaf.get("cpu", leaf[""])
    files = [folder / name for name in ("cpu.max", "cpu.cfs_quota_us")]
    text = next(file for file in files if file.exists()).read_text()
    assert text.split()[0] == "50000"
    assert "vcpu_quota     : 50000" in virsh("schedinfo", web).ok()


def test_a_change_of_the_definition_alone(virsh: Virsh, web: str) -> None:
    virsh("memtune", web, "--hard-limit", "40960", "--config").ok()
    assert "<hard_limit unit='KiB'>40960</hard_limit>" in virsh("dumpxml", "--inactive", web).ok()
    assert "<hard_limit unit='KiB'>40960</hard_limit>" not in virsh("dumpxml", web).ok()


def test_title_description_and_metadata(virsh: Virsh, idle: str) -> None:
    virsh("desc", idle, "--title", "a shop").ok()
    virsh("desc", idle, "sells things").ok()
    virsh("metadata", idle, "urn:shop", "--key", "s", "--set", "<owner>me</owner>").ok()
    text = Path(virsh.instance.paths.domain_xml(idle)).read_text()
    assert "<title>a shop</title>" in text
    assert "<description>sells things</description>" in text
    assert "me</" in virsh("metadata", idle, "urn:shop").ok()
    virsh("metadata", idle, "urn:shop", "--remove").ok()
    failed = virsh("metadata", idle, "urn:shop").failed()
    assert "metadata not found: Requested metadata element is not present" in failed


def test_statistics(virsh: Virsh, web: str) -> None:
    assert "cpu_time" in virsh("cpu-stats", web, "--total").ok()
    assert int(dict(line.split() for line in virsh("dommemstat", web).ok().splitlines() if line)[
        "rss"
    ]) > 0  # fmt: skip
    both = virsh("domstats", "--state", "--cpu-total").ok()
    assert "state.state=1" in both
    assert "cpu.time=" in both


def test_enter_namespace(virsh: Virsh, web: str) -> None:
    inside = virsh("lxc-enter-namespace", web, "--noseclabel", "/bin/ps").ok()
    assert " 1 " in inside
    assert "init" in inside


def view(virsh: Virsh, name: str) -> Terminal:
    """A person's console, once the guest asks to press Enter."""
    terminal = Terminal(["env", "TERM=dumb", *virsh.argv("console", name)])
    try:
        terminal.expect(b"Escape character is ^] (Ctrl + ])")
        terminal.expect(b"activate this console.")
    except BaseException:
        terminal.kill()
        raise
    return terminal


def test_console_of_a_person(virsh: Virsh, web: str) -> None:
    terminal = view(virsh, web)
    try:
        terminal.type(b"\r")
        terminal.expect(b"#")
        terminal.type(b"echo sum $((40+2)) > /tmp/typed; cat /tmp/typed\r")
        terminal.expect(b"sum 42\r\n")
        terminal.type(b"\x1d")
        assert terminal.end() == 0
    except BaseException:
        terminal.kill()
        raise


def test_two_viewers_see_the_same(virsh: Virsh, web: str) -> None:
    viewers = [view(virsh, web) for _ in range(2)]
    try:
        viewers[0].type(b"\r")
        viewers[0].expect(b"#")
        viewers[0].type(b"echo both $((20+3))\r")
        for viewer in viewers:
            viewer.expect(b"both 23")
            viewer.type(b"\x1d")
            assert viewer.end() == 0
    except BaseException:
        for viewer in viewers:
            viewer.kill()
        raise


def test_a_viewer_that_stops_holds_up_nobody(virsh: Virsh, web: str) -> None:
    """Its terminal is stopped while the guest shouts; the daemon serves others."""
    stopped = view(virsh, web)
    try:
        stopped.type(b"\r")
        stopped.expect(b"#")
        stopped.type(b"yes & sleep 2; kill $!\r")
        os.kill(stopped.pid, signal.SIGSTOP)
        for _ in range(5):
            assert virsh("domstate", web).ok().strip() == "running"
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.kill()


def test_events_of_a_life(virsh: Virsh, root: Path) -> None:
    argv = virsh.argv("event", "--all", "--loop", "--timeout", "20")
    out = virsh.instance.root / "events"
    with out.open("wb") as file:
        watcher = virsh.instance.spaces.popen(
            ["env", "LC_ALL=C", "stdbuf", "-oL", *argv], stdout=file, stderr=file
        )
        time.sleep(0.7)
        virsh.define("eventful", root)
        for words in (
            ("start", "eventful"), ("suspend", "eventful"), ("resume", "eventful"),
            ("desc", "eventful", "--title", "t"), ("destroy", "eventful"),
            ("undefine", "eventful"),
        ):  # fmt: skip
            virsh(*words).ok()
        wait_for("the last event", lambda: "Undefined Removed" in out.read_text())
        watcher.send_signal(signal.SIGINT)
        watcher.wait(60)
    lines = [line for line in out.read_text().splitlines() if line.startswith("event '")]
    assert lines == [
        "event 'lifecycle' for domain 'eventful': Defined Added",
        "event 'lifecycle' for domain 'eventful': Started Booted",
        "event 'lifecycle' for domain 'eventful': Suspended Paused",
        "event 'lifecycle' for domain 'eventful': Resumed Unpaused",
        "event 'metadata-change' for domain 'eventful': type title, uri <null>",
        "event 'lifecycle' for domain 'eventful': Stopped Destroyed",
        "event 'lifecycle' for domain 'eventful': Undefined Removed",
    ]


# (command line, what virsh prints on standard error)
REFUSED = [
    ("dominfo nobody", "error: failed to get domain 'nobody'"),
    ("destroy idle", "error: Requested operation is not valid: domain is not running"),
    ("suspend idle", "error: Requested operation is not valid: domain is not running"),
    ("save idle /nowhere",
     "error: this function is not supported by the connection driver: virDomainSave"),
    ("snapshot-create idle", "error: this function is not supported by the connection driver: "
     "virDomainSnapshotCreateXML"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text"), REFUSED)
def test_refusals(virsh: Virsh, idle: str, line: str, text: str) -> None:
    result = virsh(*line.split())
    assert text in result.failed()


def test_the_read_only_connection(virsh: Virsh, web: str) -> None:
    def readonly(*words: str) -> str:
        argv = virsh.argv(*words)
        return virsh.instance.run(*argv[: -len(words)], "-r", *words).failed()

    for words in (("destroy", web), ("suspend", web), ("memtune", web, "65536", "--live")):
        assert "read only access prevents" in readonly(*words)
    argv = virsh.argv("-r", "list", "--name")
    assert virsh.instance.run(*argv).ok().split() == [web]


def test_several_commands_on_one_connection(virsh: Virsh, web: str) -> None:
    words = f"domid {web}; domname {virsh.id_of(web)}; hostname; uri"
    out = virsh(words).ok().split()
    assert out == [str(virsh.id_of(web)), web, os.uname().nodename, virsh.uri]


def test_what_containers_never_have_is_an_empty_list(virsh: Virsh, idle: str) -> None:
    for words in (
        ("snapshot-list", idle, "--name"), ("checkpoint-list", idle, "--name"), ("secret-list",),
        ("nwfilter-list",), ("nwfilter-binding-list",),
    ):  # fmt: skip
        out = virsh(*words).ok()
        assert len(out.strip().splitlines()) <= 2, out
    assert virsh("domjobinfo", idle).ok().split() == ["Job", "type:", "None"]
