"""What a client asks of the connection and of the host; the truth stands in /proc and on disk."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError
from tests.interop.virsh import DOMAIN

pytestmark = pytest.mark.interop

MEMINFO = Path("/proc/meminfo")
SYS_PTRACE = 19  # capability.h
PER_LINUX32 = 8  # personality.h


@pytest.fixture(scope="module")
def library(shared_instance: Instance) -> Iterator[Library]:
    made = Library(shared_instance)
    yield made
    made.close()


def meminfo(name: str) -> int:
    """KiB, as the kernel counts now."""
    return int(dict(line.split(":") for line in MEMINFO.read_text().splitlines())[name].split()[0])


def free_on_first_node() -> int:
    """KiB; a machine whose memory grew may count the growth to no node."""
    try:
        text = Path("/sys/devices/system/node/node0/meminfo").read_text()
    except OSError:
        return meminfo("MemFree")
    return int(text.partition("MemFree:")[2].split()[0])


def sockets(instance: Instance) -> set[str]:
    """Those that the daemon has: an earlier client's may still be on its way out."""
    found = set()
    for descriptor in Path(f"/proc/{instance.daemon_pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(descriptor))
    return {name for name in found if name.startswith("socket:")}


def near(value: int, truth: int) -> bool:
    return abs(value - truth) < truth / 5


@pytest.mark.proves(
    "AUTH_LIST", "CONNECT_OPEN", "CONNECT_SUPPORTS_FEATURE", "CONNECT_CLOSE",
    "CONNECT_REGISTER_CLOSE_CALLBACK", "CONNECT_UNREGISTER_CLOSE_CALLBACK",
)  # fmt: skip
def test_a_connection_from_its_beginning_to_its_end(shared_instance: Instance) -> None:
    """The daemon has a socket more while it lasts."""
    before = sockets(shared_instance)
    client = Library(shared_instance)
    mine = wait_for("the connection", lambda: sockets(shared_instance) - before)
    client("connection.setKeepAlive(1, 3)")
    client("connection.registerCloseCallback(lambda *_: None, None)")
    assert client("[connection.isAlive(), connection.isEncrypted()]") == [1, 0]
    client("connection.unregisterCloseCallback()")
    client("connection.close()")
    wait_for("its end", lambda: not mine & sockets(shared_instance))
    client.close()


def test_a_daemon_that_ends_is_told_by_the_close_callback(instance: Instance) -> None:
    client = Library(instance)
    client("closed = []")
    client("connection.registerCloseCallback(lambda _c, reason, _o: closed.append(reason), None)")
    instance.stop_daemon()
    wait_for("the callback", lambda: client("closed"))
    assert client("closed") == [client("libvirt.VIR_CONNECT_CLOSE_REASON_EOF")]
    assert client("connection.isAlive()") == 0
    client.close()
    instance.start_daemon()


@pytest.mark.proves("CONNECT_GET_TYPE", "CONNECT_GET_LIB_VERSION", "CONNECT_GET_VERSION",
                    "CONNECT_IS_SECURE", "CONNECT_GET_HOSTNAME")  # fmt: skip
def test_who_answers(library: Library) -> None:
    """The driver's version is the kernel's, as libvirt's LXC driver has it."""
    numbers = [int(one) for one in re.findall(r"\d+", platform.release())[:3]]
    assert library("connection.getVersion()") == (
        numbers[0] * 1000000 + numbers[1] * 1000 + numbers[2]
    )
    assert (
        library("connection.getHostname()") == Path("/proc/sys/kernel/hostname").read_text().strip()
    )
    assert library("connection.getType()") == "LXC"
    assert library("connection.getLibVersion()") == library("libvirt.getVersion()"), "the client's"
    assert library("connection.isSecure()") == 1


@pytest.mark.proves("NODE_GET_INFO", "NODE_GET_CPU_MAP", "CONNECT_GET_CAPABILITIES")
def test_the_processors(library: Library) -> None:
    arch, memory, cpus, *_rest = library("connection.getInfo()")
    assert (arch, cpus) == (platform.machine(), os.cpu_count())
    assert memory == meminfo("MemTotal") // 1024
    online = Path("/sys/devices/system/cpu/online").read_text().strip()
    count, present, _online = library("connection.getCPUMap()")
    last = int(online.replace(",", "-").split("-")[-1])
    assert count == len(present) == last + 1
    capabilities = library("connection.getCapabilities()")
    assert f"<arch>{platform.machine()}</arch>" in capabilities
    assert capabilities.count("<cpu id=") == os.cpu_count()


@pytest.mark.proves("NODE_GET_CPU_STATS", "NODE_GET_MEMORY_STATS", "NODE_GET_FREE_MEMORY",
                    "NODE_GET_CELLS_FREE_MEMORY", "NODE_GET_FREE_PAGES")  # fmt: skip
def test_what_the_host_uses(library: Library) -> None:
    ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    stats = library("connection.getCPUStats(-1)")
    assert near(stats["idle"], ticks[3] * 10_000_000)
    memory = library("connection.getMemoryStats(-1)")
    assert memory["total"] == meminfo("MemTotal")
    assert near(memory["free"], meminfo("MemFree"))
    assert near(library("connection.getFreeMemory()"), meminfo("MemFree") * 1024)
    assert near(library("connection.getCellsFreeMemory(0, 1)")[0], free_on_first_node() * 1024)
    pages = library("connection.getFreePages([4], 0, 1)")
    [free] = list(pages.values()) if isinstance(pages, dict) else [pages[0]]
    free = free["4"] if isinstance(free, dict) else free
    assert near(free * 4, free_on_first_node())


@pytest.mark.proves("NODE_GET_MEMORY_PARAMETERS")
def test_the_parameters_of_ksm(library: Library) -> None:
    ksm = Path("/sys/kernel/mm/ksm/pages_to_scan")
    if not ksm.exists():
        with pytest.raises(LibraryError):
            library("connection.getMemoryParameters()")
    else:
        found = library("connection.getMemoryParameters()")
        assert found["shm_pages_to_scan"] == int(ksm.read_text())


@pytest.mark.proves("NODE_GET_SECURITY_MODEL")
def test_the_security_model(library: Library, shared_instance: Instance) -> None:
    """Containers get no label: init has the daemon's own, and capabilities say the same."""
    assert library("connection.getSecurityModel()") == ["none", "0"]
    assert "<model>none</model>" in library("connection.getCapabilities()")
    xml = DOMAIN.format(name="plain", root=shared_instance.busybox("plain"), init="/sbin/init")
    library(f"dom = connection.createXML({xml!r})")
    assert label(library("dom.ID()")) == label(shared_instance.daemon_pid)
    library("dom.destroy()")


def label(pid: int) -> str:
    """What a security module knows a process as; '' without one."""
    try:
        return Path(f"/proc/{pid}/attr/current").read_text()
    except OSError:
        return ""


# An example of each device that domain capabilities know and a container may lack.
LACKING = {
    "graphics": "<graphics type='vnc'/>",
    "video": "<video><model type='vga'/></video>",
    "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    "tpm": "<tpm model='tpm-tis'><backend type='emulator'/></tpm>",
    "channel": "<channel type='unix'><target type='virtio' name='x'/></channel>",
}
NODE = "<hostdev mode='{mode}' type='{kind}'><source>{source}</source></hostdev>"


@pytest.mark.proves("CONNECT_GET_DOMAIN_CAPABILITIES")
def test_domains_can_be_what_the_capabilities_say(
    library: Library, shared_instance: Instance, tmp_path: Path
) -> None:
    """Every device, by a domain that has it: inside, or told as having no effect."""
    told = ElementTree.fromstring(
        library("connection.getDomainCapabilities(None, None, None, 'lxc', 0)")
    )
    assert (told.findtext("domain"), told.findtext("arch")) == ("lxc", platform.machine())
    devices = {one.tag: one for one in told.iterfind("devices/*")}
    has = {name for name, one in devices.items() if one.get("supported") == "yes"}
    assert (has, set(devices) - has) == ({"disk", "filesystem", "hostdev"}, set(LACKING))
    kinds = {one.get("name"): [value.text for value in one] for one in devices["hostdev"]}
    assert kinds["subsysType"] == ["usb"]
    assert "misc" in kinds["capsType"]

    root = shared_instance.busybox("capable")
    plain = DOMAIN.format(name="capable", root=root, init="/sbin/init")
    (tmp_path / "note").write_text("from the host")
    image = shared_instance.root / "capable.raw"
    image.write_bytes(bytes(1 << 20))
    pci = "<address domain='0' bus='0' slot='0' function='0'/>"
    wanted = (
        f"<disk type='file' device='disk'><source file='{image}'/><target dev='sda'/></disk>"
        f"<filesystem type='mount'><source dir='{tmp_path}'/><target dir='/data'/></filesystem>"
        + NODE.format(mode="capabilities", kind="misc", source="<char>/dev/fuse</char>")
        + "".join(LACKING.values())
    )
    with pytest.raises(LibraryError, match="only usb, storage, misc and net are devices that"):
        refused = NODE.format(mode="subsystem", kind="pci", source=pci)
        library(f"connection.createXML({plain.replace('<console', refused + '<console')!r})")
    library(f"dom = connection.createXML({plain.replace('<console', wanted + '<console')!r})")
    try:
        inside = Path(f"/proc/{library('dom.ID()')}/root")
        assert (inside / "dev/sda").is_block_device()
        assert (inside / "dev/fuse").is_char_device()
        assert (inside / "data/note").read_text() == "from the host"
        messages = library("dom.messages(0)")
        for name in LACKING:
            assert f"/domain/devices/{name} has no effect: for virtual machines" in messages
    finally:
        library("dom.destroy()")


@pytest.mark.proves("CONNECT_GET_DOMAIN_CAPABILITIES")
@pytest.mark.parametrize("arch", ["x86_64", "i686", "aarch64", "armv7l", "ppc64", "riscv64"])
def test_domains_have_the_architectures_of_the_capabilities(
    arch: str, library: Library, shared_instance: Instance
) -> None:
    """What they refuse no domain can be, and the kernel knows one that says it is 32 bits wide."""
    library("connection.getDomainCapabilities(None, None, None, None, 0)")
    root = shared_instance.busybox(f"arched-{arch}")
    xml = DOMAIN.format(name="arched", root=root, init="/sbin/init")
    create = f"dom = connection.createXML({xml.replace('<type>', f'<type arch={arch!r}>')!r})"
    try:
        told = library(f"connection.getDomainCapabilities(None, {arch!r}, None, None, 0)")
    except LibraryError as error:
        assert f"no emulator for arch '{arch}'" in error.message
        with pytest.raises(LibraryError, match=f"its programs are for {arch} "):
            library(create)
        return
    assert f"<arch>{arch}</arch>" in told
    library(create)
    try:
        personality = Path(f"/proc/{library('dom.ID()')}/personality").read_text()
        assert int(personality, 16) == (0 if arch == platform.machine() else PER_LINUX32)
        ran = shared_instance.virtlxc("exec", "arched", "--", "uname", "-m").ok()
        assert ran.strip() == arch, "what enters is told the same"
    finally:
        library("dom.destroy()")


@pytest.mark.proves("CONNECT_DOMAIN_XML_FROM_NATIVE", "CONNECT_DOMAIN_XML_TO_NATIVE")
def test_lxc_configurations_both_ways(library: Library, shared_instance: Instance) -> None:
    """The XML of a configuration starts what the configuration says, and says the same again."""
    root = shared_instance.busybox("converted")
    native = (
        f"lxc.uts.name = shop\nlxc.rootfs.path = dir:{root}\nlxc.net.0.type = empty\n"
        "lxc.init.cmd = /bin/sleep 1234\nlxc.cap.drop = sys_ptrace\n"
    )
    xml = library(f"connection.domainXMLFromNative('lxc-tools', {native!r}, 0)")
    library(f"dom = connection.createXML({xml!r})")
    pid = library("dom.ID()")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x001234\x00"
    assert os.path.samefile(f"/proc/{pid}/root", root)
    assert shared_instance.run("nsenter", "-t", str(pid), "-u", "hostname").ok() == "shop\n"
    assert shared_instance.run("nsenter", "-t", str(pid), "-n", "ls", "/proc/self/net").code == 0
    status = Path(f"/proc/{pid}/status").read_text()
    bounding = int(status.partition("CapBnd:\t")[2].split()[0], 16)
    assert not bounding >> SYS_PTRACE & 1
    back = library("connection.domainXMLToNative('lxc-tools', dom.XMLDesc(), 0)")
    library("dom.destroy()")
    for line in ("lxc.uts.name = shop", "lxc.init.cmd = /bin/sleep 1234", str(root)):
        assert line in back
    assert "sys_ptrace" in back.partition("lxc.cap.drop")[2]
