"""Pools and volumes by libvirt-python; read back from the folders that they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library, LibraryError

pytestmark = pytest.mark.interop

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
VOLUME = "<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation></volume>"


class Pools:
    """A client, and a folder for pools."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.client = Library(instance)
        self.folder = instance.root / "pools"
        self.folder.mkdir()

    def xml(self, name: str) -> str:
        return POOL.format(name=name, path=self.folder / name)

    def on(self, name: str, call: str) -> Any:
        return self.client(f"connection.storagePoolLookupByName({name!r}).{call}")

    def volume(self, name: str, call: str, pool: str = "shelf") -> Any:
        return self.on(pool, f"storageVolLookupByName({name!r}).{call}")

    def file(self, name: str) -> Path:
        return Path(self.instance.paths.storage) / f"{name}.xml"


@pytest.fixture(scope="module")
def pools(shared_instance: Instance) -> Iterator[Pools]:
    made = Pools(shared_instance)
    yield made
    made.client.close()


@pytest.fixture
def shelf(pools: Pools) -> Iterator[Path]:
    """A running pool's folder."""
    folder = pools.folder / "shelf"
    folder.mkdir()
    pools.client(f"connection.storagePoolDefineXML({pools.xml('shelf')!r}, 0).create()")
    yield folder
    pools.on("shelf", "destroy()")
    pools.on("shelf", "undefine()")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.fixture
def book(pools: Pools, shelf: Path) -> Path:
    """A volume's file, of a mebibyte."""
    pools.on("shelf", f"createXML({VOLUME.format(name='book', size=1 << 20)!r}, 0)")
    return shelf / "book"


@pytest.mark.proves(
    "STORAGE_POOL_DEFINE_XML", "STORAGE_POOL_BUILD", "STORAGE_POOL_CREATE", "STORAGE_POOL_DESTROY",
    "STORAGE_POOL_DELETE", "STORAGE_POOL_UNDEFINE", "STORAGE_POOL_IS_ACTIVE",
    "STORAGE_POOL_IS_PERSISTENT", "STORAGE_POOL_LOOKUP_BY_NAME",
)  # fmt: skip
def test_a_pool_from_its_definition_to_its_end(pools: Pools) -> None:
    folder = pools.folder / "life"
    pools.client(f"connection.storagePoolDefineXML({pools.xml('life')!r}, 0)")
    assert str(folder) in pools.file("life").read_text()
    assert not folder.exists()
    pools.on("life", "build(0)")
    assert folder.is_dir()
    pools.on("life", "create(0)")
    assert [pools.on("life", "isActive()"), pools.on("life", "isPersistent()")] == [1, 1]
    pools.on("life", "destroy()")
    assert pools.on("life", "isActive()") == 0
    pools.on("life", "delete(0)")
    assert not folder.exists()
    pools.on("life", "undefine()")
    assert not pools.file("life").exists()
    with pytest.raises(LibraryError, match="no storage pool with matching name 'life'") as caught:
        pools.on("life", "name()")
    assert caught.value.code == 49


@pytest.mark.proves("STORAGE_POOL_CREATE_XML")
def test_a_transient_pool(pools: Pools) -> None:
    folder = pools.folder / "brief"
    folder.mkdir()
    pools.client(f"connection.storagePoolCreateXML({pools.xml('brief')!r}, 0)")
    assert [pools.on("brief", "isActive()"), pools.on("brief", "isPersistent()")] == [1, 0]
    assert not pools.file("brief").exists()
    pools.on("brief", "destroy()")
    folder.rmdir()


