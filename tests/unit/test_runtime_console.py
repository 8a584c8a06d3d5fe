"""Ring, token bucket and log of a console, without a terminal."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from virtlxc.runtime.console import Bucket, Console, Log, Messages, Ring, Viewer, message


def read_all(ring: Ring, position: int = 0) -> bytes:
    data = b""
    position = max(position, ring.start)
    while position < ring.end:
        part, begin = ring.read(position, 3)
        data += part
        position = begin + len(part)
    return data


@given(st.lists(st.binary(max_size=40)), st.integers(1, 16))
def test_a_ring_keeps_the_last_bytes(chunks: list[bytes], size: int) -> None:
    ring = Ring(size)
    for chunk in chunks:
        ring.push(chunk)
    stream = b"".join(chunks)
    assert ring.end == len(stream)
    assert read_all(ring) == stream[-size:]


def test_a_reader_that_is_too_late_goes_on_at_the_oldest_byte() -> None:
    ring = Ring(4)
    ring.push(b"abcdefgh")
    assert ring.read(0, 100) == (b"efgh", 4)
    assert ring.read(6, 1) == (b"g", 6)
    assert ring.read(8, 1) == (b"", 8)


def test_a_bucket_refills_with_time_up_to_its_size() -> None:
    bucket = Bucket(10, 100, now=0.0)
    bucket.take(100)
    assert bucket.level(0.0) == 0
    assert bucket.level(1.0) == 10
    assert bucket.level(1000.0) == 100


def test_a_log_is_rotated_and_bounded(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), limit=100, files=3)
    for number in range(50):
        log.write(b"%09d\n" % number, now=0.0)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["log", "log.1", "log.2"]
    assert sum(path.stat().st_size for path in files) <= 300
    assert (tmp_path / "log").read_bytes().endswith(b"%09d\n" % 49)


def test_a_flood_is_not_logged_but_counted(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), limit=1 << 30, files=2)
    now = 1e9
    for _ in range(2000):
        log.write(b"y" * 1024, now)
    assert (tmp_path / "log").stat().st_size <= 1024 * 1024
    log.write(b"after\n", now + 10)
    log.close()
    tail = (tmp_path / "log").read_bytes()[-80:]
    assert b"bytes not logged]\nafter\n" in tail


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "missing" / "log"), limit=10, files=2)
    log.write(b"lost", 0.0)
    log.close()


def test_a_slow_viewer_skips_and_blocks_nobody() -> None:
    console = Console()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        viewer = Viewer(console, ours)
        console.viewers.append(viewer)
        for number in range(1000):
            console.ring.push(b"%07d\n" % number * 128)
            assert viewer.pump()
        assert viewer.behind()
        got = b""
        theirs.settimeout(0.2)
        try:
            while True:
                viewer.pump()
                got += theirs.recv(1 << 20)
        except TimeoutError:
            pass
        assert not viewer.behind()
        assert got.endswith(b"0000999\n" * 64)
        assert len(got) < 1000 * 1024


def test_a_viewer_that_is_gone_is_noticed() -> None:
    console = Console()
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        viewer = Viewer(console, ours)
        console.ring.push(b"x")
        theirs.close()
        assert not viewer.pump()


def test_a_message_loses_its_priority_and_stays_on_one_line() -> None:
    assert message(b"<30>Nov 23 22:15:16 shop[3]: sold") == b"Nov 23 22:15:16 shop[3]: sold"
    assert message(b"<191>two\nlines\n") == b"two lines"
    for text in (b"", b"<", b"<30", b"<x>y", b"<123456>far", b"plain"):
        assert message(text) == text


def test_messages_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "log"), 1 << 20, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    messages = Messages(ours.detach(), log)
    for text in (b"<6>one", b"", b"<6>two\n"):
        theirs.send(text)
    log.write(b"login: ", 0.0)
    assert messages.read(time.monotonic()) is False, "nothing to view"
    assert (tmp_path / "log").read_bytes() == b"login: \none\n\ntwo\n"
    assert messages.events() == select.POLLIN
    theirs.close()
    messages.disconnect()
    log.close()


def test_who_sends_too_many_messages_waits(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    messages = Messages(ours.detach(), None)
    theirs.setblocking(False)
    now = time.monotonic()
    for _ in range(1000):
        if messages.resume is not None:
            break
        with contextlib.suppress(BlockingIOError):
            theirs.send(b"x" * 4000)
        messages.read(now)
    assert messages.resume is not None and messages.events() == 0
    theirs.close()
    messages.disconnect()
