"""What the server answers, to good and to bad clients; a fake driver stands behind it."""

from __future__ import annotations

import logging
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.rpc_service import Raw, Service, running
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc import peer, registry, wire
from virtlxc.rpc.client import Connection, RemoteError, socket_path
from virtlxc.rpc.listen import listen_unix
from virtlxc.rpc.tables import KEEPALIVE, LXC, OWN, PROGRAMS, REMOTE, procedure

REMOTE_NUMBER = PROGRAMS[REMOTE][0]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(str(tmp_path)) as made:
        yield made


def wait_until(true: Any, timeout: float = 10.0) -> None:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


# Opening


def test_the_sequence_of_libvirts_client(service: Service) -> None:
    raw = service.raw()
    assert raw.values("AUTH_LIST") == ([0],)
    assert raw.values("CONNECT_SUPPORTS_FEATURE", feature=10) == (1,)
    raw.open()
    assert raw.values("CONNECT_GET_URI") == ("lxc:///system",)
    for feature, supported in ((14, 1), (15, 1), (8, 1), (9, 1), (16, 1), (1, 0), (12, 0), (99, 0)):
        assert raw.values("CONNECT_SUPPORTS_FEATURE", feature=feature) == (supported,)
    assert raw.values("CONNECT_GET_TYPE") == ("LXC",)
    assert raw.values("CONNECT_GET_LIB_VERSION") == (9000000,)
    assert raw.values("CONNECT_IS_SECURE") == (1,)
    raw.values("CONNECT_REGISTER_CLOSE_CALLBACK")
    raw.values("CONNECT_UNREGISTER_CLOSE_CALLBACK")
    raw.values("CONNECT_CLOSE")
    assert raw.is_closed()


@pytest.mark.parametrize(
    "uri", [None, "", "lxc:///", "lxc:///system", "lxc:", "lxc+unix:///system"]
)
def test_uris_that_mean_us(service: Service, uri: str | None) -> None:
    service.raw().values("CONNECT_OPEN", name=uri, flags=0)


@pytest.mark.parametrize(
    ("uri", "flags", "code", "text"),
    [
        ("lxc:///session", 0, Code.INTERNAL_ERROR,
         "internal error: Unexpected LXC URI path '/session', try lxc:///system"),
        ("qemu:///system", 0, Code.NO_CONNECT,
         "no connection driver available for qemu:///system"),
        ("lxc:///system", 8, Code.INVALID_ARG,
         "invalid argument: unsupported flags (0x8) in function lxcConnectOpen"),
    ],
)  # fmt: skip
def test_uris_that_do_not(service: Service, uri: str, flags: int, code: int, text: str) -> None:
    raw = service.raw()
    assert raw.error(raw.packet("CONNECT_OPEN", name=uri, flags=flags))[::2] == (code, text)


def test_one_open_for_a_connection_and_none_before_it(service: Service) -> None:
    raw = service.raw()
    before = raw.error(raw.packet("CONNECT_GET_HOSTNAME"))
    assert before == (Code.INTERNAL_ERROR, From.RPC, "internal error: connection not open")
    raw.open()
    again = raw.error(raw.packet("CONNECT_OPEN", name=None, flags=0))
    assert again == (Code.INTERNAL_ERROR, From.RPC, "internal error: connection already open")


# What libvirt's clients read in errors


def test_a_procedure_that_does_not_exist(service: Service) -> None:
    """Clients turn an RPC error that begins so into "not supported"."""
    raw = service.raw().open()
    for number in (0, 444, 100000, -1):
        packet = wire.packet(REMOTE_NUMBER, 1, number, wire.CALL, 9, wire.OK, b"")
        assert raw.error(packet) == (Code.RPC, From.RPC, f"unknown procedure: {number}")


def test_an_event_cannot_be_called(service: Service) -> None:
    raw = service.raw().open()
    packet = wire.packet(REMOTE_NUMBER, 1, 318, wire.CALL, 9, wire.OK, b"")
    assert raw.error(packet)[0] == Code.RPC


