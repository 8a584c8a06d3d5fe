"""Names of scopes, what systemd and machined are asked, and what becomes of their refusals."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from virtlxc.errors import VirtlxcError
from virtlxc.host import dbus, machined, systemd


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lxc-12-web1", r"lxc\x2d12\x2dweb1"),
        ("a_b.c:d", "a_b.c:d"),
        (".a", r"\x2ea"),
        ("ä", r"\xc3\xa4"),
    ],
)
def test_escapes(name: str, text: str) -> None:
    assert systemd.escape(name) == text


def test_names_are_libvirt_s() -> None:
    assert systemd.scope_name("web1", "4711") == r"machine-lxc\x2d4711\x2dweb1.scope"
    assert systemd.slice_name(None) == "machine.slice"
    assert systemd.slice_name("/machine/big-ones") == r"machine-big\x2dones.slice"


def test_the_path_has_a_placeholder_as_it_is() -> None:
    path = systemd.scope_path("web1", "\0controller\0", instance="ab12")
    assert path == "/machine.slice/machine-lxc\\x2dab12\\x2d\0controller\0\\x2dweb1.scope"
    nested = systemd.scope_path("web1", "7", partition="/machine/prod")
    assert nested == (
        r"/machine.slice/machine-prod.slice/machine-lxc\x2d7\x2dweb1.scope"
    )
    real = systemd.scope_path("web1", "\0controller\0").replace("\0controller\0", "4711")
    assert real.endswith("/" + systemd.scope_name("web1", "4711"))


def test_the_request_can_be_sent() -> None:
    message = systemd.request("a.scope", "machine.slice", 7, "Container web1")
    properties = dict(message.body[2])
    assert properties["PIDs"] == ("au", [7])
    assert properties["Delegate"] == ("b", True)
    assert properties["Before"] == ("as", ["virtlxc-guests.service"])
    assert b"StartTransientUnit" in message.serialise(1)


def test_a_move_that_changes_nothing_is_made_where_we_are(tmp_path: Path) -> None:
    places = tmp_path / "places"
    places.write_text("4:memory:/other\n0::/system.slice/virtlxc.service\n")
    procs = tmp_path / "system.slice/virtlxc.service/cgroup.procs"
    procs.parent.mkdir(parents=True)
    procs.write_text(f"1\n{os.getpid()}\n")
    systemd.foresee_move(str(tmp_path), str(places))
    assert procs.read_text().startswith("0")
    procs.write_text("1\n")
    systemd.foresee_move(str(tmp_path), str(places))
    assert procs.read_text() == "1\n", "where we are not, nobody moves us"


@pytest.mark.parametrize("text", ["", "4:memory:/\n", "0::/gone\n"])
def test_where_it_cannot_be_made_a_start_goes_on(tmp_path: Path, text: str) -> None:
    (tmp_path / "places").write_text(text)
    systemd.foresee_move(str(tmp_path), str(tmp_path / "places"))


def test_the_registration_can_be_sent() -> None:
    uuid = "11111111-2222-3333-4444-555555555555"
    message = machined.registration("lxc-7-web1", uuid, 8, "/srv/web1", [3, 4])
    assert message.body[1][:4] == [0x11] * 4
    assert message.body[2:] == ("libvirt-lxc", "container", 8, "/srv/web1", [3, 4])
    assert b"RegisterMachineWithNetwork" in message.serialise(1)


class FakeBus(dbus.Bus):
    """Answers with what it was given: results, or errors to raise."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[str] = []

    def _answer(self, message: Any) -> Any:
        from jeepney import HeaderFields

        self.asked.append(message.header.fields[HeaderFields.member])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self, message: Any, timeout: float = 0.0) -> tuple[Any, ...]:
        answer: tuple[Any, ...] = self._answer(message)
        return answer

    def job(self, message: Any, timeout: float = 0.0) -> str:
        return str(self._answer(message))


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            dbus.BusGone("no socket"),
            systemd.NoScopeError,
            r"make its scope a\.scope: systemd does not answer on D-Bus: no socket",
        ),
        (
            dbus.BusError("org.freedesktop.DBus.Error.AccessDenied", "Access denied"),
            systemd.NoScopeError,
            r"systemd refuses: Access denied",
        ),
        (
            dbus.BusError("org.freedesktop.systemd1.UnitExists", "exists"),
            systemd.ScopeTakenError,
            r"there is one already \(systemctl stop 'a\.scope' removes it\)",
        ),
        ("failed", systemd.NoScopeError, r"systemd's job ended with 'failed'"),
        ("done", systemd.NoScopeError, r"systemd did not move process \d+ into it"),
    ],
)
def test_what_systemd_refuses_is_told(
    answer: object, kind: type[VirtlxcError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        systemd.start_scope(FakeBus(answer), "a.scope", "machine.slice", os.getpid(), "")


def test_controllers_that_are_not_delegated_are_named(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    systemd.check_delegated(str(tmp_path), "a.scope", ["cpu", "memory"])
    with pytest.raises(VirtlxcError, match=r"a\.scope: systemd does not delegate pids to it .*Dis"):
        systemd.check_delegated(str(tmp_path), "a.scope", ["cpu", "pids"])
    with pytest.raises(VirtlxcError, match=r"a\.scope: .*/gone: No such file"):
        systemd.check_delegated(str(tmp_path / "gone"), "a.scope", ["cpu"])


def test_a_machine_that_is_registered_already_is_registered_anew() -> None:
    exists = dbus.BusError("org.freedesktop.machine1.MachineExists", "exists")
    bus = FakeBus(exists, (), ())
    machined.register(bus, "m", "11111111-2222-3333-4444-555555555555", 1, "", [])
    assert bus.asked == [
        *("RegisterMachineWithNetwork", "UnregisterMachine", "RegisterMachineWithNetwork"),
    ]


def test_a_machine_that_is_not_registered_can_be_unregistered() -> None:
    machined.unregister(FakeBus(dbus.BusError("org.freedesktop.machine1.NoSuchMachine", "")), "m")


def test_no_bus_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    bus = dbus.Bus()
    with pytest.raises(dbus.BusGone, match="the system bus"):
        bus.call(dbus.manager_call("Subscribe", "", ()))
