"""Files of the driver: whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from virtlxc.driver import files
from virtlxc.driver.domain.store import Store
from virtlxc.errors import Code, VirtlxcError
from virtlxc.paths import Paths

UUID = "8369f1ac-7e46-4869-8ca5-759d51478066"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Paths(str(tmp_path)))
    store.prepare()
    return store


def test_a_definition_comes_back_as_it_was_written(store: Store) -> None:
    store.write_definition("web1", "<domain>ä</domain>")
    store.write_definition("db1", "<domain/>")
    store.write_definition("web1", "<domain>ö</domain>")
    assert dict(store.definitions()) == {"web1": "<domain>ö</domain>", "db1": "<domain/>"}


def test_a_write_that_fails_changes_nothing(tmp_path: Path, store: Store) -> None:
    store.write_definition("web1", "old")
    # A folder in the file's place is refused by rename(2), after everything has been written.
    (tmp_path / "etc/virtlxc/lxc/db1.xml/x").mkdir(parents=True)
    with pytest.raises(VirtlxcError, match=r"write .*/db1\.xml: Is a directory") as caught:
        store.write_definition("db1", "new")
    assert caught.value.code == Code.SYSTEM_ERROR
    assert sorted(os.listdir(tmp_path / "etc/virtlxc/lxc")) == ["autostart", "db1.xml", "web1.xml"]


def test_a_full_disk_is_named_with_its_mend() -> None:
    error = files.refused("write", "/etc/x", OSError(errno.ENOSPC, ""))
    assert error.message == (
        "write /etc/x: No space left on device"
        " (free some space on its filesystem; nothing was changed)"
    )


def test_what_an_interrupted_writer_left_is_swept(tmp_path: Path, store: Store) -> None:
    left = tmp_path / "etc/virtlxc/lxc/.new-1-aa"
    left.write_text("half")
    store.prepare()
    assert not left.exists()
    assert list(store.definitions()) == []


def test_autostart_is_a_link_and_goes_with_the_definition(store: Store) -> None:
    store.write_definition("web1", "x")
    assert not store.autostart("web1")
    store.set_autostart("web1", True)
    store.set_autostart("web1", True)
    assert store.autostart("web1")
    store.remove_definition("web1")
    assert not store.autostart("web1")
    assert list(store.definitions()) == []
    store.remove_definition("web1")


def test_live_state_by_uuid(tmp_path: Path, store: Store) -> None:
    folder = store.make_run(UUID)
    assert list(store.statuses()) == [(UUID, None)]
    store.write_status(UUID, {"name": "web1"})
    store.write_starting(UUID, 7, 8)
    assert list(store.statuses()) == [(UUID, {"proto": 1, "name": "web1"})]
    assert store.starting(UUID) == {"pid": 7, "starttime": 8}
    assert store.exit_report(UUID) is None
    Path(folder, "exit.json").write_text('{"how": "exited"}')
    assert store.exit_report(UUID) == {"how": "exited"}
    Path(folder, "exit.json").write_text("{")
    assert store.exit_report(UUID) is None
    (tmp_path / "run/virtlxc/network").mkdir()
    assert [uuid for uuid, _ in store.statuses()] == [UUID]
    store.remove_run(UUID)
    assert list(store.statuses()) == []