def test_a_procedure_that_we_lack(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    packet = raw.packet("DOMAIN_SAVE", dom=dom, to="/tmp/x")
    text = "this function is not supported by the connection driver: virDomainSave"
    assert raw.error(packet)[::2] == (Code.NO_SUPPORT, text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DOMAIN_GET_XML_DESC", "virDomainGetXMLDesc"),
        ("CONNECT_GET_ALL_DOMAIN_STATS", "virConnectGetAllDomainStats"),
        ("DOMAIN_LOOKUP_BY_UUID", "virDomainLookupByUUID"),
        ("NODE_GET_CPU_STATS", "virNodeGetCPUStats"),
        ("NETWORK_GET_DHCP_LEASES", "virNetworkGetDHCPLeases"),
        ("NWFILTER_LOOKUP_BY_NAME", "virNWFilterLookupByName"),
    ],
)
def test_names_of_libvirts_functions(name: str, expected: str) -> None:
    assert registry.api_name(name) == expected


@pytest.mark.parametrize("program", [0, 1, 0x20008087, 0x06900690, 0xFFFFFFFF])
def test_a_program_that_does_not_exist(service: Service, program: int) -> None:
    raw = service.raw().open()
    code, domain, text = raw.error(wire.packet(program, 1, 1, wire.CALL, 9, wire.OK, b""))
    assert (code, domain, text) == (
        Code.RPC, From.RPC, f"Cannot find program {program} version 1"
    )  # fmt: skip


def test_a_version_that_does_not_exist(service: Service) -> None:
    raw = service.raw().open()
    packet = wire.packet(REMOTE_NUMBER, 2, 59, wire.CALL, 9, wire.OK, b"")
    assert raw.error(packet)[0] == Code.RPC


@pytest.mark.parametrize("type", [wire.REPLY, wire.MESSAGE, wire.REPLY_WITH_FDS, wire.STREAM_HOLE])
def test_a_type_that_no_client_sends(service: Service, type: int) -> None:
    raw = service.raw().open()
    packet = wire.packet(REMOTE_NUMBER, 1, 59, type, 9, wire.OK, b"")
    assert raw.error(packet)[::2] == (Code.RPC, f"Unexpected message type {type}")


def test_a_status_that_no_call_has(service: Service) -> None:
    raw = service.raw().open()
    packet = wire.packet(REMOTE_NUMBER, 1, 59, wire.CALL, 9, wire.CONTINUE, b"")
    assert raw.error(packet)[::2] == (Code.RPC, "Unexpected message status 2")


def test_the_reply_repeats_the_header(service: Service) -> None:
    raw = service.raw().open()
    head, _payload = raw.exchange(
        wire.packet(REMOTE_NUMBER, 1, 59, wire.CALL, 0xDEADBEEF, wire.OK, b"")
    )
    assert (head.program, head.version, head.proc, head.type, head.serial, head.status) == (
        REMOTE_NUMBER, 1, 59, wire.REPLY, 0xDEADBEEF, wire.OK
    )  # fmt: skip


def test_stream_data_for_no_stream_is_dropped(service: Service) -> None:
    raw = service.raw().open()
    raw.socket.sendall(wire.packet(REMOTE_NUMBER, 1, 201, wire.STREAM, 9, wire.CONTINUE, b"late"))
    assert raw.values("CONNECT_GET_TYPE") == ("LXC",)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "the message is too short"),
        (struct.pack(">I", 5) + b"abc", "a string of 5 bytes does not fit"),
        (struct.pack(">I", 1) + b"\0\0\0\0", "a string must not have a NUL in it"),
        (struct.pack(">I", 1) + b"a\0\0\0" + b"more", "4 bytes too many"),
    ],
)
def test_a_payload_that_cannot_be_read(service: Service, payload: bytes, reason: str) -> None:
    raw = service.raw().open()
    row = procedure("DOMAIN_LOOKUP_BY_NAME")
    code, domain, text = raw.error(
        wire.packet(REMOTE_NUMBER, 1, row.number, wire.CALL, 9, wire.OK, payload)
    )
    assert (code, domain) == (Code.RPC, From.RPC)
    assert text.startswith("Unable to decode message payload: ")
    assert reason in text


