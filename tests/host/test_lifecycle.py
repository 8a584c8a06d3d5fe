"""The life of a domain on the real kernel, driven over the wire."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.host.lifelab import CRASHED, PAUSED, RUNNING, SHUTOFF, Lab, Ref, document, is_alive
from virtlxc.driver.constants import Event, Start
from virtlxc.errors import Code, VirtlxcError
from virtlxc.rpc.client import Connection

pytestmark = pytest.mark.host

LIFECYCLE, REBOOT = 0, 1


@pytest.fixture(scope="module")
def lab(shared_instance: Instance) -> Lab:
    return Lab(shared_instance)


@pytest.fixture
def domain(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Ref]:
    """A defined busybox domain of the test's own name; gone afterwards."""
    ref = lab.define(request.node.name.removeprefix("test_").partition("[")[0][:40])
    yield ref
    remove(lab, ref)


def remove(lab: Lab, ref: Ref) -> None:
    for name in ("DOMAIN_DESTROY", "DOMAIN_UNDEFINE"):
        try:
            lab.call(name, dom=ref)
        except VirtlxcError as error:
            assert error.code in (Code.OPERATION_INVALID, Code.NO_DOMAIN), error


@pytest.mark.kernel
def test_start_and_destroy(lab: Lab, domain: Ref) -> None:
    started = lab.start(domain)
    assert started[2] > 0
    assert lab.state(domain) == (RUNNING, 1)
    controller = lab.controller(domain)
    title = Path(f"/proc/{controller}/cmdline").read_text().replace("\0", " ")
    assert title.startswith(f"libvirt_lxc --name {domain[0]} --uuid ")
    assert b"activate this console" in lab.console(domain, b"activate this console")
    lab.destroy(domain)
    assert lab.state(domain) == (SHUTOFF, 2)
    assert not is_alive(started[2])
    assert not is_alive(controller)
    assert not lab.folder(domain).exists()
    assert lab.instance.cgroups() == []


@pytest.mark.kernel
def test_a_start_returns_when_everything_is_in_place(lab: Lab) -> None:
    """Everything is stopped as soon as the reply is there: what is not done by then, shows."""
    lab.instance.bridge("br7")
    ref = lab.define("ready", more="<cputune><shares>512</shares></cputune>", devices="""
        <interface type='bridge'><source bridge='br7'/><mac address='52:54:00:00:00:07'/>
        <target dev='vready'/><guest dev='lan0'/></interface>""")
    try:
        started = lab.start(ref)
        controller = lab.controller(ref)
        os.kill(controller, signal.SIGSTOP)
        os.kill(started[2], signal.SIGSTOP)
        assert os.readlink(f"/proc/{started[2]}/exe").endswith("busybox")
        groups = Path(f"/proc/{started[2]}/cgroup").read_text()
        leaf = f"/machine/lxc-{lab.instance.paths.instance}-{controller}-ready.libvirt-lxc"
        assert f"0::{leaf}/payload/init\n" in groups
        files = {"memory.limit_in_bytes": "67108864", "memory.max": "67108864",
                 "cpu.shares": "512", "cpu.weight": "59"}  # fmt: skip
        found = {
            path.name: path.read_text().strip()
            for group in lab.instance.cgroups()
            for name in files
            for path in (group / name, group / "payload" / name)
            if path.exists()
        }
        assert len(found) >= 2
        assert found == {name: files[name] for name in found}
        ports = lab.instance.run("ip", "-o", "link", "show", "master", "br7", "up").ok()
        assert "vready@" in ports
        inside = Path(f"/proc/{started[2]}/net/dev").read_text()
        assert "lan0:" in inside
        status = json.loads((lab.folder(ref) / "status.json").read_text())
        assert status["run"]["init"]["pid"] == started[2]
        assert status["run"]["links"] == [["vready", "lan0"]]
        os.kill(controller, signal.SIGCONT)
        os.kill(started[2], signal.SIGCONT)
        lab.console(ref, b"up as ready")
    finally:
        remove(lab, ref)
    # A destroyed domain's pair is out of the way at once; the kernel deletes it soon after.
    wait_for("the deleted pair", lambda: lab.instance.links() == ["br7"])


