"""A step of the controller that fails, beside a child that lives, was killed, or has said why."""

from __future__ import annotations

from typing import Any

import pytest

from virtlxc.runtime import lean
from virtlxc.runtime.ops.context import Context
from virtlxc.runtime.perform import Conductor
from virtlxc.runtime.protocol import Failed

STEP: dict[str, Any] = {
    "name": "look", "side": "controller", "op": "open", "boot": True,
    "args": {"key": "ns", "path": "/proc/0/ns/net", "flags": "r"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "lives", "text"),
    [
        (b"", True, "No such file or directory"),
        (b"", False, "stage or init was killed during the start"),
        (b'{"phase":1}', False, "stage or init was killed during the start"),
        (b'{"failed":{"side":"stage","step":"s","errno":0,"path":"","text":"no"}}', False, "no"),
    ],
)
def test_what_is_said_of_it(said: bytes, lives: bool, text: str) -> None:
    ours, theirs = lean.packet_pair()
    ctx = Context("controller", {})
    ctx.channel = ours
    if said:
        theirs.send(said)
    if not lives:
        theirs.close()
    conductor = Conductor(ctx, [STEP], lambda channel: None)
    with pytest.raises(Failed) as caught:
        conductor._segment(0, 0, 1, 1)
    assert text in caught.value.text
    ours.close()
    theirs.close()
