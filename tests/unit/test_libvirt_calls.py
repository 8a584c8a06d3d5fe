"""Every call that a command makes has its counterpart in libvirt's library, or a reason."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from virtlxc.cli import commands
from virtlxc.errors import VirtlxcError
from virtlxc.rpc.libvirt import connection
from virtlxc.rpc.libvirt.calls import CALLS
from virtlxc.rpc.libvirt.events import REGISTER, Events
from virtlxc.rpc.libvirt.special import OWN, SPECIAL
from virtlxc.rpc.tables import REMOTE, procedure, rows

CLI = Path(commands.__file__).parents[1]
OBJECTS = {"conn", "device"}
MORE = {"fds", "stream"}


def test_the_table_is_sound() -> None:
    for name, line in CALLS.items():
        found = re.fullmatch(r"(\w+)\.(\w+)\(([\w, ]*)\)", line)
        assert found, line
        fields = set(procedure(name).args.names)
        assert found[1] in fields | OBJECTS, name
        assert found[1] != "device" or "name" in fields, name
        assert set(filter(None, found[3].split(", "))) <= fields | MORE, name
    assert not set(CALLS) & set(SPECIAL)
    assert all(procedure(name) for name in SPECIAL)
    assert all(procedure(name, "virtlxc") for name in OWN)


def asked() -> set[str]:
    """Names of libvirt's procedures in the command's source."""
    known = {row[1] for row in rows(REMOTE) if "event" not in row[4]}
    texts = [path.read_text() for path in CLI.rglob("*.py")]
    return known & {word for text in texts for word in re.findall(r'"([A-Z][A-Z0-9_]+)"', text)}


@pytest.mark.parametrize("name", sorted(asked()))
def test_every_call_of_a_command_has_a_line(name: str) -> None:
    assert name in CALLS or name in SPECIAL or name in REGISTER


def test_every_event_is_a_message() -> None:
    events = Events(None)
    for name in REGISTER:
        for number in range(27 if "DOMAIN" in name else 1):
            message = procedure(events._message(name, number))
            assert "event" in message.marks
            assert REGISTER[name][1] in message.args.names


def test_the_distribution_s_library_is_found_from_an_environment_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libvirt.py").write_text("here = True\n")
    monkeypatch.setattr(connection, "SYSTEM_FOLDERS", ("/nonexistent", str(tmp_path)))
    monkeypatch.delitem(sys.modules, "libvirt", raising=False)
    # As on a host that has it in no folder of sys.path.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not _has_libvirt(path)])
    before = list(sys.path)
    assert connection._library("test:///default").here is True
    assert sys.path == before
    monkeypatch.delitem(sys.modules, "libvirt")
    monkeypatch.setattr(connection, "SYSTEM_FOLDERS", ())
    with pytest.raises(VirtlxcError, match=r"libvirt's Python library.*package python3-libvirt"):
        connection._library("test:///default")
    # One of another Python.
    (tmp_path / "libvirt.py").write_text("import libvirtmod\n")
    monkeypatch.setattr(connection, "SYSTEM_FOLDERS", (str(tmp_path),))
    with pytest.raises(VirtlxcError, match="libvirt's Python library"):
        connection._library("test:///default")


def _has_libvirt(folder: str) -> bool:
    return bool(folder) and (Path(folder) / "libvirt.py").exists()
