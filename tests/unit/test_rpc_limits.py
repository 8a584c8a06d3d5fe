"""What one client can take from the others: its limits, and clients that stop in the middle."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from tests.unit.rpc_service import Raw, Service, running, wait_until
from virtlxc.errors import Code
from virtlxc.rpc import peer, server, wire
from virtlxc.rpc.tables import KEEPALIVE, PROGRAMS, procedure


def test_half_a_packet_keeps_nobody_waiting(service: Service) -> None:
    half = service.raw().open()
    half.socket.sendall(struct.pack(">I", 1 << 20) + bytes(100))
    with service.connect() as connection:
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}


def test_a_client_that_reads_nothing_keeps_nobody_waiting(service: Service) -> None:
    deaf = service.raw().open()
    dom = service.driver.domains.add("x" * 100000)
    packet = deaf.packet("DOMAIN_GET_XML_DESC", dom=dom, flags=0)
    deaf.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            deaf.socket.sendall(packet)
    with service.connect() as connection:
        for _ in range(50):
            connection.call("CONNECT_GET_TYPE")


def test_a_client_that_reads_no_events_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "_BACKLOG_MAX", 65536)
    deaf = service.raw().open()
    deaf.values("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=0, dom=None)
    name = "x" * 10000
    with service.connect() as other:
        for _ in range(100):
            other.call("DOMAIN_DEFINE_XML", xml=f"<name>{name}</name>")
    wait_until(lambda: service.server.client_count == 0)
    assert deaf.is_closed()


def test_slow_calls_do_not_hold_up_others(service: Service) -> None:
    domains = service.driver.domains
    dom = domains.add("web1")
    domains.slow.clear()
    raw = service.raw().open()
    for _ in range(3):
        raw.socket.sendall(raw.packet("DOMAIN_CREATE", dom=dom))
    assert raw.values("CONNECT_GET_TYPE") == ("LXC",), "replies may come out of order"
    with service.connect() as connection:
        connection.call("DOMAIN_DESTROY", dom=dom)
    domains.slow.set()
    assert {raw.receive()[0].proc for _ in range(3)} == {procedure("DOMAIN_CREATE").number}


@pytest.mark.parametrize("most", [5, 2])
def test_a_client_has_so_many_calls_in_flight_at_most(tmp_path: Path, most: int) -> None:
    with running(str(tmp_path), max_client_requests=most) as service:
        _fill(service, most)


def _fill(service: Service, most: int) -> None:
    domains = service.driver.domains
    dom = domains.add("web1")
    domains.slow.clear()
    raw = service.raw().open()
    for _ in range(most):
        raw.socket.sendall(raw.packet("DOMAIN_CREATE", dom=dom))
    raw.socket.sendall(raw.packet("CONNECT_GET_TYPE"))
    raw.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.receive()
    domains.slow.set()
    raw.socket.settimeout(60)
    found = [raw.receive()[0].proc for _ in range(most + 1)]
    assert sorted(found) == [3] + [9] * most


def test_destroy_does_not_queue_behind_twenty_starts(service: Service) -> None:
    domains = service.driver.domains
    dom = domains.add("web1")
    domains.slow.clear()
    clients = [service.raw().open() for _ in range(5)]
    for raw in clients:
        for _ in range(4):
            raw.socket.sendall(raw.packet("DOMAIN_CREATE", dom=dom))
    try:
        with service.connect() as connection:
            connection.call("DOMAIN_DESTROY", dom=dom)
    finally:
        domains.slow.set()


def test_a_client_that_leaves_takes_what_it_owned(service: Service) -> None:
    connection = service.connect()
    connection.abandon()
    wait_until(lambda: len(service.driver.domains.gone) == 1)
    assert service.server.client_count == 0


def test_many_clients(service: Service) -> None:
    for number in range(20):
        service.driver.domains.add(f"web{number}", number + 1)
    failures: list[Exception] = []

    def work() -> None:
        try:
            with service.connect() as connection:
                for _ in range(20):
                    found = connection.call("CONNECT_LIST_ALL_DOMAINS", need_results=1, flags=1)
                    assert found["ret"] == 20
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    wait_until(lambda: service.server.client_count == 0)


@pytest.mark.parametrize("most", [20, 3])
def test_too_many_strangers_wait_their_turn(tmp_path: Path, most: int) -> None:
    with running(str(tmp_path), max_anonymous_clients=most) as service:
        _crowd(service, most)


def _crowd(service: Service, most: int) -> None:
    silent = [service.raw() for _ in range(most)]
    wait_until(lambda: service.server.client_count == most)
    late = service.raw()
    late.socket.sendall(late.packet("CONNECT_OPEN", name=None, flags=0))
    late.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        late.receive()
    with service.connect(readonly=True) as reader:
        assert reader.call("CONNECT_GET_TYPE") == {"type": "LXC"}, "each socket counts its own"
    silent[0].close()
    late.socket.settimeout(60)
    assert late.receive()[0].status == wire.OK


def test_clients_beyond_the_limit_wait_their_turn(tmp_path: Path) -> None:
    with running(str(tmp_path), max_clients=2) as service:
        first, second = service.connect(), service.connect()
        late = service.raw()
        late.socket.sendall(late.packet("CONNECT_OPEN", name=None, flags=0))
        late.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.receive()
        first.close()
        late.socket.settimeout(60)
        assert late.receive()[0].status == wire.OK
        second.close()


def reading(service: Service) -> Raw:
    return Raw(service.path_ro)


def test_one_user_does_not_keep_others_from_the_read_only_socket(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """More than wait for each other elsewhere, opened or not, and then no more."""
    monkeypatch.setattr(server, "USER_MAX", 30)
    users = iter([1001] * 32)
    monkeypatch.setattr(server, "peer_credentials", lambda _: (1, next(users, 1002), 1))
    monkeypatch.setattr(peer, "peer_credentials", lambda _: (1, 1001, 1))
    held = [reading(service) for _ in range(30)]
    wait_until(lambda: service.server.client_count == 30)
    assert reading(service).is_closed() and reading(service).is_closed()
    assert caplog.text.count("uid 1001 has 30 connections and gets no more") == 1
    with service.connect(readonly=True) as other:
        assert other.call("CONNECT_GET_TYPE") == {"type": "LXC"}
    held.pop().open()
    wait_until(lambda: service.server.client_count == 29)
    users = iter([1001])
    reading(service).open()


def test_who_may_only_read_sends_no_large_packets(service: Service) -> None:
    """Thirty-two million bytes that never come are kept for somebody."""
    rude = reading(service).open()
    rude.socket.sendall(struct.pack(">I", (1 << 20) + 1) + bytes(100))
    assert rude.is_closed()
    polite = reading(service).open()
    polite.socket.sendall(struct.pack(">I", 1 << 20) + bytes(100))
    polite.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        polite.receive()


def test_slow_calls_of_readers_hold_up_no_others(service: Service) -> None:
    domains = service.driver.domains
    dom = domains.add("web1")

    def wait(*_: object) -> list[object]:
        domains.slow.wait(120)
        return []

    domains.all_stats = wait  # type: ignore[method-assign, assignment]
    domains.slow.clear()
    readers = [reading(service).open() for _ in range(8)]
    try:
        for raw in readers * 5:
            name = "CONNECT_GET_ALL_DOMAIN_STATS"
            raw.socket.sendall(raw.packet(name, doms=[], stats=0, flags=0))
        with service.connect() as connection:
            connection.call("DOMAIN_SET_MEMORY_PARAMETERS", dom=dom, params=[], flags=0)
        assert not any(select.select([raw.socket for raw in readers], [], [], 0)), "they wait on"
    finally:
        domains.slow.set()
    assert readers[0].receive()[0].status == wire.OK


def test_a_client_that_answers_no_pings_is_given_up(tmp_path: Path) -> None:
    with running(str(tmp_path), keepalive_interval=0.02, keepalive_count=3) as service:
        raw = service.raw()
        raw.values("CONNECT_SUPPORTS_FEATURE", feature=10)
        pings = 0
        with pytest.raises(ConnectionError):
            while raw.receive()[0].program == PROGRAMS[KEEPALIVE][0]:
                pings += 1
        assert pings == 3


def test_our_own_client_answers_pings(tmp_path: Path) -> None:
    with running(str(tmp_path), keepalive_interval=0.02) as service, service.connect() as ours:
        ours.call("CONNECT_SUPPORTS_FEATURE", feature=10)
        assert ours.next_event(timeout=0.5) is None
        assert ours.call("CONNECT_GET_TYPE") == {"type": "LXC"}


def test_a_packet_longer_than_max_message_bytes_ends_the_connection(tmp_path: Path) -> None:
    with running(str(tmp_path), max_message_bytes=100_000) as service:
        raw = service.raw().open()
        fitting = raw.packet("DOMAIN_LOOKUP_BY_NAME", name="x" * 90_000)
        assert raw.error(fitting)[0] == Code.NO_DOMAIN
        raw.socket.sendall(raw.packet("DOMAIN_LOOKUP_BY_NAME", name="x" * 100_000))
        assert raw.is_closed()


@pytest.mark.parametrize(
    ("called", "setting"),
    [("DOMAIN_CREATE", "max_workers"), ("DOMAIN_DESTROY_FLAGS", "prio_workers")],
)
def test_as_many_calls_run_as_there_are_workers(tmp_path: Path, called: str, setting: str) -> None:
    """The others wait for a thread, and are answered when they have had one."""
    running_now, most = 0, 0
    lock = threading.Lock()

    def slow(*_args: object, **_more: object) -> None:
        nonlocal running_now, most
        with lock:
            running_now += 1
            most = max(most, running_now)
        time.sleep(0.02)
        with lock:
            running_now -= 1

    with running(str(tmp_path), **{setting: 2}) as service:
        dom = service.driver.domains.add("web1", 5)
        service.driver.domains.start = slow  # type: ignore[assignment]
        service.driver.domains.destroy = slow  # type: ignore[method-assign]
        clients = [service.raw().open() for _ in range(5)]
        for raw in clients:
            raw.socket.sendall(raw.packet(called, dom=dom))
        for raw in clients:
            raw.receive()
        assert most == 2


def test_as_many_connections_wait_as_may_be_queued(tmp_path: Path) -> None:
    """The kernel counts one more than it was told (listen(2))."""
    with running(str(tmp_path), max_queued_clients=3) as service:
        held = threading.Event()
        service.loop.call_soon_threadsafe(held.wait)
        waiting: list[socket.socket] = []
        with pytest.raises(BlockingIOError):
            while len(waiting) < 50:
                one = socket.socket(socket.AF_UNIX)
                one.setblocking(False)
                waiting.append(one)
                one.connect(service.path)
        held.set()
        for one in waiting:
            one.close()
        assert len(waiting) - 1 == 3 + 1
