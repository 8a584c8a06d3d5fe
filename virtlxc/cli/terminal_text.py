"""Bytes that guests wrote, as text that does nothing to the terminal which shows it.

An escape sequence can set a window's title, type answers, or repaint what was read before. Colours
are left out, as journalctl does: they can hide text. Other control characters are written as
escapes; line ends and tabs stay.
"""

from __future__ import annotations

import codecs
import re

from virtlxc.errors import visible

_LAYOUT = "\n\t"
_LEFT_OUT = re.compile(r"\x1b\[[0-9;:]*m|\r+(?=\n)")
# What may be the beginning of those; no longer than any that makes sense, so that little waits.
_BEGUN = re.compile(r"(?:\x1b(?:\[[0-9;:]{0,30})?|\r{1,30})\Z")


class Harmless:
    """Text of a stream of bytes that comes in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def show(self, data: bytes) -> str:
        """What can be shown so far."""
        text = self._held + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return _shown(text[:end])

    def end(self) -> str:
        """What was held back, when nothing follows it."""
        text, self._held = self._held + self._decoder.decode(b"", True), ""
        return _shown(text)


def _shown(text: str) -> str:
    return visible(_LEFT_OUT.sub("", text), _LAYOUT)
