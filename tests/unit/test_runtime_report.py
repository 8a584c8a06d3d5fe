"""What a performer tells its controller: one packet of numbers, a title and texts, or a failure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.runtime.controller import Controller
from virtlxc.runtime.performer import pack_report, read_report, settings
from virtlxc.runtime.protocol import Failed

NUMBERS = st.lists(st.integers(0, 2**63 - 1), min_size=8, max_size=8)
# A path of the host may have any bytes but NUL.
TEXTS = st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\0", b"").decode(
    "utf-8", "surrogateescape"
)), min_size=1)  # fmt: skip


@given(NUMBERS, st.binary(max_size=40), TEXTS)
def test_a_report_comes_back_as_it_was_packed(
    numbers: list[int], title: bytes, texts: list[str]
) -> None:
    numbers[3] = len(title)
    assert read_report(pack_report(numbers, title, texts)) == (tuple(numbers), title, texts)


def test_a_failure_is_raised() -> None:
    told = Failed("stage", "join", 13, "/x", "not allowed")
    with pytest.raises(Failed, match="join: not allowed") as caught:
        read_report(json.dumps({"failed": told.to_json()}).encode())
    assert caught.value.to_json() == told.to_json()
    with pytest.raises(Failed, match="the performer was killed during the start"):
        read_report(b"")


def test_settings_are_taken_from_the_plan() -> None:
    kill = {"mount": "/cg", "path": "/lxc-\0controller\0/payload"}
    plan = {"run": "/run/x", "kill": kill, "log": "/log", "log_files": 7}
    assert settings(plan, 42) == [
        "/run/x", "restart", "/cg/lxc-42/payload", "/log", str(2 << 20), "7"
    ]  # fmt: skip
    assert settings({}, 42)[:4] == ["", "restart", "", ""]


def test_answers_of_a_controller_are_json() -> None:
    controller = Controller(0)
    status: dict[str, object] = {
        "state": "starting",
        "init": None,
        "boots": 0,
        "intent": None,
        "consoles": 0,
    }
    assert json.loads(controller.status()) == {"ok": status}
    controller.init, controller.init_start, controller.intent = 7, 99, "reboot"
    status |= {"init": {"pid": 7, "starttime": 99}, "intent": "reboot"}
    assert json.loads(controller.status()) == {"ok": status}