def test_flags_that_we_do_not_know(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    assert raw.error(raw.packet("DOMAIN_GET_TIME", dom=dom, flags=0x12))[::2] == (
        Code.INVALID_ARG,
        "invalid argument: unsupported flags (0x12) in function lxcDomainGetTime",
    )


def test_the_drivers_errors_come_through(service: Service) -> None:
    with service.connect() as connection, pytest.raises(RemoteError) as caught:
        connection.call("DOMAIN_LOOKUP_BY_NAME", name="nobody")
    assert (caught.value.code, caught.value.domain) == (Code.NO_DOMAIN, From.LXC)
    assert caught.value.message == "Domain not found: no domain with matching name 'nobody'"


def test_a_mistake_of_ours_is_logged_and_named(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection, pytest.raises(RemoteError) as caught:
        connection.call("DOMAIN_SHUTDOWN", dom=dom)
    assert caught.value.code == Code.INTERNAL_ERROR
    assert caught.value.message.startswith(
        "internal error: virtlxc made a mistake in DOMAIN_SHUTDOWN; its log has the trace"
    )
    assert "ZeroDivisionError" in caplog.text


# Packets


@pytest.mark.parametrize("size", [0, 4, 27, wire.PACKET_MAX + 1, 0xFFFFFFFF])
def test_a_length_that_no_packet_has_ends_the_connection(service: Service, size: int) -> None:
    raw = service.raw().open()
    raw.socket.sendall(struct.pack(">I", size) + bytes(24))
    assert raw.is_closed()


@pytest.mark.parametrize(("type", "status"), [(7, 0), (0, 3), (0xFFFFFFFF, 0)])
def test_a_header_that_no_packet_has_ends_the_connection(
    service: Service, type: int, status: int
) -> None:
    raw = service.raw().open()
    raw.socket.sendall(struct.pack(">IIIiIII", 28, REMOTE_NUMBER, 1, 59, type, 1, status))
    assert raw.is_closed()


def test_a_stranger_cannot_send_much(service: Service) -> None:
    raw = service.raw()
    raw.socket.sendall(struct.pack(">IIIiIII", 1 << 20, REMOTE_NUMBER, 1, 1, 0, 1, 0))
    assert raw.is_closed()


def test_packets_in_pieces_and_several_at_once(service: Service) -> None:
    raw = service.raw().open()
    packets = b"".join(raw.packet("CONNECT_GET_TYPE") for _ in range(3))
    for at in range(0, len(packets), 5):
        raw.socket.sendall(packets[at : at + 5])
    serials = [raw.receive()[0].serial for _ in range(3)]
    assert serials == sorted(serials)


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
        started = time.monotonic()
        for _ in range(50):
            connection.call("CONNECT_GET_TYPE")
        assert time.monotonic() - started < 5


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


# Calls in flight


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


def test_a_client_has_five_calls_in_flight_at_most(service: Service) -> None:
    domains = service.driver.domains
    dom = domains.add("web1")
    domains.slow.clear()
    raw = service.raw().open()
    for _ in range(5):
        raw.socket.sendall(raw.packet("DOMAIN_CREATE", dom=dom))
    raw.socket.sendall(raw.packet("CONNECT_GET_TYPE"))
    raw.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.receive()
    domains.slow.set()
    raw.socket.settimeout(10)
    found = [raw.receive()[0].proc for _ in range(6)]
    assert sorted(found) == [3, 9, 9, 9, 9, 9]


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


# Reading only


def test_the_read_only_socket(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect(readonly=True) as connection:
        assert connection.path == service.path_ro
        assert connection.call("CONNECT_LIST_ALL_DOMAINS", need_results=1)["ret"] == 1
        assert "secret" not in connection.call("DOMAIN_GET_XML_DESC", dom=dom)["xml"]
        with pytest.raises(RemoteError, match="virDomainGetXMLDesc with secure flag") as caught:
            connection.call("DOMAIN_GET_XML_DESC", dom=dom, flags=1)
        assert caught.value.code == Code.OPERATION_DENIED
        with pytest.raises(RemoteError) as refused:
            connection.call("DOMAIN_DESTROY", dom=dom)
        assert refused.value.code == Code.OPERATION_DENIED
        assert refused.value.message == (
            "operation forbidden: read only access prevents virDomainDestroy"
        )
        for name in ("LOGS", "EXEC_START", "CONSOLE_RESIZE"):
            with pytest.raises(RemoteError, match="read only access prevents"):
                connection.call(name, program=OWN, dom=dom)


def test_a_connection_may_make_itself_read_only(service: Service) -> None:
    raw = service.raw()
    raw.values("CONNECT_OPEN", name=None, flags=1)
    dom = service.driver.domains.add("web1")
    assert raw.error(raw.packet("DOMAIN_DESTROY", dom=dom))[0] == Code.OPERATION_DENIED


def test_every_row_without_the_mark_is_refused(service: Service) -> None:
    raw = Raw(service.path_ro).open()
    for handler in registry.all_handlers():
        row = handler.procedure
        if "ro" not in row.marks:
            packet = wire.packet(row.program, 1, row.number, wire.CALL, 9, wire.OK, b"")
            assert raw.error(packet)[0] == Code.OPERATION_DENIED, row.name


# Sockets


def test_the_sockets_rights(service: Service) -> None:
    assert stat.S_IMODE(os.stat(service.path).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(service.path_ro).st_mode) == 0o666
    assert sorted(os.listdir(os.path.dirname(service.path))) == [
        "virtlxc-sock", "virtlxc-sock-ro"
    ]  # fmt: skip


def test_a_socket_of_a_living_daemon_is_not_taken(service: Service) -> None:
    with pytest.raises(VirtlxcError) as caught:
        listen_unix(service.path, 0o660)
    assert caught.value.code == Code.RESOURCE_BUSY
    assert f"process {os.getpid()} (" in caught.value.message
    assert service.path in caught.value.message
    with service.connect() as connection:
        connection.call("CONNECT_GET_TYPE")


def test_a_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.listen()
    dead.close()
    with listen_unix(path, 0o660) as made, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        assert made.accept()


def test_a_path_longer_than_an_address_can_be(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 120) / "sock")
    with running(str(tmp_path / ("y" * 120))) as service, service.connect() as connection:
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}
    with listen_unix(path, 0o660):
        assert stat.S_ISSOCK(os.stat(path).st_mode)


def test_the_sockets_are_gone_afterwards(tmp_path: Path) -> None:
    with running(str(tmp_path)) as service:
        path = service.path
    assert not os.path.exists(path)


def test_too_many_strangers_wait_their_turn(service: Service) -> None:
    silent = [service.raw() for _ in range(20)]
    wait_until(lambda: service.server.client_count == 20)
    late = service.raw()
    late.socket.sendall(late.packet("CONNECT_OPEN", name=None, flags=0))
    late.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        late.receive()
    with service.connect(readonly=True) as reader:
        assert reader.call("CONNECT_GET_TYPE") == {"type": "LXC"}, "each socket counts its own"
    silent[0].close()
    late.socket.settimeout(10)
    assert late.receive()[0].status == wire.OK


def test_clients_beyond_the_limit_wait_their_turn(tmp_path: Path) -> None:
    with running(str(tmp_path)) as service:
        service.on_loop(lambda: setattr(service.server, "_clients_max", 2))
        first, second = service.connect(), service.connect()
        late = service.raw()
        late.socket.sendall(late.packet("CONNECT_OPEN", name=None, flags=0))
        late.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.receive()
        first.close()
        late.socket.settimeout(10)
        assert late.receive()[0].status == wire.OK
        second.close()


# Descriptors


def test_descriptors_come_back(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        fds = connection.call("DOMAIN_OPEN_NAMESPACE", program=LXC, dom=dom)["fds"]
    assert [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in fds] == ["ipc", "uts"]
    for fd in fds:
        os.close(fd)


def test_descriptors_go_with_a_call_and_are_closed(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    reading, writing = os.pipe()
    with service.connect() as connection:
        connection.call("DOMAIN_CREATE_WITH_FILES", dom=dom, fds=[writing, writing])
        os.close(writing)
        assert os.read(reading, 1) == b"", "the server has closed its copies"
    os.close(reading)


def test_descriptors_that_were_announced_and_do_not_come(service: Service) -> None:
    raw = service.raw().open()
    dom = service.driver.domains.add("web1")
    row = procedure("DOMAIN_CREATE_WITH_FILES")
    payload = wire.with_fd_count(1, row.args.encode_named({"dom": dom}))
    raw.socket.sendall(
        wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload) + b"\0"
    )
    assert raw.is_closed()


def test_descriptors_for_a_call_that_takes_none(service: Service) -> None:
    raw = service.raw().open()
    row = procedure("CONNECT_GET_TYPE")
    payload = wire.with_fd_count(0, b"")
    packet = wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload)
    assert raw.error(packet)[::2] == (Code.RPC, "CONNECT_GET_TYPE takes no descriptors")


def test_too_many_descriptors(service: Service) -> None:
    raw = service.raw().open()
    row = procedure("DOMAIN_CREATE_WITH_FILES")
    payload = wire.with_fd_count(33, b"")
    raw.socket.sendall(
        wire.packet(row.program, 1, row.number, wire.CALL_WITH_FDS, 9, wire.OK, payload)
    )
    assert raw.is_closed()


# Keepalive, events, streams


def test_pings_are_answered(service: Service) -> None:
    raw = service.raw()
    ping = procedure("PING", KEEPALIVE)
    head, payload = raw.exchange(
        wire.packet(ping.program, 1, ping.number, wire.MESSAGE, 0, wire.OK, b"")
    )
    assert (head.program, head.proc, head.type, head.serial, payload) == (
        ping.program, 2, wire.MESSAGE, 0, b""
    )  # fmt: skip


def test_a_client_that_answers_no_pings_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "KEEPALIVE_INTERVAL", 0.02)
    raw = service.raw()
    raw.values("CONNECT_SUPPORTS_FEATURE", feature=10)
    assert raw.is_closed()


