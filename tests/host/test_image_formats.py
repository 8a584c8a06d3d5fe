"""Disks in images of other formats: their bytes inside, and nothing left however it ends."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers, rootfs
from tests.harness import Instance, wait_for
from tests.host.blocklab import loops_of
from tests.host.lifelab import RUNNING, SHUTOFF, Lab, Ref, document, is_alive
from virtlxc.errors import VirtlxcError

pytestmark = pytest.mark.host

MIB = 1 << 20
LIVE = 1
# It says what the disk begins with, and writes what it is told to.
INIT = """\
echo "begins with $(dd if=/dev/vdb bs=12 count=1 2>/dev/null) of $(cat /sys/class/block/*/size)"
while read number words; do
    eval "$words"
    echo "did $number: $?"
done
"""
DISK = """
<disk type='file'><driver name='qemu' type='{form}'/>
<source file='{path}'/><target dev='vdb'/>{more}</disk>"""


@pytest.fixture(scope="module")
def tree() -> peers.Tree:
    try:
        return peers.fetch("images")
    except peers.Unavailable as error:
        pytest.skip(str(error))


class WithQemu(Instance):
    """An instance whose daemon finds QEMU's storage daemon in its PATH."""

    def environment(self, **more: str) -> dict[str, str]:
        folder = self.root / "bin"
        if not folder.exists():
            folder.mkdir(mode=0o755)
            words = peers.fetch("images").argv("qemu-storage-daemon")
            rootfs.script(
                self.root, "/bin/qemu-storage-daemon", f'#!/bin/sh\nexec {" ".join(words)} "$@"\n'
            )
        return super().environment(PATH=f"{folder}:{os.environ['PATH']}", **more)