@pytest.mark.kernel
def test_pause_and_resume(lab: Lab, domain: Ref) -> None:
    lab.start(domain)
    lab.call("DOMAIN_SUSPEND", dom=domain)
    assert lab.state(domain) == (PAUSED, 1)
    with pytest.raises(VirtlxcError, match="it is paused, so its init cannot act"):
        lab.call("DOMAIN_SHUTDOWN", dom=domain)
    lab.call("DOMAIN_RESUME", dom=domain)
    assert lab.state(domain) == (RUNNING, 5)
    lab.call("DOMAIN_SUSPEND", dom=domain)
    lab.destroy(domain)
    assert lab.state(domain)[0] == SHUTOFF


def test_shutdown_of_busybox_is_clean(lab: Lab, domain: Ref) -> None:
    lab.start(domain)
    lab.console(domain, b"activate this console")
    how = lab.connection.call("SHUTDOWN", program="virtlxc", dom=domain, flags=0)["how"]
    assert how == "sent SIGUSR2 to busybox init"
    assert lab.await_state(domain, SHUTOFF) == (SHUTOFF, 1)
    text = lab.connection.call("STATUS", program="virtlxc", dom=domain)["text"]
    assert text.startswith("init powered off after ")


def test_reboot_gives_a_new_init_under_the_same_controller(lab: Lab, domain: Ref) -> None:
    before = lab.start(domain)[2]
    controller = lab.controller(domain)
    lab.console(domain, b"activate this console")
    lab.call("DOMAIN_REBOOT", dom=domain, flags=0)
    wait_for("another init", lambda: lab.id(domain) not in (before, -1))
    assert lab.controller(domain) == controller
    assert lab.state(domain)[0] == RUNNING
    text = lab.connection.call("STATUS", program="virtlxc", dom=domain)["text"]
    assert text.endswith("booted 2 times")


def test_a_shutdown_overrules_the_reboot_before_it(lab: Lab, domain: Ref) -> None:
    lab.start(domain)
    lab.console(domain, b"activate this console")
    lab.call("DOMAIN_REBOOT", dom=domain, flags=0)
    lab.call("DOMAIN_SHUTDOWN", dom=domain)
    assert lab.await_state(domain, SHUTOFF) == (SHUTOFF, 1)


SLOW = """until [ -e /go ]; do :; done
trap 'exit 0' TERM
while :; do sleep 1 & wait $!; done
"""


def test_an_init_that_has_only_begun_is_waited_for(lab: Lab) -> None:
    """A system's own does much before it sets up its signals."""
    ref = lab.define("slow", init="/init")
    lab.script("slow", SLOW)
    # It listens when that is there, a while after it was asked.
    listen = threading.Timer(1.0, (lab.instance.root / "root-slow/go").touch)
    try:
        lab.start(ref)
        listen.start()
        lab.call("DOMAIN_SHUTDOWN", dom=ref)
        listen.join()
        assert lab.await_state(ref, SHUTOFF) == (SHUTOFF, 1)
    finally:
        remove(lab, ref)


def test_a_destroy_overtakes_a_shutdown_that_waits(lab: Lab) -> None:
    ref = lab.define("slow", init="/init")
    lab.script("slow", "while :; do :; done\n")
    try:
        lab.start(ref)
        caught: list[VirtlxcError] = []
        asking = threading.Thread(target=_shut_down, args=(lab.instance, ref, caught))
        asking.start()
        time.sleep(0.5)
        lab.destroy(ref)
        asking.join(5)
        assert not asking.is_alive()
        assert re.search("ended by a destroy meanwhile|not running", caught[0].message)
    finally:
        remove(lab, ref)


def _shut_down(instance: Instance, ref: Ref, caught: list[VirtlxcError]) -> None:
    try:
        with Connection(instance.paths.socket) as other:
            other.call("DOMAIN_SHUTDOWN", dom=ref)
    except VirtlxcError as error:
        caught.append(error)


def test_an_init_that_would_not_notice_is_an_error(lab: Lab) -> None:
    ref = lab.define("deaf", init="/init")
    lab.script("deaf", "exec sleep 1000\n")
    try:
        lab.start(ref)
        wait_for("sleep", lambda: "sleep" in Path(f"/proc/{lab.id(ref)}/cmdline").read_text())
        with pytest.raises(VirtlxcError) as caught:
            lab.call("DOMAIN_SHUTDOWN", dom=ref)
        assert "neither handles nor waits for that signal" in caught.value.message
        assert "(virtlxc destroy deaf)" in caught.value.message
        assert caught.value.code == Code.OPERATION_FAILED
    finally:
        remove(lab, ref)


