"""Tests by real clients: the daemon tells of every call, and each test says which rows it proves.

``@pytest.mark.proves("DOMAIN_SUSPEND", "DOMAIN_RESUME")`` says of a test that a real client makes
these calls, that they change something, and that the change is read back another way: from the
kernel, the disk, inside the container, or by another call than the one that made it. The daemon's
own lines show that the calls were made; tests/unit/test_row_proofs.py that no row is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library
from tests.interop.virsh import DOMAIN
from virtlxc.rpc import tables

_CALL = re.compile(r"uid=\d+ pid=(\d+) call=(\w+) domain=.*? result=(.*)$", re.MULTILINE)
_EVENT = re.compile(r"uid=\d+ pid=(\d+) event=(\w+)$", re.MULTILINE)
# The fixtures that are instances which tell of every call.
_INSTANCES = ("instance", "dropped_in", "asked", "shared_instance")
# libvirt's library always asks this first, and our own command never does.
_LIBRARY = "AUTH_LIST"
_OURS = frozenset(row[1] for row in tables.rows(tables.OWN))


def tell_of_calls(instance: Instance, more: str = "") -> None:
    """Configures an instance, whose daemon does not run yet, to tell of every call."""
    config = Path(instance.paths.config)
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"log_calls = true\n{more}")


def talkative() -> Instance:
    """An instance whose daemon tells of every call."""
    made = Instance(start=False)
    tell_of_calls(made)
    made.start_daemon()
    return made


@pytest.fixture
def instance() -> Iterator[Instance]:
    """As everywhere, but for the lines of the daemon."""
    made = talkative()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_instance() -> Iterator[Instance]:
    """As everywhere, but for the lines of the daemon."""
    made = talkative()
    yield made
    made.close()


@pytest.fixture(scope="module")
def library(shared_instance: Instance) -> Iterator[Library]:
    """libvirt's library, connected, with a domain 'web' as ``dom``."""
    made = Library(shared_instance)
    xml = DOMAIN.format(name="web", root=shared_instance.busybox(), init="/sbin/init")
    made(f"dom = connection.defineXML({xml!r})")
    yield made
    made("dom.undefine()")
    made.close()


def calls_of_clients(
    lines: str, start: int, *, refused: bool = False, old: bool = False
) -> set[str]:
    """The calls that libvirt's library made, and the events that it was sent, from ``start`` on.

    Only calls that went well, or only those that were ``refused``. Calls of our own program are
    our own command's, and so are ``old`` ones.
    """
    libraries = {pid for pid, name, _result in _CALL.findall(lines) if name == _LIBRARY}
    calls = _CALL.findall(lines, start)
    found = {(pid, name) for pid, name, result in calls if (result == "ok") != refused}
    found |= set(_EVENT.findall(lines, start))
    return {name for pid, name in found if old or pid in libraries or name in _OURS}


@pytest.fixture(autouse=True)
def proved(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that says it proves a row, and whose client did not make that call.

    ``of="module"``: a fixture of the module made the calls, maybe for another test.
    ``refused=True``: the row's only answer is a refusal in the words of libvirt. ``old=True``: only
    clients of old make the call, or hear the event; the client is our own.
    """
    markers = list(request.node.iter_markers("proves"))
    if not markers:
        yield
        return
    names = [name for name in _INSTANCES if name in request.fixturenames]
    found = request.getfixturevalue(names[0])
    instance: Instance = getattr(found, "instance", found)
    start = len(instance.daemon_messages())
    yield

    def missing() -> set[str]:
        lines = instance.daemon_messages()
        found: set[str] = set()
        for marker in markers:
            begin = 0 if marker.kwargs.get("of") == "module" else start
            options = {key: marker.kwargs.get(key, False) for key in ("refused", "old")}
            found |= set(marker.args) - calls_of_clients(lines, begin, **options)
        return found

    try:
        wait_for("the calls", lambda: not missing())
    except AssertionError:
        pytest.fail(f"no client of libvirt's made these calls, or they failed: {sorted(missing())}")
