"""The life and the description of domains by libvirt-python; read back from kernel and disk."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError
from tests.interop.virsh import DOMAIN

pytestmark = pytest.mark.interop

NO_DOMAIN, CONFIG = 42, 2


class Shop:
    """A client, and domains that it may have."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.root = instance.busybox()
        self.client = Library(instance)

    def xml(self, name: str, init: str = "/sbin/init") -> str:
        return DOMAIN.format(name=name, root=self.root, init=init)

    def on(self, name: str, call: str) -> Any:
        """What a method of a domain gives."""
        return self.client(f"connection.lookupByName({name!r}).{call}")

    def file(self, name: str) -> Path:
        """Where a definition stands on disk."""
        return Path(self.instance.paths.domain_xml(name))

    def pid(self, name: str) -> int:
        found = self.on(name, "ID()")
        assert isinstance(found, int)
        return found

    def script(self, name: str, text: str) -> str:
        """An init of our own; its path inside."""
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return f"/bin/{name}"


@pytest.fixture(scope="module")
def shop(shared_instance: Instance) -> Iterator[Shop]:
    made = Shop(shared_instance)
    yield made
    made.client.close()


@pytest.fixture
def idle(shop: Shop) -> Iterator[str]:
    shop.client(f"connection.defineXML({shop.xml('idle')!r})")
    yield "idle"
    shop.client("[one.destroy() for one in connection.listAllDomains(1)]")
    shop.client("[one.undefine() for one in connection.listAllDomains()]")


@pytest.fixture
def web(shop: Shop, idle: str) -> str:
    """It runs."""
    shop.on(idle, "create()")
    return idle


