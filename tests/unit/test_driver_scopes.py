"""What becomes of a start when systemd does not make its scope."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.domains import completed, xml
from virtlxc.driver.domain.registry import Registry
from virtlxc.driver.life import starting
from virtlxc.driver.node.hostview import HostView
from virtlxc.errors import VirtlxcError
from virtlxc.host import systemd
from virtlxc.paths import Paths


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostView:
    """A host with systemd; ``monkeypatch`` decides what that says."""
    view = HostView(Paths(str(tmp_path)), Registry(), SimpleNamespace())  # type: ignore[arg-type]
    cgroup = SimpleNamespace(controllers=("cpu", "pids"), mount="/x")
    facts = SimpleNamespace(systemd=True, cgroup=cgroup)
    monkeypatch.setattr(HostView, "facts", facts)
    monkeypatch.setattr(systemd, "available", lambda: True)
    return view


def refuse(error: VirtlxcError) -> Any:
    def start_scope(*arguments: object) -> None:
        raise error

    return start_scope


def test_without_a_bus_groups_are_made_without_systemd_for_a_while(
    host: HostView, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = completed(xml())
    assert host.scope_leaf(domain)
    monkeypatch.setattr(systemd, "start_scope", refuse(systemd.NoScopeError("no bus")))
    with pytest.raises(systemd.NoScopeError):
        host.make_scope(domain, 7, "/nowhere")
    assert host.scope_leaf(domain) is None
    monkeypatch.setattr("virtlxc.driver.node.hostview._NO_SCOPE_SECONDS", 0.0)
    with pytest.raises(systemd.NoScopeError):
        host.make_scope(domain, 7, "/nowhere")
    assert host.scope_leaf(domain)


def test_the_move_is_foreseen_only_where_systemd_makes_scopes(
    host: HostView, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreseen = threading.Event()
    monkeypatch.setattr(systemd, "foresee_move", lambda mount: foreseen.set())
    monkeypatch.setattr(systemd, "available", lambda: False)
    host.expect_scope(completed(xml()))
    assert not any(thread.name == "foresee" for thread in threading.enumerate())
    monkeypatch.setattr(host, "_scopes", True)
    host.expect_scope(completed(xml()))
    assert foreseen.wait(20)


def test_a_name_that_is_taken_says_nothing_about_others(
    host: HostView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "start_scope", refuse(systemd.ScopeTakenError("taken")))
    with pytest.raises(systemd.ScopeTakenError):
        host.make_scope(completed(xml()), 7, "/nowhere")
    assert host.scope_leaf(completed(xml()))


def test_a_scope_that_has_too_little_is_an_error(
    host: HostView, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(systemd, "start_scope", lambda *arguments: None)
    (tmp_path / "cgroup.controllers").write_text("cpu io\n")
    with pytest.raises(VirtlxcError, match="does not delegate pids") as caught:
        host.make_scope(completed(xml()), 7, str(tmp_path))
    assert not isinstance(caught.value, systemd.NoScopeError)
    assert host.scope_leaf(completed(xml()))


@pytest.mark.parametrize("kind", [systemd.NoScopeError, systemd.ScopeTakenError])
def test_a_start_is_tried_once_more(
    kind: type[VirtlxcError], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def attempt(*arguments: object) -> None:
        attempts.append(arguments)
        raise kind("make its scope a.scope: no")

    core: Any = SimpleNamespace(
        lost={},
        host=SimpleNamespace(expect_scope=lambda domain: None),
        restarts=SimpleNamespace(forget=lambda entry: None),
        departed=SimpleNamespace(starting=contextlib.nullcontext),
        registry=Registry(),
    )
    monkeypatch.setattr(starting, "_attempt", attempt)
    monkeypatch.setattr(starting, "_check_neighbours", lambda domain: None)
    nobody: Any = None
    with pytest.raises(VirtlxcError, match=r"cannot start domain '.*': make its scope a\.scope"):
        starting.start_definition(core, nobody, nobody, completed(xml()), starting.Wish())
    assert len(attempts) == 2