@pytest.mark.proves(
    "CONNECT_NUM_OF_STORAGE_POOLS", "CONNECT_LIST_STORAGE_POOLS", "CONNECT_LIST_ALL_STORAGE_POOLS",
    "CONNECT_NUM_OF_DEFINED_STORAGE_POOLS", "CONNECT_LIST_DEFINED_STORAGE_POOLS",
)  # fmt: skip
def test_lists_of_pools(pools: Pools, shelf: Path) -> None:
    def lists() -> Any:
        return pools.client(
            "[connection.numOfStoragePools(), connection.listStoragePools(), "
            "connection.numOfDefinedStoragePools(), connection.listDefinedStoragePools(), "
            "[one.name() for one in connection.listAllStoragePools(2)]]"
        )

    assert lists() == [1, ["shelf"], 0, [], ["shelf"]]
    pools.on("shelf", "destroy()")
    assert lists() == [0, [], 1, ["shelf"], []]
    pools.on("shelf", "create()")


@pytest.mark.proves(
    "STORAGE_POOL_LOOKUP_BY_UUID", "STORAGE_POOL_LOOKUP_BY_TARGET_PATH",
    "STORAGE_POOL_LOOKUP_BY_VOLUME", "STORAGE_POOL_GET_XML_DESC", "STORAGE_POOL_GET_INFO",
)  # fmt: skip
def test_what_a_pool_is(pools: Pools, book: Path) -> None:
    uuid = pools.on("shelf", "UUIDString()")
    assert f"<uuid>{uuid}</uuid>" in pools.file("shelf").read_text()
    found = f"connection.storagePoolLookupByUUID({UUID(uuid).bytes!r})"
    assert pools.client(f"{found}.name()") == "shelf"
    found = f"connection.storagePoolLookupByTargetPath({str(book.parent)!r})"
    assert pools.client(f"{found}.name()") == "shelf"
    assert pools.volume("book", "storagePoolLookupByVolume().name()") == "shelf"
    assert f"<path>{book.parent}</path>" in pools.on("shelf", "XMLDesc(0)")
    state, capacity, _used, _free = pools.on("shelf", "info()")
    disk = os.statvfs(book.parent)
    assert (state, capacity) == (2, disk.f_frsize * disk.f_blocks)


@pytest.mark.proves("STORAGE_POOL_SET_AUTOSTART", "STORAGE_POOL_GET_AUTOSTART")
def test_autostart(pools: Pools, shelf: Path) -> None:
    link = pools.file("shelf").parent / "autostart" / "shelf.xml"
    pools.on("shelf", "setAutostart(1)")
    assert link.is_symlink()
    assert pools.on("shelf", "autostart()") == 1
    pools.on("shelf", "setAutostart(0)")
    assert not link.is_symlink()


@pytest.mark.proves("STORAGE_POOL_REFRESH", "STORAGE_POOL_NUM_OF_VOLUMES",
                    "STORAGE_POOL_LIST_VOLUMES", "STORAGE_POOL_LIST_ALL_VOLUMES")  # fmt: skip
def test_a_file_that_somebody_else_made(pools: Pools, shelf: Path) -> None:
    (shelf / "found").write_bytes(b"x")
    assert pools.on("shelf", "numOfVolumes()") == 0
    pools.on("shelf", "refresh(0)")
    assert pools.on("shelf", "numOfVolumes()") == 1
    assert pools.on("shelf", "listVolumes()") == ["found"]
    text = "[one.name() for one in connection.storagePoolLookupByName('shelf').listAllVolumes()]"
    assert pools.client(text) == ["found"]


@pytest.mark.proves(
    "STORAGE_VOL_CREATE_XML", "STORAGE_VOL_DELETE", "STORAGE_VOL_LOOKUP_BY_NAME",
    "STORAGE_VOL_LOOKUP_BY_KEY", "STORAGE_VOL_LOOKUP_BY_PATH", "STORAGE_VOL_GET_PATH",
    "STORAGE_VOL_GET_INFO", "STORAGE_VOL_GET_INFO_FLAGS", "STORAGE_VOL_GET_XML_DESC",
)  # fmt: skip
def test_a_volume(pools: Pools, book: Path) -> None:
    assert book.stat().st_size == 1 << 20
    assert pools.volume("book", "path()") == str(book)
    key = pools.volume("book", "key()")
    assert pools.client(f"connection.storageVolLookupByKey({key!r}).name()") == "book"
    assert pools.client(f"connection.storageVolLookupByPath({str(book)!r}).name()") == "book"
    book.write_bytes(b"written" * 1000)
    size = book.stat().st_size
    assert pools.volume("book", "info()")[:2] == [0, size]
    assert pools.volume("book", "infoFlags(1)")[2] == size, "what stat says, not what is in use"
    assert f"<capacity unit='bytes'>{size}<" in pools.volume("book", "XMLDesc(0)")
    pools.volume("book", "delete(0)")
    assert not book.exists()