def state(pid: int) -> str:
    """What the kernel says of a process: R, S, T ...; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


# Definitions


@pytest.mark.proves("DOMAIN_DEFINE_XML", "DOMAIN_UNDEFINE", "DOMAIN_LOOKUP_BY_NAME")
def test_define_and_undefine(shop: Shop) -> None:
    shop.client(f"connection.defineXML({shop.xml('one')!r})")
    assert "<name>one</name>" in shop.file("one").read_text()
    shop.on("one", "undefine()")
    assert not shop.file("one").exists()
    with pytest.raises(LibraryError, match="No domain with matching name 'one'") as caught:
        shop.on("one", "state()")
    assert caught.value.code == NO_DOMAIN


@pytest.mark.proves("DOMAIN_DEFINE_XML_FLAGS", "DOMAIN_UNDEFINE_FLAGS")
def test_define_with_validation(shop: Shop) -> None:
    wrong = shop.xml("one").replace("<memory", "<memmory").replace("</memory", "</memmory")
    with pytest.raises(LibraryError, match="memmory"):
        shop.client(f"connection.defineXMLFlags({wrong!r}, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)")
    assert not shop.file("one").exists()
    good = shop.xml("one")
    shop.client(f"connection.defineXMLFlags({good!r}, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)")
    assert shop.file("one").exists()
    shop.on("one", "undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)")
    assert not shop.file("one").exists()


@pytest.mark.proves("DOMAIN_RENAME")
def test_rename(shop: Shop, idle: str) -> None:
    uuid = shop.on(idle, "UUIDString()")
    shop.on(idle, "rename('renamed')")
    assert not shop.file(idle).exists()
    assert "<name>renamed</name>" in shop.file("renamed").read_text()
    assert shop.on("renamed", "UUIDString()") == uuid


@pytest.mark.proves("DOMAIN_SET_AUTOSTART", "DOMAIN_GET_AUTOSTART")
def test_autostart(shop: Shop, idle: str) -> None:
    link = Path(shop.instance.paths.autostart) / f"{idle}.xml"
    shop.on(idle, "setAutostart(1)")
    assert link.is_symlink()
    assert shop.on(idle, "autostart()") == 1
    link.unlink()
    shop.on(idle, "setAutostart(0)")
    assert shop.on(idle, "autostart()") == 0
    assert not link.is_symlink()


@pytest.mark.proves("CONNECT_NUM_OF_DOMAINS", "CONNECT_LIST_DOMAINS", "CONNECT_LIST_ALL_DOMAINS",
                    "CONNECT_NUM_OF_DEFINED_DOMAINS", "CONNECT_LIST_DEFINED_DOMAINS")  # fmt: skip
def test_lists(shop: Shop, idle: str) -> None:
    """A domain moves from one list to the other when it starts."""

    def lists() -> object:
        return shop.client(
            "[connection.numOfDomains(), connection.listDomainsID(), "
            "connection.numOfDefinedDomains(), connection.listDefinedDomains(), "
            "[one.name() for one in connection.listAllDomains(1)]]"
        )

    assert lists() == [0, [], 1, [idle], []]
    shop.on(idle, "create()")
    pid = shop.pid(idle)
    assert Path(f"/proc/{pid}/root/etc/inittab").exists()
    assert lists() == [1, [pid], 0, [], [idle]]


@pytest.mark.proves("DOMAIN_LOOKUP_BY_ID", "DOMAIN_LOOKUP_BY_UUID")
def test_lookups(shop: Shop, web: str) -> None:
    pid = shop.pid(web)
    assert shop.client(f"connection.lookupByID({pid}).name()") == web
    uuid = str(shop.on(web, "UUIDString()"))
    assert f"<uuid>{uuid}</uuid>" in shop.file(web).read_text()
    assert shop.client(f"connection.lookupByUUID({UUID(uuid).bytes!r}).name()") == web
    shop.on(web, "destroy()")
    with pytest.raises(LibraryError, match=f"No domain with matching id {pid}"):
        shop.client(f"connection.lookupByID({pid})")


@pytest.mark.proves("DOMAIN_GET_XML_DESC", "DOMAIN_IS_UPDATED", "DOMAIN_IS_ACTIVE",
                    "DOMAIN_IS_PERSISTENT", "DOMAIN_GET_OS_TYPE")  # fmt: skip
def test_descriptions(shop: Shop, web: str) -> None:
    flags = "isActive(), {0}.isPersistent(), {0}.isUpdated()"
    text = f"[{{0}}.{flags}]".format(f"connection.lookupByName({web!r})")
    assert shop.client(text) == [1, 1, 0]
    other = shop.xml(web).replace("65536", "70000").replace("<os>", "<!-- a --><os>")
    uuid = shop.on(web, "UUIDString()")
    other = other.replace("</name>", f"</name><uuid>{uuid}</uuid>")
    shop.client(f"connection.defineXML({other!r})")
    assert "70000" in shop.file(web).read_text()
    assert "70000" in str(shop.on(web, f"XMLDesc({CONFIG})"))
    assert "70000" not in str(shop.on(web, "XMLDesc(0)"))
    assert "<type arch=" in str(shop.on(web, "XMLDesc(0)"))
    assert shop.on(web, "OSType()") == "exe"
    shop.on(web, "destroy()")
    assert shop.client(text)[0] == 0


# Life


@pytest.mark.proves("DOMAIN_CREATE", "DOMAIN_DESTROY", "DOMAIN_GET_STATE", "DOMAIN_GET_INFO",
                    "DOMAIN_GET_CONTROL_INFO")  # fmt: skip
def test_start_and_destroy(shop: Shop, idle: str) -> None:
    assert shop.on(idle, "state()") == [5, 0]
    shop.on(idle, "create()")
    pid = shop.pid(idle)
    assert state(pid)
    assert shop.on(idle, "state()") == [1, 1]
    running, maximum, _now, cpus, spent = shop.on(idle, "info()")
    assert (running, maximum, cpus) == (1, 65536, 1)
    assert spent > 0
    assert shop.on(idle, "controlInfo()") == [0, 0, 0]
    shop.on(idle, "destroy()")
    wait_for("its end", lambda: not state(pid))
    assert shop.on(idle, "state()") == [5, 2]


@pytest.mark.proves("DOMAIN_CREATE_WITH_FLAGS", "DOMAIN_SUSPEND", "DOMAIN_RESUME",
                    "DOMAIN_DESTROY_FLAGS")  # fmt: skip
def test_start_paused_resume_suspend(shop: Shop, idle: str) -> None:
    init = shop.script("counter", "while :; do echo >>/tmp/count; usleep 10000; done")
    uuid = shop.on(idle, "UUIDString()")
    xml = shop.xml(idle, init).replace("</name>", f"</name><uuid>{uuid}</uuid>")
    shop.client(f"connection.defineXML({xml!r})")
    count = shop.root / "tmp" / "count"
    shop.on(idle, "createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)")
    assert shop.on(idle, "state()") == [3, 11], "paused, starting up"
    time.sleep(0.1)
    assert not count.exists(), "nothing of it has run"
    shop.on(idle, "resume()")
    wait_for("the counter", lambda: count.exists() and count.stat().st_size > 0)
    shop.on(idle, "suspend()")
    assert shop.on(idle, "state()") == [3, 1]
    size = count.stat().st_size
    time.sleep(0.1)
    assert count.stat().st_size == size, "it is frozen"
    shop.on(idle, "resume()")
    wait_for("it to go on", lambda: count.stat().st_size > size)
    pid = shop.pid(idle)
    shop.on(idle, "destroyFlags(0)")
    wait_for("its end", lambda: not state(pid))
    count.unlink()


@pytest.mark.proves("DOMAIN_CREATE_XML", "DOMAIN_SHUTDOWN_FLAGS")
def test_a_transient_domain(shop: Shop) -> None:
    shop.client(f"connection.createXML({shop.xml('brief')!r}, 0)")
    pid = shop.pid("brief")
    assert state(pid)
    assert not shop.file("brief").exists()
    shop.on("brief", "shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_SIGNAL)")
    wait_for("its end", lambda: not state(pid))
    wait_for("nobody", lambda: shop.client("connection.listAllDomains()") == [])


@pytest.mark.proves("DOMAIN_SHUTDOWN", "DOMAIN_REBOOT")
def test_reboot_and_shutdown_reach_init(shop: Shop, web: str) -> None:
    before = shop.pid(web)
    wait_for("init's handlers", lambda: _is_up(before))
    shop.on(web, "reboot(0)")
    wait_for("another init", lambda: shop.pid(web) not in (before, -1))
    wait_for("the end of the first", lambda: not state(before))
    again = shop.pid(web)
    wait_for("init's handlers", lambda: _is_up(again))
    shop.on(web, "shutdown()")
    wait_for("its end", lambda: not state(again))
    wait_for("the state", lambda: shop.on(web, "state()") == [5, 1])


def _is_up(pid: int) -> bool:
    """Whether busybox's init has got as far as its loop: the last that it does is to catch TSTP."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [mask] = [line.split()[1] for line in lines if line.startswith("SigCgt:")]
    return bool(int(mask, 16) >> (signal.SIGTSTP - 1) & 1)