def test_our_own_client_answers_pings(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "KEEPALIVE_INTERVAL", 0.02)
    with service.connect() as connection:
        connection.call("CONNECT_SUPPORTS_FEATURE", feature=10)
        assert connection.next_event(timeout=0.5) is None
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}


def test_events_of_all_kinds_of_registration(service: Service) -> None:
    web, db = service.driver.domains.add("web"), service.driver.domains.add("db")
    with service.connect() as connection, service.connect() as actor:
        connection.call("CONNECT_DOMAIN_EVENT_REGISTER")
        about_web = connection.call(
            "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=0, dom=web
        )["callbackID"]
        actor.call("DOMAIN_CREATE", dom=db)
        actor.call("DOMAIN_CREATE", dom=web)
        found = [connection.next_event(5) for _ in range(3)]
        assert [(one.name, one.fields["dom"][0]) for one in found if one] == [
            ("DOMAIN_EVENT_LIFECYCLE", "db"),
            ("DOMAIN_EVENT_LIFECYCLE", "web"),
            ("DOMAIN_EVENT_CALLBACK_LIFECYCLE", "web"),
        ]
        assert found[2] and found[2].fields["callbackID"] == about_web
        assert (found[2].fields["event"], found[2].fields["detail"]) == (2, 0)
        connection.call("CONNECT_DOMAIN_EVENT_DEREGISTER")
        connection.call("CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY", callbackID=about_web)
        actor.call("DOMAIN_DESTROY", dom=web)
        assert connection.next_event(0.2) is None


