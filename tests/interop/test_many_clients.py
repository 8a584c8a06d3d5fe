"""Many clients at once, one that stops reading and one that stops in the middle of a packet.

Nobody else waits for them, and the daemon's memory comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for
from tests.interop.library import Library
from tests.interop.virsh import DOMAIN
from tests.unit.rpc_service import Raw
from virtlxc.rpc import wire
from virtlxc.rpc.client import Connection

pytestmark = pytest.mark.interop

CLIENTS, CALLS = 200, 100
GROWTH_MAX_KIB, KEPT_MAX_KIB = 40 << 10, 20 << 10


@pytest.fixture
def instance() -> Iterator[Instance]:
    """One that does not tell of every call."""
    made = Instance()
    root = made.busybox()
    for number in range(20):
        made.define(DOMAIN.format(name=f"web{number}", root=root, init="/sbin/init"))
    yield made
    made.close()


def resident_kib(instance: Instance) -> int:
    status = Path(f"/proc/{instance.daemon_pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def rude_clients(instance: Instance) -> Iterator[None]:
    """One asks and reads nothing; one sends half a packet; they stay as long as it takes."""
    deaf = Raw(instance.paths.socket).open()
    dom = deaf.values("DOMAIN_LOOKUP_BY_NAME", name="web0")[0]
    asked = deaf.packet("DOMAIN_GET_XML_DESC", dom=dom, flags=0) * 100
    deaf.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            deaf.socket.sendall(asked)
    half = Raw(instance.paths.socket).open()
    half.socket.sendall((wire.PACKET_MAX - 1).to_bytes(4, "big") + bytes(30 << 10))
    yield
    deaf.close()
    half.close()


def work(instance: Instance, done: list[int], failures: list[Exception]) -> None:
    """One client: lookups, states, lists and documents."""
    try:
        with Connection(instance.paths.socket) as connection:
            for number in range(CALLS // 4):
                dom = connection.call("DOMAIN_LOOKUP_BY_NAME", name=f"web{number % 20}")["dom"]
                connection.call("DOMAIN_GET_STATE", dom=dom)
                assert connection.call("CONNECT_LIST_ALL_DOMAINS", need_results=1)["ret"] == 20
                connection.call("DOMAIN_GET_XML_DESC", dom=dom)
            done.append(CALLS)
    except Exception as error:
        failures.append(error)


def test_two_hundred_clients_and_two_rude_ones(instance: Instance) -> None:
    done: list[int] = []
    failures: list[Exception] = []
    library = Library(instance)
    library("connection.listAllDomains()")
    before = most = resident_kib(instance)
    with rude_clients(instance):
        threads = [
            threading.Thread(target=work, args=(instance, done, failures))
            for _ in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert len(library("connection.listAllDomains()")) == 20
            most = max(most, resident_kib(instance))
        assert failures == []
        assert len(done) == CLIENTS
    assert most - before < GROWTH_MAX_KIB
    wait_for("the memory", lambda: resident_kib(instance) - before < KEPT_MAX_KIB)
    library.close()