@pytest.mark.proves("DOMAIN_SEND_PROCESS_SIGNAL")
def test_signals(shop: Shop, idle: str) -> None:
    init = shop.script(
        "heard", "trap 'echo heard >/tmp/heard' USR2; touch /tmp/up; while :; do usleep 20000; done"
    )
    uuid = shop.on(idle, "UUIDString()")
    xml = shop.xml(idle, init).replace("</name>", f"</name><uuid>{uuid}</uuid>")
    shop.client(f"connection.defineXML({xml!r})")
    shop.on(idle, "create()")
    wait_for("the trap", (shop.root / "tmp" / "up").exists)
    shop.on(idle, "sendProcessSignal(1, libvirt.VIR_DOMAIN_PROCESS_SIGNAL_USR2)")
    wait_for("the signal", (shop.root / "tmp" / "heard").exists)


@pytest.mark.proves("DOMAIN_CREATE_XML_WITH_FILES", "DOMAIN_CREATE_WITH_FILES")
def test_descriptors_reach_init(shop: Shop, idle: str) -> None:
    init = shop.script("writer", "echo from inside >&3; exec sleep 600")
    uuid = shop.on(idle, "UUIDString()")
    xml = shop.xml(idle, init).replace("</name>", f"</name><uuid>{uuid}</uuid>")
    shop.client(f"connection.defineXML({xml!r})")
    shop.client("import os")
    shop.client("reading, writing = os.pipe()")
    shop.on(idle, "createWithFiles([writing], 0)")
    assert shop.client("os.read(reading, 100)") == "from inside\n"
    brief = shop.xml("brief", init)
    shop.client(f"connection.createXMLWithFiles({brief!r}, [writing], 0)")
    assert shop.client("os.read(reading, 100)") == "from inside\n"
    shop.on("brief", "destroy()")