@pytest.mark.parametrize("event", range(27))
def test_every_known_event_may_be_wanted(service: Service, event: int) -> None:
    raw = service.raw().open()
    raw.values("CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY", eventID=event, dom=None)
    raw.values("CONNECT_DOMAIN_EVENT_REGISTER_ANY", eventID=event)


def test_registrations_that_are_refused(service: Service) -> None:
    raw = service.raw().open()
    name = "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"
    for event in (-1, 27, 2**31 - 1):
        assert raw.error(raw.packet(name, eventID=event, dom=None))[0] == Code.INTERNAL_ERROR
    gone = raw.packet("CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY", callbackID=7)
    assert raw.error(gone)[0] == Code.INTERNAL_ERROR
    raw.values("CONNECT_DOMAIN_EVENT_REGISTER")
    assert raw.error(raw.packet("CONNECT_DOMAIN_EVENT_REGISTER"))[0] == Code.OPERATION_FAILED
    for name in ("NODE_DEVICE", "SECRET"):
        packet = raw.packet(f"CONNECT_{name}_EVENT_REGISTER_ANY", eventID=0)
        assert raw.error(packet)[0] == Code.NO_SUPPORT


def test_a_console_both_ways(service: Service) -> None:
    dom = service.driver.domains.add("web1", 5)
    with service.connect() as connection:
        stream = connection.stream("DOMAIN_OPEN_CONSOLE", dom=dom)
        console = service.driver.domains.console
        assert console
        console.sendall(b"login: ")
        assert stream.recv() == b"login: "
        stream.send(b"root\r")
        assert console.recv(100) == b"root\r"
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}, "calls go on meanwhile"
        stream.finish()
        assert console.recv(100) == b""
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}


