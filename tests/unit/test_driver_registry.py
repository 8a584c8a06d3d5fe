"""Which domains there are, and which names and UUIDs are free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from virtlxc.driver.constants import Listing, State
from virtlxc.driver.domain.domain import Process, Run, View
from virtlxc.driver.domain.registry import Registry
from virtlxc.driver.ref import make_ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.model import Domain
from virtlxc.plan.steps import Group

A = "00000000-0000-0000-0000-00000000000a"
B = "00000000-0000-0000-0000-00000000000b"


def domain(name: str, uuid: str) -> Domain:
    return Domain(name=name, uuid=uuid, memory=1024)


def run(pid: int) -> Run:
    return Run(
        controller=Process(pid=pid - 1, starttime=1),
        init=Process(pid=pid, starttime=2),
        boot_id="b",
        started=0.0,
        booted=0.0,
        leaf=Group(mount="/sys/fs/cgroup", path="/machine/x"),
    )


def defined(registry: Registry, name: str, uuid: str) -> View:
    view = View(name=name, uuid=uuid, config=domain(name, uuid))
    entry, _ = registry.claim(view)
    return registry.publish(entry, view)


def test_a_defined_domain_is_found_by_name_and_uuid() -> None:
    registry = Registry()
    view = defined(registry, "web1", A)
    assert registry.named("web1") is view
    assert registry.with_uuid(view.ref.uuid) is view
    assert registry.view(view.ref) is view
    assert view.ref.id == -1


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda r: r.named("x"), "Domain not found: No domain with matching name 'x'"),
        (lambda r: r.with_id(4), "Domain not found: No domain with matching id 4"),
        (
            lambda r: r.view(make_ref("x", A)),
            f"Domain not found: No domain with matching uuid '{A}' (x)",
        ),
    ],
)
def test_what_is_not_there_is_named(ask: object, text: str) -> None:
    with pytest.raises(VirtlxcError) as caught:
        ask(Registry())  # type: ignore[operator]
    assert caught.value.message == text
    assert caught.value.code == Code.NO_DOMAIN


def test_a_name_belongs_to_one_uuid_and_the_reverse() -> None:
    registry = Registry()
    defined(registry, "web1", A)
    with pytest.raises(VirtlxcError, match=f"domain 'web1' already exists with uuid {A}"):
        registry.claim(View(name="web1", uuid=B))
    with pytest.raises(VirtlxcError, match=f"domain 'web1' is already defined with uuid {A}"):
        registry.claim(View(name="db1", uuid=A))
    entry, new = registry.claim(View(name="web1", uuid=A))
    assert not new and entry.view.persistent


def test_a_claim_that_came_to_nothing_is_free_again() -> None:
    registry = Registry()
    entry, new = registry.claim(View(name="web1", uuid=A))
    assert new
    with pytest.raises(VirtlxcError):
        registry.claim(View(name="web1", uuid=B))
    registry.release(entry)
    registry.claim(View(name="web1", uuid=B))
    assert registry.matching(0) == []


def test_a_transient_domain_leaves_when_it_stops() -> None:
    registry = Registry()
    view = View(name="web1", uuid=A, live=domain("web1", A), run=run(42), state=State.RUNNING)
    entry, _ = registry.claim(view)
    registry.publish(entry, view)
    assert registry.with_id(42) is view
    registry.publish(entry, view.stopped(2, "destroyed"))
    assert registry.matching(0) == []
    with pytest.raises(VirtlxcError):
        registry.with_id(42)


def test_a_boot_changes_the_id_and_leaves_no_old_one() -> None:
    registry = Registry()
    view = View(name="web1", uuid=A, live=domain("web1", A), run=run(42), state=State.RUNNING)
    entry, _ = registry.claim(view)
    registry.publish(entry, view)
    registry.publish(entry, replace(view, run=run(43)))
    assert registry.with_id(43).name == "web1"
    with pytest.raises(VirtlxcError):
        registry.with_id(42)


def test_a_name_being_given_to_a_domain_is_taken() -> None:
    registry = Registry()
    defined(registry, "web1", A)
    entry = registry.entry(make_ref("web1", A))
    with registry.renaming(entry, "web2"), pytest.raises(VirtlxcError):
        registry.claim(View(name="web2", uuid=B))
    defined(registry, "web3", B)
    with pytest.raises(VirtlxcError), registry.renaming(entry, "web3"):
        pass


def test_filters_are_pairs() -> None:
    registry = Registry()
    defined(registry, "off", A)
    live = View(name="on", uuid=B, live=domain("on", B), run=run(9), state=State.RUNNING)
    entry, _ = registry.claim(live)
    registry.publish(entry, live)

    def names(flags: int) -> list[str]:
        return [view.name for view in registry.matching(flags)]

    assert names(0) == ["off", "on"]
    assert names(Listing.ACTIVE) == ["on"]
    assert names(Listing.INACTIVE | Listing.ACTIVE) == ["off", "on"]
    assert names(Listing.PERSISTENT) == ["off"]
    assert names(Listing.ACTIVE | Listing.PERSISTENT) == []
    assert names(Listing.RUNNING | Listing.SHUTOFF) == ["off", "on"]
    assert names(Listing.PAUSED) == []
    assert names(Listing.NO_SNAPSHOT) == ["off", "on"]
    assert names(Listing.HAS_SNAPSHOT) == []
    assert names(Listing.NO_AUTOSTART | Listing.INACTIVE) == ["off"]
