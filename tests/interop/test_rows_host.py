"""The host's huge pages and firmware, and what is looked for in vain; by libvirt-python."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError
from tests.interop.twin import DOMAIN, minds_signal

pytestmark = pytest.mark.interop

POOL = Path("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages")
EVERYWHERE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
SIZE, ADD, SET = 2048, 0, 1
CONFIG_UNSUPPORTED, NO_SUPPORT, OPERATION_FAILED = 67, 3, 9


@pytest.fixture
def pages() -> Iterator[int]:
    """How many there are; as many there are afterwards."""
    before = POOL.read_text()
    yield int(before)
    POOL.write_text(before)


@pytest.mark.proves("NODE_ALLOC_PAGES")
def test_huge_pages_are_made_and_given_back(shared_instance: Instance, pages: int) -> None:
    client = Library(shared_instance)
    assert client(f"connection.allocPages({{{SIZE}: 1}}, 0, 1, {ADD})") == 1
    assert int(POOL.read_text()) == pages + 1
    free = client(f"connection.getFreePages([{SIZE}], 0, 1)")["0"][str(SIZE)]
    assert free == int((POOL.parent / "free_hugepages").read_text())
    client(f"connection.allocPages({{{SIZE}: {pages}}}, -1, 1, {SET})")
    assert int(EVERYWHERE.read_text()) == pages, "-1 is the whole host"
    with pytest.raises(LibraryError, match="system pages pool can't be modified") as caught:
        client(f"connection.allocPages({{4: 1}}, 0, 1, {SET})")
    assert caught.value.code == OPERATION_FAILED
    client.close()


@pytest.mark.proves("CONNECT_GET_SYSINFO")
def test_what_the_firmware_says(instance: Instance) -> None:
    """A machine that has tables; this one may have none, and then says so."""
    client = Library(instance)
    if not Path("/sys/class/dmi/id").exists():
        with pytest.raises(LibraryError, match="Host SMBIOS information is not") as caught:
            client("connection.getSysinfo()")
        assert caught.value.code == CONFIG_UNSUPPORTED
    instance.run("mount", "-t", "tmpfs", "none", "/sys/devices/virtual").ok()
    written = {
        "bios_vendor": "LENOVO", "bios_version": "79ETE1WW (2.21 )", "sys_vendor": "<ACME> & co",
        "product_serial": "123", "board_name": "board", "chassis_asset_tag": "",
    }  # fmt: skip
    instance.run("mkdir", "-p", "/sys/devices/virtual/dmi/id").ok()
    for name, text in written.items():
        instance.run("tee", f"/sys/devices/virtual/dmi/id/{name}", input=f"{text}\n").ok()
    text = client("connection.getSysinfo()")
    assert text == (
        "<sysinfo type='smbios'>\n"
        "  <bios>\n"
        "    <entry name='vendor'>LENOVO</entry>\n"
        "    <entry name='version'>79ETE1WW (2.21 )</entry>\n"
        "  </bios>\n"
        "  <system>\n"
        "    <entry name='manufacturer'>&lt;ACME&gt; &amp; co</entry>\n"
        "    <entry name='serial'>123</entry>\n"
        "  </system>\n"
        "  <baseBoard>\n"
        "    <entry name='product'>board</entry>\n"
        "  </baseBoard>\n"
        "</sysinfo>\n"
    )
    instance.run("umount", "/sys/devices/virtual").ok()
    client.close()


@pytest.mark.proves("CONNECT_FIND_STORAGE_POOL_SOURCES", refused=True)
def test_nothing_is_looked_for(shared_instance: Instance) -> None:
    client = Library(shared_instance)
    with pytest.raises(LibraryError, match="type 'dir' does not support source disc") as caught:
        client("connection.findStoragePoolSources('dir', None)")
    assert caught.value.code == NO_SUPPORT
    client.close()


@pytest.mark.proves("DOMAIN_SET_LIFECYCLE_ACTION")
def test_what_follows_an_end(instance: Instance) -> None:
    """Set while it runs: the end that would have stopped it starts it again."""
    instance.bridge("br0")
    root = str(instance.busybox())
    instance.define(DOMAIN.format(name="box", uuid="", root=root, mac="05"))
    instance.virtlxc("start", "box").ok()
    client = Library(instance)
    client("box = connection.lookupByName('box')")
    client("box.setLifecycleAction(0, 1, libvirt.VIR_DOMAIN_AFFECT_LIVE)")
    assert "<on_poweroff>restart</on_poweroff>" in client("box.XMLDesc()")
    assert "<on_poweroff>destroy</on_poweroff>" in client("box.XMLDesc(2)")
    before = client("connection.lookupByName('box').ID()")
    wait_for("the trap", lambda: minds_signal(before, signal.SIGTERM))
    os.kill(before, signal.SIGTERM)
    wait_for("another init", lambda: client("connection.lookupByName('box').ID()") > 0
             and client("connection.lookupByName('box').ID()") != before)  # fmt: skip
    client("box.setLifecycleAction(2, 3, libvirt.VIR_DOMAIN_AFFECT_CONFIG)")
    definition = (Path(instance.paths.domains) / "box.xml").read_text()
    assert "<on_crash>preserve</on_crash>" in definition
    for call, words in (
        ("box.setLifecycleAction(1, 0, 1)", "on_reboot of domain .box. cannot change while it"),
        ("box.setLifecycleAction(0, 4, 2)", "coredump-destroy is for a crash, not for on_poweroff"),
        ("box.setLifecycleAction(0, 0, 8)", "unsupported flags"),
    ):
        with pytest.raises(LibraryError, match=words):
            client(call)
    instance.virtlxc("destroy", "box").ok()
    client.close()