def test_the_end_of_a_console(service: Service) -> None:
    dom = service.driver.domains.add("web1", 5)
    with service.connect() as connection:
        stream = connection.stream("DOMAIN_OPEN_CONSOLE", dom=dom)
        console = service.driver.domains.console
        assert console
        console.sendall(b"bye")
        console.close()
        assert stream.recv() == b"bye"
        assert stream.recv() == b""
        stream.finish()


@pytest.mark.parametrize("status", [wire.OK, wire.ERROR])
def test_finish_and_abort_are_confirmed_in_the_same_words(service: Service, status: int) -> None:
    dom = service.driver.domains.add("web1", 5)
    raw = service.raw().open()
    head, _payload = raw.call("DOMAIN_OPEN_CONSOLE", dom=dom, dev_name=None, flags=0)
    head, payload = raw.exchange(head.packet(wire.STREAM, status))
    assert (head.type, head.proc, head.status, payload) == (wire.STREAM, 201, wire.OK, b"")


def test_a_console_that_nobody_reads_stops_at_the_source(service: Service) -> None:
    dom = service.driver.domains.add("web1", 5)
    raw = service.raw().open()
    raw.call("DOMAIN_OPEN_CONSOLE", dom=dom, dev_name=None, flags=0)
    console = service.driver.domains.console
    assert console
    console.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            sent += console.send(b"y\n" * 4096)
    assert sent < 4 << 20
    with service.connect() as other:
        assert other.call("CONNECT_GET_TYPE") == {"type": "LXC"}


def test_a_console_that_does_not_read_holds_only_its_own_client(service: Service) -> None:
    dom = service.driver.domains.add("web1", 5)
    raw = service.raw().open()
    head, _payload = raw.call("DOMAIN_OPEN_CONSOLE", dom=dom, dev_name=None, flags=0)
    console = service.driver.domains.console
    assert console
    raw.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            raw.socket.sendall(head.packet(wire.STREAM, wire.CONTINUE, b"z" * 65536))
    with service.connect() as other:
        assert other.call("CONNECT_GET_TYPE") == {"type": "LXC"}


