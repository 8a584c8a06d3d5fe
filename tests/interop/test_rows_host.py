"""The host's huge pages and firmware, and what is looked for in vain; by libvirt-python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance
from tests.interop.library import Library, LibraryError

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