class ImageLab(Lab):
    """One domain with one image, and a look at all that serves it."""

    def __init__(self, instance: Instance, tree: peers.Tree) -> None:
        super().__init__(instance)
        self.tree = tree
        self.path = instance.root / "disk.img"
        self.told = 0

    def qemu(self, *words: str) -> str:
        return self.instance.run(*self.tree.argv(*words)).ok()

    def make(self, form: str, *options: str) -> None:
        """An image of 16 MiB that begins with "of the image"."""
        raw = self.instance.root / "raw"
        raw.write_bytes(b"of the image".ljust(16 * MIB, b"\0"))
        self.qemu(
            "qemu-img", "convert", "-f", "raw", "-O", form, *options, str(raw), str(self.path)
        )

    def content(self, form: str) -> bytes:
        """The first bytes of what the image has in it now."""
        out = self.instance.root / "out"
        self.qemu("qemu-img", "convert", "-f", form, "-O", "raw", str(self.path), str(out))
        return out.read_bytes()[: 2 * MIB]

    def disk(self, form: str, more: str = "") -> str:
        return DISK.format(form=form, path=self.path, more=more)

    def domain(self, name: str, devices: str) -> Ref:
        root = self.instance.root / f"root-{name}"
        if not root.exists():
            rootfs.make_busybox(root)
        self.script(name, INIT)
        xml = document(name, root, "/init", "", devices)
        return self.ref_of(self.call("DOMAIN_DEFINE_XML", xml=xml))

    def tell(self, ref: Ref, words: str) -> int:
        """Have init do something; its exit status."""
        self.told += 1
        stream = self.connection.stream("DOMAIN_OPEN_CONSOLE", dom=ref, dev_name=None, flags=0)
        seen = b""
        try:
            stream.send(f"{self.told} {words}\r".encode())
            while not (found := re.search(rb"did %d: (\d+)\r" % self.told, seen)):
                data = stream.recv()
                assert data, seen
                seen += data
        finally:
            stream.abort()
        return int(found[1])

    def servers(self) -> list[int]:
        """The processes that serve our image."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.path).encode() in words and b"--export" in words:
                found.append(int(entry.name))
        return found

    def assert_nothing_left(self) -> None:
        wait_for("the servers' end", lambda: not any(is_alive(pid) for pid in self.servers()))
        wait_for("the loop devices to be freed", lambda: not loops_of(self.instance.root))
        wait_for("the groups to go", lambda: self.instance.cgroups() == [])
        assert str(self.path) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture(scope="module")
def lab(tree: peers.Tree) -> Iterator[ImageLab]:
    instance = WithQemu()
    yield ImageLab(instance, tree)
    instance.close()


WRITE = "printf 'of the guest' | dd of=/dev/vdb bs=12 count=1 seek=87382 conv=notrunc,fsync"
WRITTEN_AT = 12 * 87382


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vpc"])
def test_an_image_is_a_disk(lab: ImageLab, form: str) -> None:
    options = ("-o", "subformat=dynamic,force_size") if form == "vpc" else ()
    lab.make(form, *options)
    ref = lab.domain(f"of-{form}", lab.disk(form))
    lab.start(ref)
    lab.console(ref, b"begins with of the image")
    (leaf,) = [path for path in lab.instance.cgroups() if (path / "supervisor").is_dir()]
    (server,) = lab.servers()
    assert (leaf / "image-vdb/cgroup.procs").read_text().split() == [str(server)]
    info = lab.call("DOMAIN_GET_BLOCK_INFO", dom=ref, path="vdb", flags=0)
    assert info["capacity"] == 16 * MIB
    assert info["physical"] == lab.path.stat().st_size
    assert info["allocation"] == lab.path.stat().st_blocks * 512
    with pytest.raises(VirtlxcError, match=f"'vdb' is of the format '{form}', not raw"):
        lab.call("DOMAIN_BLOCK_PEEK", dom=ref, path="vdb", offset=0, size=3, flags=0)
    assert lab.tell(ref, WRITE) == 0
    lab.destroy(ref)
    lab.assert_nothing_left()
    found = lab.content(form)
    assert found.startswith(b"of the image")
    assert found[WRITTEN_AT : WRITTEN_AT + 12] == b"of the guest"
    if form == "qcow2":
        lab.qemu("qemu-img", "check", "-q", "-f", form, str(lab.path))
    info = lab.call("DOMAIN_GET_BLOCK_INFO", dom=ref, path="vdb", flags=0)
    assert info["capacity"] == 16 * MIB, "its header says so"
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_what_the_guest_did_not_sync_is_written_at_its_end(lab: ImageLab) -> None:
    lab.make("qcow2")
    ref = lab.domain("lazy", lab.disk("qcow2"))
    lab.start(ref)
    lab.console(ref, b"begins with of the image")
    assert lab.tell(ref, WRITE.replace(",fsync", "")) == 0
    assert lab.tell(ref, "dd if=/dev/zero bs=1M count=8 seek=4 of=/dev/vdb conv=notrunc") == 0
    lab.destroy(ref)
    lab.assert_nothing_left()
    assert lab.content("qcow2")[WRITTEN_AT : WRITTEN_AT + 12] == b"of the guest"
    lab.qemu("qemu-img", "check", "-q", "-f", "qcow2", str(lab.path))
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_a_read_only_image_stays_as_it_is(lab: ImageLab) -> None:
    lab.make("qcow2")
    before = lab.path.read_bytes()
    ref = lab.domain("read-only", lab.disk("qcow2", "<readonly/>"))
    lab.start(ref)
    lab.console(ref, b"begins with of the image")
    assert lab.tell(ref, WRITE) == 1
    lab.destroy(ref)
    lab.assert_nothing_left()
    assert lab.path.read_bytes() == before
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_it_outlives_a_reboot_from_inside(lab: ImageLab) -> None:
    lab.make("qcow2")
    ref = lab.domain("again", lab.disk("qcow2"))
    first = lab.start(ref)[2]
    lab.console(ref, b"begins with of the image")
    servers = lab.servers()
    assert lab.tell(ref, "printf 'a second one' | dd of=/dev/vdb bs=12 count=1 conv=notrunc") == 0
    stream = lab.connection.stream("DOMAIN_OPEN_CONSOLE", dom=ref, dev_name=None, flags=1)
    stream.send(b"0 reboot -f\r")
    other = Lab(lab.instance)
    wait_for("another boot", lambda: other.id(ref) not in (first, -1))
    stream.abort()
    lab.console(ref, b"begins with a second one")
    assert lab.servers() == servers
    lab.destroy(ref)
    lab.assert_nothing_left()
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_it_comes_and_goes_while_the_container_runs(lab: ImageLab) -> None:
    lab.make("qcow2")
    ref = lab.domain("changing", "")
    lab.start(ref)
    xml = lab.disk("qcow2")
    for _ in range(2):
        lab.call("DOMAIN_ATTACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=LIVE)
        assert lab.tell(ref, "dd if=/dev/vdb bs=6 count=1 2>/dev/null | grep -q 'of the'") == 0
        assert lab.tell(ref, WRITE) == 0
        lab.call("DOMAIN_DETACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=LIVE)
        wait_for("its server's end", lambda: not any(is_alive(pid) for pid in lab.servers()))
        wait_for("its loop device to go", lambda: not loops_of(lab.instance.root))
        assert lab.tell(ref, "test -e /dev/vdb") == 1
        assert lab.content("qcow2")[WRITTEN_AT : WRITTEN_AT + 12] == b"of the guest"
    lab.call("DOMAIN_ATTACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=LIVE)
    lab.destroy(ref)
    lab.assert_nothing_left()
    lab.call("DOMAIN_UNDEFINE", dom=ref)


@pytest.mark.parametrize("victim", ["controller", "server", "daemon"])
def test_a_kill_leaves_nothing(lab: ImageLab, victim: str) -> None:
    lab.make("qcow2")
    ref = lab.domain("victim", lab.disk("qcow2"))
    lab.start(ref)
    lab.console(ref, b"begins with of the image")
    assert lab.tell(ref, WRITE) == 0
    (server,) = lab.servers()
    if victim == "server":
        os.kill(server, signal.SIGKILL)
        assert lab.tell(ref, "dd if=/dev/vdb of=/dev/null bs=1M skip=8 count=1") == 1
        assert lab.state(ref)[0] == RUNNING
        lab.destroy(ref)
    elif victim == "daemon":
        controller = lab.controller(ref)
        lab.instance.kill_daemon()
        os.kill(controller, signal.SIGKILL)
        wait_for("its end", lambda: not is_alive(controller))
        lab.instance.start_daemon()
        lab.connect()
    else:
        os.kill(lab.controller(ref), signal.SIGKILL)
    lab.await_state(ref, SHUTOFF)
    lab.assert_nothing_left()
    assert lab.content("qcow2")[WRITTEN_AT : WRITTEN_AT + 12] == b"of the guest"
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_two_do_not_write_to_one_image(lab: ImageLab) -> None:
    lab.make("qcow2")
    first = lab.domain("first", lab.disk("qcow2"))
    second = lab.domain("second", lab.disk("qcow2"))
    lab.start(first)
    with pytest.raises(
        VirtlxcError, match=r"make /dev/vdb: '.*disk.img' is in use through /dev/loop"
    ):
        lab.start(second)
    by_hand = lab.instance.run(
        *lab.tree.argv("qemu-io", "-f", "qcow2", "-c", "write 0 1", str(lab.path))
    )
    assert 'Failed to get "write" lock' in by_hand.stderr
    lab.destroy(first)
    lab.assert_nothing_left()
    for ref in (first, second):
        lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_what_is_no_such_image(lab: ImageLab) -> None:
    lab.path.write_bytes(b"nothing of the kind".ljust(MIB, b"\0"))
    ref = lab.domain("broken", lab.disk("qcow2"))
    wanted = r"serve \S*/disk.img for vdb: \S*/disk.img: Image is not in qcow2 format"
    with pytest.raises(VirtlxcError, match=wanted):
        lab.start(ref)
    lab.assert_nothing_left()
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_a_start_that_fails_later_ends_its_server(lab: ImageLab) -> None:
    lab.make("qcow2")
    ref = lab.domain("late", lab.disk("qcow2"))
    (lab.instance.root / "root-late/init").write_text("#!/bin/none\n")
    with pytest.raises(VirtlxcError, match="execute init: /init: its interpreter"):
        lab.start(ref)
    lab.assert_nothing_left()
    lab.call("DOMAIN_UNDEFINE", dom=ref)


def test_what_an_image_builds_upon(lab: ImageLab) -> None:
    """With its format named it is read; without, it could claim to be what it is not."""
    base = lab.instance.root / "base"
    base.write_bytes(b"of the image".ljust(16 * MIB, b"\0"))
    lab.qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", str(lab.path))
    ref = lab.domain("upon", lab.disk("qcow2"))
    lab.start(ref)
    lab.console(ref, b"begins with of the image")
    assert lab.tell(ref, WRITE) == 0
    lab.destroy(ref)
    assert b"of the guest" not in base.read_bytes()
    assert b"of the guest" in lab.content("qcow2")
    data = lab.path.read_bytes()
    lab.path.write_bytes(data.replace(bytes.fromhex("e2792aca"), bytes.fromhex("12345678"), 1))
    wanted = "disk.img' builds upon 'base', and does not say of what format that is"
    with pytest.raises(VirtlxcError, match=wanted):
        lab.start(ref)
    lab.assert_nothing_left()
    lab.call("DOMAIN_UNDEFINE", dom=ref)