# Typed parameters, and what was written down


def test_typed_parameters_in_two_steps(service: Service) -> None:
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        assert connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom) == {
            "params": [], "nparams": 3
        }  # fmt: skip
        found = connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom, nparams=2)
        assert [one[0] for one in found["params"]] == ["hard_limit", "soft_limit"]
        connection.call(
            "DOMAIN_SET_MEMORY_PARAMETERS", dom=dom, params=[("hard_limit", 4, 65536)], flags=1
        )
        found = connection.call("DOMAIN_GET_MEMORY_PARAMETERS", dom=dom, nparams=3)
        assert found["params"] == [("hard_limit", 4, 65536)]
        for flags, count in ((0, 1), (4, 2)):
            found = connection.call("DOMAIN_GET_BLKIO_PARAMETERS", dom=dom, nparams=9, flags=flags)
            assert found["nparams"] == count, "strings only for those who can read them"


def test_cpu_statistics_in_four_shapes(service: Service) -> None:
    dom = service.driver.domains.add("web1")

    def ask(nparams: int, start_cpu: int, ncpus: int) -> tuple[list[str], int]:
        found = connection.call(
            "DOMAIN_GET_CPU_STATS", dom=dom, nparams=nparams, start_cpu=start_cpu, ncpus=ncpus
        )
        return [one[0] for one in found["params"]], found["nparams"]

    with service.connect() as connection:
        assert ask(0, -1, 1) == ([], 2)
        assert ask(2, -1, 1) == (["cpu_time", "user_time"], 2)
        assert ask(0, 0, 0) == ([], 2)
        assert ask(1, 0, 2) == (["cpu_time", "cpu_time"], 1)


def test_an_audit_line_for_what_changes_something(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "virtlxc.audit")
    dom = service.driver.domains.add("web1")
    with service.connect() as connection:
        connection.call("CONNECT_LIST_ALL_DOMAINS")
        connection.call("DOMAIN_CREATE", dom=dom)
        with pytest.raises(RemoteError):
            connection.call("DOMAIN_UNDEFINE", dom=("gone", bytes(16), -1))
    who = f"uid={os.getuid()} pid={os.getpid()}"
    assert [one.getMessage() for one in caplog.records if one.name == "virtlxc.audit"] == [
        f"{who} call=DOMAIN_CREATE domain=web1 result=ok",
        f"{who} call=DOMAIN_UNDEFINE domain=gone "
        f"result=Domain not found: no domain with matching uuid '{'0' * 32}'",
    ]


# Our own client


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with pytest.raises(VirtlxcError) as caught:
        Connection(path)
    assert caught.value.message.startswith(
        f"Failed to connect socket to '{path}': No such file or directory "
        "(the daemon is not running; start it: "
    )


def test_a_daemon_that_dies_in_the_middle(service: Service) -> None:
    connection = service.connect()
    service.on_loop(service.server.stop)
    with pytest.raises(VirtlxcError, match=r"the connection to .* broke"):
        connection.call("CONNECT_GET_TYPE")
    connection.close()
    connection.close()


@pytest.mark.parametrize(
    ("address", "readonly", "expected"),
    [
        ("/run/x", False, "/run/x"),
        ("/run/x", True, "/run/x-ro"),
        ("lxc+unix:///system?socket=/run/a%20b", False, "/run/a b"),
        ("lxc+unix:///system?mode=direct&socket=/run/x", True, "/run/x-ro"),
    ],
)
def test_addresses(address: str, readonly: bool, expected: str) -> None:
    assert socket_path(address, readonly) == expected


def test_an_address_of_somebody_else() -> None:
    with pytest.raises(VirtlxcError, match="no connection driver available for qemu:///system"):
        socket_path("qemu:///system")
