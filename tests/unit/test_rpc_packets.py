"""Packets that are cut, coded or addressed wrongly: a libvirt error each, or the end."""

from __future__ import annotations

import struct

import pytest

from tests.unit.rpc_service import Service
from virtlxc.errors import Code, From
from virtlxc.rpc import wire
from virtlxc.rpc.tables import PROGRAMS, REMOTE, procedure

REMOTE_NUMBER = PROGRAMS[REMOTE][0]


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