@pytest.mark.proves("STORAGE_VOL_CREATE_XML_FROM", "STORAGE_VOL_RESIZE", "STORAGE_VOL_WIPE",
                    "STORAGE_VOL_WIPE_PATTERN")  # fmt: skip
def test_clone_resize_and_wipe(pools: Pools, book: Path) -> None:
    book.write_bytes(b"text" * 1000)
    xml = VOLUME.format(name="copy", size=0)
    pools.client("shelf = connection.storagePoolLookupByName('shelf')")
    pools.client(f"shelf.createXMLFrom({xml!r}, shelf.storageVolLookupByName('book'), 0)")
    copy = book.parent / "copy"
    assert copy.read_bytes() == book.read_bytes()
    pools.volume("copy", "resize(8192)")
    assert copy.stat().st_size == 8192
    pools.volume("copy", "wipe(0)")
    assert copy.read_bytes() == bytes(8192)
    pools.volume("book", "wipePattern(0, 0)")
    assert book.read_bytes() == bytes(4000)


@pytest.mark.proves("STORAGE_VOL_UPLOAD", "STORAGE_VOL_DOWNLOAD")
def test_bytes_both_ways(pools: Pools, book: Path) -> None:
    client = pools.client
    client("stream = connection.newStream(0)")
    pools.volume("book", "upload(stream, 10, 9, 0)")
    client("stream.send(b'by stream')")
    client("stream.finish()")
    wait_for("the bytes", lambda: book.read_bytes()[10:19] == b"by stream")
    client("stream = connection.newStream(0)")
    pools.volume("book", "download(stream, 13, 6, 0)")
    assert client("stream.recv(100)") == "stream"
    client("stream.finish()")


@pytest.mark.proves("CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY",
                    "CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY",
                    "STORAGE_POOL_EVENT_LIFECYCLE", "STORAGE_POOL_EVENT_REFRESH")  # fmt: skip
def test_events(pools: Pools, shelf: Path) -> None:
    watcher = Library(pools.instance)
    watcher("numbers = [connection.storagePoolEventRegisterAny(None, kind, hear, kind)"
            " for kind in (0, 1)]")
    pools.on("shelf", "refresh(0)")
    pools.on("shelf", "destroy()")
    pools.on("shelf", "create()")
    wait_for("the last event", lambda: len(watcher("events")) >= 3)
    told = [event for event in watcher("events") if event[-1] == 0]
    assert ["shelf", 1] in watcher("events"), "the refresh"
    assert [event[:2] for event in told] == [["shelf", 3], ["shelf", 2]]
    watcher("[connection.storagePoolEventDeregisterAny(number) for number in numbers]")
    count = len(watcher("events"))
    pools.on("shelf", "refresh(0)")
    assert len(watcher("[connection.getHostname(), events][1]")) == count
    watcher.close()


@pytest.mark.proves("CONNECT_GET_STORAGE_POOL_CAPABILITIES")
def test_the_kinds_of_pools(pools: Pools, shelf: Path) -> None:
    """What is said to be supported can be made, and the rest is refused."""
    xml = pools.client("connection.getStoragePoolCapabilities(0)")
    assert "<pool type='dir' supported='yes'>" in xml
    assert "<pool type='gluster' supported='no'/>" in xml
    other = pools.xml("other").replace("'dir'", "'gluster'")
    with pytest.raises(LibraryError):
        pools.client(f"connection.storagePoolDefineXML({other!r}, 0)")
