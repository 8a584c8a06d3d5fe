"""What a guest wrote, as a terminal may see it."""

from __future__ import annotations

import pytest

from virtlxc.cli.terminal_text import Harmless

WHOLE = (
    (b"plain \xc3\xa4 text\n\ttab\n", "plain ä text\n\ttab\n"),
    (b"one\r\ntwo\r\r\n", "one\ntwo\n"),
    (b"secret\rpublic\n", "secret\\rpublic\n"),
    (b"\x1b[1;31mred\x1b[0m \x1b[38:5:9mx\x1b[m\n", "red x\n"),
    (b"\x1b[2J\x1b]0;title\x07\x1bc\n", "\\x1b[2J\\x1b]0;title\\x07\\x1bc\n"),
    (b"\x9b2J \xc2\x9b2J\n", "\\x9b2J \\x9b2J\n"),
    (b"a\x08b\x7f\x00\x0c\x0b\n", "a\\x08b\\x7f\\x00\\x0c\\x0b\n"),
    ("\u202egnp.exe \u2028 \u00ad\n".encode(), "\\u202egnp.exe \\u2028 \\xad\n"),
    (b"half \xc3", "half \\xc3"),
    (b"half \x1b[3", "half \\x1b[3"),
    (b"end\r", "end\\r"),
)


@pytest.mark.parametrize(("data", "expected"), WHOLE)
def test_control_characters_are_shown(data: bytes, expected: str) -> None:
    harmless = Harmless()
    assert harmless.show(data) + harmless.end() == expected


@pytest.mark.parametrize(("data", "expected"), WHOLE)
def test_however_it_is_cut(data: bytes, expected: str) -> None:
    harmless = Harmless()
    pieces = [harmless.show(data[at : at + 1]) for at in range(len(data))]
    assert "".join(pieces) + harmless.end() == expected


def test_what_is_held_back_is_bounded() -> None:
    harmless = Harmless()
    assert len(harmless.show(b"\x1b[" + b"1;" * 5000)) > 9000
    assert len(harmless.show(b"\r" * 5000)) > 9000