# What is known of a domain


@pytest.mark.proves("DOMAIN_SET_METADATA", "DOMAIN_GET_METADATA")
def test_metadata(shop: Shop, idle: str) -> None:
    title, element = 1, 2
    shop.on(idle, f"setMetadata({title}, 'a shop', None, None)")
    shop.on(idle, f"setMetadata({element}, '<a>1</a>', 'k', 'urn:x')")
    text = shop.file(idle).read_text()
    assert "<title>a shop</title>" in text
    assert "urn:x" in text
    assert shop.on(idle, f"metadata({title}, None)") == "a shop"
    assert "1" in str(shop.on(idle, f"metadata({element}, 'urn:x')"))


@pytest.mark.proves("DOMAIN_GET_HOSTNAME", "DOMAIN_GET_MESSAGES")
def test_what_a_guest_calls_itself(shop: Shop, web: str) -> None:
    first = shop.instance.run("nsenter", "-t", str(shop.pid(web)), "-u", "hostname").ok().strip()
    assert shop.on(web, "hostname()") == first == web
    for name in ("a-new-name", "lines\nof\x1btext"):
        shop.instance.virtlxc("exec", web, "--", "hostname", name).ok()
        shown = name.replace("\n", "?").replace("\x1b", "?")
        assert shop.on(web, "hostname()") == shown
        assert shop.on(web, "guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME)") == {
            "hostname": shown
        }
    shop.instance.virtlxc("exec", web, "--", "hostname", first).ok()
    assert shop.on(web, "hostname()") == first
    assert os.uname().nodename not in (first, "a-new-name"), "the daemon's own is untouched"
    messages = shop.on(web, "messages(0)")
    assert any("root" in one for one in messages)
    assert "<idmap>" not in shop.file(web).read_text()


@pytest.mark.proves("DOMAIN_GET_TIME")
def test_a_guest_s_time(shop: Shop, web: str) -> None:
    """Between what its own date(1) says before and after; and files that it makes bear it."""

    def date() -> int:
        return int(shop.instance.virtlxc("exec", web, "--", "date", "+%s").ok())

    def told() -> int:
        found = shop.on(web, "getTime()")
        assert 0 <= found["nseconds"] < 10**9
        return int(found["seconds"]) * 10**9 + int(found["nseconds"])

    before = date()
    first = told()
    assert before <= first // 10**9 <= date()
    shop.instance.virtlxc("exec", web, "--", "touch", "/made-at").ok()
    made = Path(f"/proc/{shop.pid(web)}/root/made-at").stat().st_mtime_ns
    # The kernel stamps files by the tick, which may have been a hundredth of a second ago.
    assert first - 10**7 <= made <= told()
    shop.on(web, "destroy()")
    with pytest.raises(LibraryError, match="domain is not running"):
        shop.on(web, "getTime()")


