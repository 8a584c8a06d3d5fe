"""Bytes that nobody meant: every packet is answered with a libvirt error or ends the connection.

Packets are mutations of good ones: two for each procedure, and those that the real virsh sent in a
recorded conversation. The seed is fixed; ``FUZZ_PACKETS`` and ``FUZZ_SEED`` change how many and
which (``tox -e fuzz``: a million). Afterwards the server still serves, no descriptor is left, and
the process has hardly grown. Beside them hypothesis makes packets that are right in form and odd in
every value.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rpc_service import Raw, running, wait_until
from tests.unit.test_rpc_codec import _plain_fields, values_of_fields
from tests.unit.test_rpc_recorded import recorded
from virtlxc.rpc import tables, wire
from virtlxc.rpc.client import Connection
from virtlxc.rpc.tables import LXC, OWN, REMOTE

PACKETS = int(os.environ.get("FUZZ_PACKETS", "50000"))
SEED = int(os.environ.get("FUZZ_SEED", "20260728"))
SECONDS = max(60.0, PACKETS / 800)
GROWTH_MAX_KIB = 8192
_BATCH = 4
# The end of the connection, and programs of which nobody knows when they end.
UNANSWERED = ("CONNECT_CLOSE", "EXEC_WAIT")
_WORDS = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 4194305, 33554436, 0x20008086)


def seeds() -> list[bytes]:
    """Good packets: for each procedure with small and with large values, and recorded ones."""
    found = [packet for side, packet in recorded() if side == "C"]
    for program, (number, version) in tables.PROGRAMS.items():
        for row in tables.rows(program):
            for filled in (False, True):
                values = _plain_fields(row[2], filled) if row[2] else ()
                payload = tables.Procedure(program, row).args.encode(values)
                found.append(wire.packet(number, version, row[0], wire.CALL, 7, wire.OK, payload))
    return found


def mutate(packet: bytes, chance: random.Random) -> bytes:
    """A packet with something wrong in it, and mostly with a right length."""
    data = bytearray(packet)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(0, len(data) - 3)
        kind = chance.randrange(6)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            struct.pack_into(">I", data, at & ~3, chance.choice(_WORDS))
        elif kind == 2:
            del data[max(28, at) :]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randint(1, 64))
        elif kind == 4:
            data += bytes(data[chance.randrange(len(data)) :])
        else:
            data += chance.randbytes(chance.randint(1, 200))
        if len(data) < 32:
            data += bytes(32 - len(data))
    if chance.random() < 0.95:
        struct.pack_into(">I", data, 0, len(data))
    return bytes(data)


class Connects(Protocol):
    """Whatever a fresh connection can be had of."""

    def raw(self) -> Raw:
        """A connection that is not open yet."""


class Fuzzer:
    """Sends packets on one connection after the other."""

    def __init__(self, service: Connects) -> None:
        self.service = service
        self.answered = self.ended = 0
        self.raw = self._connect()

    def _connect(self) -> Raw:
        raw = self.service.raw().open()
        raw.socket.settimeout(20)
        return raw

    def send(self, batch: list[bytes]) -> None:
        """Sends packets and then a good one, whose reply shows that all were dealt with."""
        good = self.raw.packet("CONNECT_GET_TYPE")
        try:
            self.raw.socket.sendall(b"".join(batch) + good)
            if not all(_is_whole(packet) for packet in batch):
                # The server may wait for the rest of a packet; it shall not wait in vain.
                self.raw.socket.shutdown(socket.SHUT_WR)
            while not self._is_answer(*self.raw.receive()):
                pass
            self.answered += 1
        except ConnectionError:
            self.ended += 1
            self.raw.close()
            self.raw = self._connect()

    def _is_answer(self, head: wire.Header, payload: bytes) -> bool:
        assert head.type in (wire.REPLY, wire.MESSAGE, wire.STREAM, wire.REPLY_WITH_FDS)
        if head.status == wire.ERROR:
            code, _domain, text = wire.ERROR_MESSAGE.decode(payload)[:3]
            assert code > 0
            assert text
        return (head.type, head.serial) == (wire.REPLY, self.raw.serial)


def _is_whole(packet: bytes) -> bool:
    size, type = struct.unpack(">I12xI", packet[:20])
    return bool(size == len(packet) and type != wire.CALL_WITH_FDS)


class Alone:
    """A server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "errors").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.rpc_service", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.path = self._process.stdout.readline().decode().strip()

    def raw(self) -> Raw:
        return Raw(self.path)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def end(self) -> str:
        """Ends it, which must go well; what it said."""
        self._process.communicate(timeout=30)
        self._errors.seek(0)
        said = self._errors.read()
        self._errors.close()
        assert self._process.returncode == 0, said
        return said


@pytest.mark.timeout(SECONDS * 3)
def test_mutated_packets(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    originals = seeds()
    server = Alone(tmp_path)
    fuzzer = Fuzzer(server)
    # The first ones warm it up: threads, tables, the heap.
    _rounds(fuzzer, originals, chance, max(PACKETS // 10, 5000))
    fuzzer.raw.close()
    before, fds = server.resident_kib(), server.descriptors()
    fuzzer = Fuzzer(server)
    _rounds(fuzzer, originals, chance, PACKETS)
    fuzzer.raw.close()
    with Connection(server.path) as connection:
        assert connection.call("CONNECT_GET_TYPE") == {"type": "LXC"}
    # The fake driver keeps its end of the last console.
    wait_until(lambda: server.descriptors() <= fds + 1)
    growth = server.resident_kib() - before
    assert server.end() == "", "mistakes of ours"
    assert growth < GROWTH_MAX_KIB
    assert fuzzer.answered > fuzzer.ended / 20, "too few packets were answered to tell"


def test_odd_values_in_good_packets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each is answered: with what was asked for, or with an error that has a code and words."""
    rows = [(program, row) for program in (REMOTE, LXC, OWN) for row in tables.rows(program)]
    caplog.set_level(logging.ERROR)
    with running(str(tmp_path)) as service:
        domains = service.driver.domains
        domains.add("web1", 5)
        domains.shutdown = domains.reboot  # type: ignore[method-assign]
        raws = [service.raw().open()]

        @settings(max_examples=1500, derandomize=True, database=None)
        @given(one=st.sampled_from(rows), data=st.data())
        def ask(one: tuple[str, tables.Row], data: st.DataObject) -> None:
            program, row = one
            number, version = tables.PROGRAMS[program]
            values = data.draw(values_of_fields(row[2]))
            payload = tables.Procedure(program, row).args.encode(values)
            packet = wire.packet(number, version, row[0], wire.CALL, 5, wire.OK, payload)
            raws[0].socket.sendall(packet)
            if row[1] in UNANSWERED:
                raws[0].close()
                raws[0] = service.raw().open()
                return
            head, reply = raws[0].receive()
            while head.type in (wire.STREAM, wire.MESSAGE):
                head, reply = raws[0].receive()
            assert (head.proc, head.serial) == (row[0], 5)
            if head.status == wire.ERROR:
                code, _domain, text = wire.ERROR_MESSAGE.decode(reply)[:3]
                assert code > 0
                assert text

        ask()
        raws[0].close()
        service.driver.domains.console = None
    assert caplog.text == "", "mistakes of ours"


def _rounds(fuzzer: Fuzzer, originals: list[bytes], chance: random.Random, count: int) -> None:
    end = time.monotonic() + SECONDS
    for _ in range(count // _BATCH):
        batch = [mutate(chance.choice(originals), chance) for _ in range(_BATCH)]
        fuzzer.send(batch)
        assert time.monotonic() < end, "slower than it may be"
