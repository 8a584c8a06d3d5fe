"""What is mounted where: ``/proc/*/mountinfo``, proc_pid_mountinfo(5).

Whoever may mount chooses a mount point's name, on the host (fusermount) as in a guest. The kernel
escapes blanks, tabs, ends of lines and backslashes in it, and nothing else: not the other letters
that Python takes for blanks or ends of lines, nor bytes that are no text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line. Bytes that are no text are surrogates, as in :func:`os.fsdecode`."""

    device: str
    """Of the file system: ``8:1``."""
    root: str
    """Which folder of the file system is seen; ``/`` for all of it."""
    point: str
    fstype: str
    source: str
    options: tuple[str, ...]
    """Of the file system, not of this mount."""


def read(pid: int | str = "self") -> list[Mount]:
    """The mounts that a process sees, in their order. Raises OSError when it has ended."""
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        return parse(file.read())


def parse(table: bytes) -> list[Mount]:
    """From the bytes of such a file."""
    return [_mount(line.split(" ")) for line in _lines(table)]


def _lines(table: bytes) -> list[str]:
    return [line.decode(errors="surrogateescape") for line in table.split(b"\n") if line]


def _mount(words: list[str]) -> Mount:
    # Between the options of the mount and the type stand tags, as many as there are.
    kind = words.index("-", 6) + 1
    return Mount(
        words[2],
        unescape(words[3]),
        unescape(words[4]),
        words[kind],
        unescape(words[kind + 1]),
        tuple(words[kind + 2].split(",")),
    )


def unescape(path: str) -> str:
    r"""A path as it is, of one where blanks are octal (``\040``)."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)
