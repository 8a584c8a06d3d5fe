"""Files that commands read."""

from __future__ import annotations

import os

from virtlxc.cli.failures import Failed

SIZE_MAX = 10 * 1024 * 1024


def read_text(path: str) -> str:
    """The text of a file, ``-`` and ``/dev/stdin`` included; Failed in libvirt's words."""
    shown = path
    try:
        if path == "-":
            path = "/dev/stdin"
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise Failed(
            f"Failed to open file '{shown}': {os.strerror(error.errno or 0)}"
        ) from None
    if len(data) > SIZE_MAX:
        raise Failed(f"Failed to read file '{shown}': {os.strerror(75)}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Failed(
            f"Failed to read file '{shown}': byte {error.start} is not UTF-8 text"
        ) from None