def test_initctl_is_written_for_an_init_that_reads_it(lab: Lab) -> None:
    ref = lab.define("sysv", init="/init")
    lab.script("sysv", "mkfifo /run/initctl\nhead -c 384 /run/initctl | hexdump -C | head -1\n")
    try:
        lab.start(ref)
        fifo = lab.instance.root / "root-sysv/run/initctl"
        wait_for("the FIFO", fifo.exists)
        time.sleep(0.2)
        how = lab.connection.call("SHUTDOWN", program="virtlxc", dom=ref, flags=4)["how"]
        assert how == "asked init by /run/initctl"
        assert lab.await_state(ref, SHUTOFF) == (SHUTOFF, 1)
        log = (lab.instance.root / "var/log/virtlxc/sysv.log").read_bytes()
        assert b"69 19 09 03 01 00 00 00" in log
    finally:
        remove(lab, ref)


def test_an_initctl_that_is_a_link_out_of_the_guest_is_not_followed(lab: Lab) -> None:
    outside = lab.instance.root / "outside"
    os.mkfifo(outside)
    ref = lab.define("liar", init="/init")
    lab.script("liar", f"ln -sf {outside} /run/initctl\ntrap 'exit 0' TERM\nsleep 1000 & wait\n")
    try:
        lab.start(ref)
        link = lab.instance.root / "root-liar/run/initctl"
        wait_for("the link", link.is_symlink)
        reader = os.open(outside, os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(VirtlxcError, match="its init has no initctl FIFO"):
            lab.call("DOMAIN_SHUTDOWN_FLAGS", dom=ref, flags=4)
        assert os.read(reader, 10) == b""
        os.close(reader)
    finally:
        remove(lab, ref)


def test_transient_domains_vanish_when_they_stop(lab: Lab) -> None:
    root = lab.instance.busybox("root-brief")
    xml = document("brief", root, "/sbin/init", "")
    ref = lab.ref_of(lab.call("DOMAIN_CREATE_XML", xml_desc=xml, flags=0))
    assert lab.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"] == 0
    for name, fields in (("DOMAIN_SET_AUTOSTART", {"autostart": 1}), ("DOMAIN_UNDEFINE", {})):
        with pytest.raises(VirtlxcError) as caught:
            lab.call(name, dom=ref, **fields)
        assert caught.value.code == Code.OPERATION_INVALID
    with pytest.raises(VirtlxcError, match="domain 'brief' is already active"):
        lab.call("DOMAIN_CREATE_XML", xml_desc=xml.replace("<name>", f"<uuid>{ref[1].hex()}</uuid>"
                                                           "<name>", 1), flags=0)
    lab.destroy(ref)
    with pytest.raises(VirtlxcError) as caught:
        lab.state(ref)
    assert caught.value.code == Code.NO_DOMAIN


def test_define_makes_a_running_transient_domain_persistent(lab: Lab) -> None:
    root = lab.instance.busybox("root-stays")
    xml = document("stays", root, "/sbin/init", "")
    ref = lab.ref_of(lab.call("DOMAIN_CREATE_XML", xml_desc=xml, flags=0))
    try:
        live = lab.call("DOMAIN_GET_XML_DESC", dom=ref, flags=0)["xml"]
        lab.call("DOMAIN_DEFINE_XML", xml=live)
        assert lab.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"] == 1
        lab.call("DOMAIN_UNDEFINE", dom=ref)
        assert lab.call("DOMAIN_IS_PERSISTENT", dom=ref)["persistent"] == 0
        assert lab.state(ref)[0] == RUNNING
        lab.call("DOMAIN_DEFINE_XML", xml=live)
        lab.destroy(ref)
        assert lab.state(ref) == (SHUTOFF, 2)
    finally:
        remove(lab, ref)


@pytest.mark.parametrize(
    ("call", "fields", "text"),
    [
        ("DOMAIN_DESTROY", {}, "Requested operation is not valid: domain is not running"),
        ("DOMAIN_SUSPEND", {}, "Requested operation is not valid: domain is not running"),
        ("DOMAIN_SHUTDOWN", {}, "Requested operation is not valid: domain is not running"),
        ("DOMAIN_MEMORY_STATS", {"maxStats": 10, "flags": 0},
         "Requested operation is not valid: domain is not running"),
        ("DOMAIN_DESTROY_FLAGS", {"flags": 1},
         "invalid argument: unsupported flags (0x1) in function lxcDomainDestroyFlags"),
    ],
)  # fmt: skip
def test_refused_when_off(
    lab: Lab, domain: Ref, call: str, fields: dict[str, int], text: str
) -> None:
    with pytest.raises(VirtlxcError) as caught:
        lab.call(call, dom=domain, **fields)
    assert caught.value.message == text


def test_refused_when_on(lab: Lab, domain: Ref) -> None:
    lab.start(domain)
    with pytest.raises(VirtlxcError, match="domain is already running") as caught:
        lab.start(domain)
    assert caught.value.code == Code.OPERATION_INVALID
    with pytest.raises(VirtlxcError, match="cannot rename active domain"):
        lab.call("DOMAIN_RENAME", dom=domain, new_name="other", flags=0)


def test_rename(lab: Lab, domain: Ref) -> None:
    lab.call("DOMAIN_SET_AUTOSTART", dom=domain, autostart=1)
    lab.call("DOMAIN_RENAME", dom=domain, new_name="renamed", flags=0)
    found = lab.ref_of(lab.call("DOMAIN_LOOKUP_BY_NAME", name="renamed"))
    assert found[1] == domain[1]
    folder = lab.instance.root / "etc/virtlxc/lxc"
    assert not (folder / f"{domain[0]}.xml").exists()
    assert (folder / "autostart/renamed.xml").read_text().count("<name>renamed</name>") == 1
    assert lab.call("DOMAIN_GET_AUTOSTART", dom=domain)["autostart"] == 1


def test_a_failing_start_leaves_nothing(lab: Lab) -> None:
    ref = lab.define("broken", init="/init")
    lab.script("broken", "")
    os.chmod(lab.instance.root / "root-broken/init", 0o644)
    try:
        with pytest.raises(VirtlxcError) as caught:
            lab.start(ref)
        assert caught.value.message.startswith("cannot start domain 'broken': ")
        (lab.instance.root / "root-broken/init").write_text("#!/no/such/interpreter\n")
        os.chmod(lab.instance.root / "root-broken/init", 0o755)
        with pytest.raises(VirtlxcError) as caught:
            lab.start(ref)
        assert caught.value.message.startswith("cannot start domain 'broken': execute init: ")
        assert not lab.folder(ref).exists()
        assert lab.instance.cgroups() == []
        assert lab.state(ref)[0] == SHUTOFF
    finally:
        remove(lab, ref)


def test_an_init_that_exits_at_once_has_been_started(lab: Lab) -> None:
    ref = lab.define("short", init="/init")
    lab.script("short", "echo bye\nexit 3\n")
    try:
        assert lab.start(ref)[2] > 0
        assert lab.await_state(ref, SHUTOFF) == (SHUTOFF, 3)
        text = lab.connection.call("STATUS", program="virtlxc", dom=ref)["text"]
        assert re.match(r"init exited with status 3 after \d+\.\d+ s", text), text
        log = lab.connection.call("LOGS", program="virtlxc", dom=ref, offset=0, size=4096)
        assert b"bye" in log["data"]
    finally:
        remove(lab, ref)


def test_on_crash_restarts_with_back_off_and_destroy_ends_that(lab: Lab) -> None:
    ref = lab.define("crashy", init="/init", more="<on_crash>restart</on_crash>")
    lab.script("crashy", "read up idle < /proc/uptime; echo $up >> /runs\nexit 1\n")
    runs = lab.instance.root / "root-crashy/runs"
    try:
        lab.start(ref)
        wait_for("a third run", lambda: runs.exists() and len(runs.read_text().split()) >= 3)
        first, second, third = map(float, runs.read_text().split()[:3])
        # By the guests' own clock, in hundredths of a second.
        assert second - first > 0.98
        assert third - second > 1.98
        lab.await_state(ref, SHUTOFF)
        lab.destroy(ref)
        count = len(runs.read_text().split())
        time.sleep(4.5)
        assert len(runs.read_text().split()) == count
        # Destroyed while it waited; or crashed, where it ended by itself just before.
        assert lab.state(ref) in ((SHUTOFF, 2), (SHUTOFF, 3))
    finally:
        remove(lab, ref)


def test_on_crash_preserve_shows_crashed(lab: Lab) -> None:
    ref = lab.define("kept", more="<on_crash>preserve</on_crash>")
    try:
        os.kill(lab.start(ref)[2], signal.SIGKILL)
        assert lab.await_state(ref, CRASHED) == (CRASHED, 0)
        assert lab.id(ref) == -1
        lab.destroy(ref)
        assert lab.state(ref) == (SHUTOFF, 2)
    finally:
        remove(lab, ref)


def test_on_poweroff_restart_starts_again(lab: Lab) -> None:
    ref = lab.define("again", more="<on_poweroff>restart</on_poweroff>")
    try:
        before = lab.start(ref)[2]
        lab.console(ref, b"activate this console")
        lab.call("DOMAIN_SHUTDOWN", dom=ref)
        wait_for("another init", lambda: lab.id(ref) not in (before, -1))
    finally:
        remove(lab, ref)


def test_destroy_ends_a_start_that_hangs(lab: Lab) -> None:
    """A root on a FIFO's slow side cannot be had cheaply: the start is held by its own lock."""
    ref = lab.define("slow")
    try:
        lab.start(ref)
        controller = lab.controller(ref)
        os.kill(controller, signal.SIGSTOP)
        lab.destroy(ref)
        assert not is_alive(controller)
        assert lab.instance.cgroups() == []
    finally:
        remove(lab, ref)


def test_a_controller_s_death_ends_its_domain(lab: Lab, domain: Ref) -> None:
    init = lab.start(domain)[2]
    os.kill(lab.controller(domain), signal.SIGKILL)
    assert lab.await_state(domain, SHUTOFF) == (SHUTOFF, 6)
    wait_for("no init", lambda: not is_alive(init), 2)
    assert lab.instance.cgroups() == []


def test_autodestroy_goes_with_its_connection(lab: Lab, domain: Ref) -> None:
    other = Lab(lab.instance)
    other.start(domain, Start.AUTODESTROY)
    assert lab.state(domain)[0] == RUNNING
    other.connection.abandon()
    assert lab.await_state(domain, SHUTOFF) == (SHUTOFF, 2)


def test_events_tell_what_happens(lab: Lab, domain: Ref) -> None:
    other = Lab(lab.instance)
    for kind in (LIFECYCLE, REBOOT):
        other.call("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=kind, dom=domain)
    lab.start(domain)
    lab.call("DOMAIN_SUSPEND", dom=domain)
    lab.call("DOMAIN_RESUME", dom=domain)
    lab.destroy(domain)
    wanted = [(Event.STARTED, 0), (Event.SUSPENDED, 0), (Event.RESUMED, 0), (Event.STOPPED, 1)]
    seen: list[tuple[int, int]] = []
    while len(seen) < len(wanted):
        event = other.connection.next_event(10)
        assert event is not None, seen
        message = event.fields
        seen.append((message["event"], message["detail"]))
    assert seen == wanted
    other.connection.close()


def test_limits_follow_live(lab: Lab, domain: Ref) -> None:
    lab.start(domain)
    lab.call("DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS", dom=domain, flags=3,
             params=[("cpu_shares", 4, 512), ("vcpu_quota", 3, 50000)])  # fmt: skip
    found = lab.call("DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS", dom=domain, nparams=3, flags=2)
    assert ("cpu_shares", 4, 512) in found["params"]
    shares = [path / "cpu.shares" for path in lab.instance.cgroups()]
    weights = [path / "payload/cpu.weight" for path in lab.instance.cgroups()]
    values = {path.name: path.read_text().strip() for path in shares + weights if path.exists()}
    assert values in ({"cpu.shares": "512"}, {"cpu.weight": "59"}), values
    with pytest.raises(VirtlxcError, match="out of range"):
        lab.call("DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS", dom=domain, flags=1,
                 params=[("vcpu_period", 4, 1)])  # fmt: skip


def test_an_ignored_interface_takes_no_others_name(lab: Lab) -> None:
    ref = lab.define("half-carded", devices="""
        <interface type='user'><mac address='52:54:00:00:00:08'/></interface>
        <interface type='ethernet'><mac address='52:54:00:00:00:09'/><target dev='vhalf'/>
        <guest dev='lan0'/></interface>""")
    virtlxc = lab.instance.virtlxc
    try:
        virtlxc("start", ref[0], "--ignore", "interface").ok()
        rows = [line.split() for line in virtlxc("domiflist", ref[0]).ok().splitlines()[2:]]
        assert [(row[0], row[-1]) for row in rows if row] == [
            ("-", "52:54:00:00:00:08"), ("vhalf", "52:54:00:00:00:09"),
        ]  # fmt: skip
        assert "vhalf rx_bytes" in virtlxc("domifstat", ref[0], "vhalf").ok()
        refused = virtlxc("domifstat", ref[0], "52:54:00:00:00:08")
        assert "'52:54:00:00:00:08' is not a known interface" in refused.stderr
        virtlxc("exec", ref[0], "--", "/bin/ip", "link", "show", "lan0").ok()
    finally:
        remove(lab, ref)
