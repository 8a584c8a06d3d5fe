"""A conversation of the real virsh 9.0.0 with the real libvirtd 9.0.0, recorded on its socket.

``virsh-on-libvirtd.hex`` has a packet a line, C for virsh's and S for libvirtd's. Each is decoded
by our tables to what the golden file says, and encoded again to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from virtlxc.rpc import tables, wire
from virtlxc.rpc.codec import Message
from virtlxc.rpc.tables import KEEPALIVE, Procedure

DATA = Path(__file__).resolve().parents[1] / "data/rpc"
TYPES = ("call", "reply", "message", "stream")


def recorded() -> list[tuple[str, bytes]]:
    lines = (DATA / "virsh-on-libvirtd.hex").read_text().splitlines()
    return [(line[0], bytes.fromhex(line[2:])) for line in lines]


def procedures() -> dict[tuple[int, int], Procedure]:
    return {
        (number, row[0]): Procedure(program, row)
        for program, (number, _version) in tables.PROGRAMS.items()
        for row in tables.rows(program)
    }


def message_of(head: wire.Header, row: Procedure) -> Message:
    if head.status == wire.ERROR:
        return wire.ERROR_MESSAGE
    return row.result if head.type == wire.REPLY else row.args


def test_a_recorded_conversation(golden: Callable[[str, str], None]) -> None:
    known = procedures()
    told = []
    for side, packet in recorded():
        assert wire.packet_size(packet) == len(packet)
        head = wire.header(packet)
        row = known[head.program, head.proc]
        payload = packet[wire.LENGTH_SIZE + wire.HEADER_SIZE :]
        message = message_of(head, row)
        values = message.decode(payload)
        assert message.encode(values) == payload, row.name
        assert head.packet(head.type, head.status, payload) == packet
        fields = ", ".join(f"{n}={v!r}" for n, v in zip(message.names, values, strict=True))
        told.append(f"{side} {TYPES[head.type]} {head.serial} {row.name}({fields})\n")
    golden("rpc/virsh-on-libvirtd.txt", "".join(told))


def test_the_recording_has_what_it_is_for() -> None:
    heads = [wire.header(packet) for _side, packet in recorded()]
    assert {head.type for head in heads} >= {wire.CALL, wire.REPLY, wire.MESSAGE}
    assert {head.status for head in heads} >= {wire.OK, wire.ERROR}
    assert len({head.proc for head in heads}) > 30
    assert KEEPALIVE in tables.PROGRAMS
