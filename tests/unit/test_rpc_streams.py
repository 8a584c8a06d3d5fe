"""What the server sends on its own: keepalive messages, events, the data of streams."""

from __future__ import annotations

import pytest

from tests.unit.rpc_service import Service
from virtlxc.errors import Code
from virtlxc.rpc import wire
from virtlxc.rpc.tables import KEEPALIVE, procedure


def test_pings_are_answered(service: Service) -> None:
    raw = service.raw()
    ping = procedure("PING", KEEPALIVE)
    head, payload = raw.exchange(
        wire.packet(ping.program, 1, ping.number, wire.MESSAGE, 0, wire.OK, b"")
    )
    assert (head.program, head.proc, head.type, head.serial, payload) == (
        ping.program, 2, wire.MESSAGE, 0, b""
    )  # fmt: skip


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
    packet = raw.packet("CONNECT_SECRET_EVENT_REGISTER_ANY", eventID=0)
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
