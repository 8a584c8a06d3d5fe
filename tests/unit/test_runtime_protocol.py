"""Framing, segments, placeholders: the words the processes have in common."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.runtime import protocol
from virtlxc.runtime.ops import OPS
from virtlxc.runtime.ops.context import Context
from virtlxc.runtime.perform import follow, keys_of


def step(side: str, op: str = "close", **more: Any) -> dict[str, Any]:
    return {"name": f"{side} {op}", "side": side, "op": op, "args": {"key": "x"}, **more}


def test_segments_are_runs_of_one_side() -> None:
    steps = [step(side) for side in ("controller", "controller", "stage", "controller", "init")]
    assert protocol.segments(steps) == [
        ("controller", 0, 2),
        ("stage", 2, 3),
        ("controller", 3, 4),
        ("init", 4, 5),
    ]
    assert protocol.segments([]) == []


@given(st.lists(st.sampled_from(protocol.SIDES)))
def test_segments_cover_every_step_once(sides: list[str]) -> None:
    steps = [step(side) for side in sides]
    covered = [n for _, first, last in protocol.segments(steps) for n in range(first, last)]
    assert covered == list(range(len(steps)))


def test_boot_half() -> None:
    steps = [step("controller"), step("stage", boot=True)]
    assert protocol.boot_half(steps) == [steps[1]]


def test_placeholders_are_replaced_everywhere() -> None:
    args = {"path": "/proc/\0stage\0/ns", "rows": [["\0stage\0", 1]], "none": None}
    assert protocol.resolve(args, {"stage": 7}) == {
        "path": "/proc/7/ns",
        "rows": [["7", 1]],
        "none": None,
    }
    assert protocol.resolve("\0init\0", {"stage": 7}) == "\0init\0"


@given(st.lists(st.dictionaries(st.text(), st.integers())), st.integers(1, 7))
def test_frames_survive_any_fragmentation(messages: list[dict[str, int]], size: int) -> None:
    stream = b"".join(map(protocol.frame, messages))
    buffer = protocol.FrameBuffer()
    got = []
    for at in range(0, len(stream), size):
        got += buffer.feed(stream[at : at + size])
    assert [json.loads(text) for text in got] == messages


def test_a_frame_beyond_the_limit_is_refused() -> None:
    with pytest.raises(protocol.ProtocolError, match="a frame of 4294967295 bytes"):
        protocol.FrameBuffer(100).feed(b"\xff\xff\xff\xff")


def test_frames_carry_descriptors() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader, writer = os.pipe()
        protocol.send(ours, {"a": 1}, (writer,))
        os.close(writer)
        got = protocol.receive(theirs)
        assert got is not None
        data, fds = got
        assert data == {"a": 1}
        os.write(fds[0], b"through")
        assert not os.get_inheritable(fds[0])
        assert os.read(reader, 10) == b"through"
        os.close(fds[0])
        os.close(reader)
        ours.close()
        assert protocol.receive(theirs) is None


def test_a_stream_that_ends_within_a_frame_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(protocol.frame({"a": 1})[:-1])
        with pytest.raises(protocol.ProtocolError, match="ended within a frame"):
            protocol.receive(theirs)


def test_failures_survive_the_wire() -> None:
    failed = protocol.Failed("init", "mount /proc", 1, "/proc", "/proc: not permitted")
    again = protocol.Failed.from_json(json.loads(json.dumps(failed.to_json())))
    assert again.args == failed.args
    assert str(again) == "mount /proc: /proc: not permitted"


def test_a_wrong_phase_is_an_error_not_a_hang() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ctx = Context("init", {})
        ctx.channel = theirs
        ours.send(b'{"phase":7}')
        with pytest.raises(protocol.ProtocolError, match="waited for phase 0"):
            follow(ctx, [step("controller"), step("init")], 0)
        ours.close()
        with pytest.raises(protocol.ProtocolError, match="the controller is gone"):
            follow(ctx, [step("controller"), step("init")], 0)


def test_only_keys_that_children_use_are_handed_over() -> None:
    steps = [
        step("controller", args={"key": "secret"}),
        step("init", args={"key": "dev"}),
        step("init", args={"keep": ["fd0"]}),
    ]
    assert keys_of(steps) == {"root", "dev", "fd0"}


def test_every_operation_says_what_it_does() -> None:
    for name, operation in OPS.items():
        assert operation.__doc__, name
        assert name == name.lower()