@pytest.mark.proves("DOMAIN_GET_SECURITY_LABEL", "DOMAIN_GET_SECURITY_LABEL_LIST")
def test_security_labels(shop: Shop, web: str) -> None:
    """They are the kernel's word about init, which another file gives here."""
    place = f"/proc/{shop.pid(web)}/attr/current"
    try:
        label = Path(place).read_text().strip("\0\n")
    except OSError:
        label = ""
    assert shop.on(web, "securityLabel()")[0] == label.partition(" (")[0]
    file = shop.instance.root / "label"
    for text, wanted in (
        ("virtlxc-web (enforce)\n", ["virtlxc-web", 1]),
        ("virtlxc-web (complain)\n", ["virtlxc-web", 0]),
        ("unconfined\n", ["unconfined", 0]),
        ("system_u:system_r:svirt_lxc_net_t:s0:c1,c2\0", _selinux()),
    ):
        file.write_text(text)
        shop.instance.run("mount", "--bind", str(file), place).ok()
        try:
            assert shop.on(web, "securityLabel()") == wanted
            assert shop.on(web, "securityLabelList()") == [wanted]
        finally:
            shop.instance.run("umount", place).ok()
    assert shop.on(web, "securityLabel()")[0] == label.partition(" (")[0]


def _selinux() -> list[str | int]:
    enforced = Path("/sys/fs/selinux/enforce")
    on = enforced.exists() and enforced.read_text() == "1"
    return ["system_u:system_r:svirt_lxc_net_t:s0:c1,c2", int(on)]


@pytest.mark.proves("DOMAIN_OPEN_CONSOLE", "DOMAIN_OPEN_NAMESPACE")
def test_console_and_namespaces(shop: Shop, web: str) -> None:
    client = shop.client
    client("stream = connection.newStream(0)")
    shop.on(web, "openConsole(None, stream, 0)")
    client("stream.send(b'\\recho typed >/tmp/typed\\r')")
    wait_for("what was typed", (shop.root / "tmp" / "typed").exists)
    client("stream.finish()")
    links = client(
        "[os.readlink(f'/proc/self/fd/{fd}') for fd in libvirt_lxc.lxcOpenNamespace("
        f"connection.lookupByName({web!r}), 0)]"
    )
    pid = shop.pid(web)
    names = [link.partition(":")[0] for link in links]
    assert names == ["user", "ipc", "uts", "net", "pid", "mnt"]
    assert links == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]


# Events


@pytest.mark.proves(
    "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", "CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY",
    "DOMAIN_EVENT_CALLBACK_LIFECYCLE", "DOMAIN_EVENT_CALLBACK_REBOOT",
    "DOMAIN_EVENT_CALLBACK_METADATA_CHANGE",
)  # fmt: skip
def test_events(shop: Shop, idle: str) -> None:
    """Another client acts; this one hears of it, and of nothing after it has deregistered."""
    watcher = Library(shop.instance)
    watcher(
        "numbers = [connection.domainEventRegisterAny(None, kind, hear, kind)"
        " for kind in (0, 1, 23)]"
    )
    shop.on(idle, "create()")
    before = shop.pid(idle)
    wait_for("init's handlers", lambda: _is_up(before))
    shop.on(idle, "setMetadata(1, 't', None, None, 2)")
    shop.on(idle, "reboot(0)")
    wait_for("another init", lambda: shop.pid(idle) not in (before, -1))
    shop.on(idle, "destroy()")
    wait_for("the last event", lambda: [idle, 5, 1, 0] in watcher("events"))
    assert watcher("events") == [
        [idle, 2, 0, 0], [idle, 1, None, 23], [idle, 1], [idle, 5, 1, 0]
    ]  # fmt: skip
    watcher("[connection.domainEventDeregisterAny(number) for number in numbers]")
    shop.on(idle, "create()")
    assert len(watcher("[connection.getHostname(), events][1]")) == 4
    watcher.close()
