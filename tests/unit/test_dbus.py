"""The connection to the system bus: jobs that are waited for, and a bus that dies or hangs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit import fake_bus
from virtlxc.host import dbus


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus, "_CALL_SECONDS", 0.5)


def request() -> Any:
    return dbus.manager_call("StopUnit", "ss", ("a.scope", "fail"))


@pytest.fixture
def bus() -> Iterator[dbus.Bus]:
    made = dbus.Bus()
    yield made
    made.close()


@pytest.mark.parametrize("result", ["done", "failed"])
def test_a_job_is_waited_for_by_its_own_signal(
    result: str, bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = functools.partial(fake_bus.job, result=result, other=True)
    with fake_bus.fake_bus(tmp_path, StopUnit=answer) as (there, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        assert [bus.job(request(), 5.0), bus.job(request(), 5.0)] == [result, result]
        assert there.connections == 1


def test_a_refusal_has_its_name_and_text(
    bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = functools.partial(fake_bus.refuse, name="org.x.UnitExists", text="Unit exists.")
    with fake_bus.fake_bus(tmp_path, StopUnit=answer) as (there, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        for _ in range(2):
            with pytest.raises(dbus.BusError, match=r"Unit exists\.") as caught:
                bus.job(request(), 5.0)
            assert caught.value.name == "org.x.UnitExists"
        assert there.connections == 1


def test_a_service_that_is_not_there_is_nobody(
    bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = functools.partial(
        fake_bus.refuse, name="org.freedesktop.DBus.Error.ServiceUnknown", text="nobody"
    )
    with fake_bus.fake_bus(tmp_path, StopUnit=answer) as (_, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        with pytest.raises(dbus.BusGone, match="nobody"):
            bus.call(request())


def test_a_bus_that_was_started_again_is_found(
    bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_bus.fake_bus(tmp_path, StopUnit=fake_bus.job) as (there, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        assert bus.job(request(), 5.0) == "done"
        there.drop()
        assert bus.job(request(), 5.0) == "done"
        assert there.connections == 2


@pytest.mark.parametrize("silent", ["Hello", "AddMatch", "StopUnit"])
def test_a_bus_that_hangs_is_given_up(
    silent: str, bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_bus.fake_bus(tmp_path, StopUnit=fake_bus.job) as (there, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        answer = there.answers[silent]
        there.answers[silent] = lambda message: []
        with pytest.raises(dbus.BusGone):
            bus.job(request(), 0.5)
        there.answers[silent] = answer
        assert bus.job(request(), 5.0) == "done"


def test_a_bus_that_dies_meanwhile_is_gone(
    bus: dbus.Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_bus.fake_bus(tmp_path) as (there, address):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)

        def die(message: Any) -> list[Any]:
            there.drop()
            return []

        there.answers["StopUnit"] = die
        with pytest.raises(dbus.BusGone):
            bus.job(request(), 5.0)
