"""Writing files of the host: kernel files in one write, files of ours at once."""

from __future__ import annotations

import os


def read_text(path: str) -> str:
    """A small file in one read(2); the text layer of Python costs five more system calls.

    A guest names its processes with any bytes, which must not stop who reads /proc/PID/stat.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536).decode(errors="replace")
    finally:
        os.close(fd)


def put(path: str, data: str, flags: int = 0) -> None:
    """One write(2) to a file that exists; the error has the path also when write fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags)
    try:
        os.write(fd, data.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def replace(path: str, data: bytes, mode: int = 0o600) -> None:
    """Create or replace a file at once: readers see the old or the new, never a part."""
    temporary = f"{path}.new"
    fd = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode
    )
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        os.unlink(temporary)
        error.filename = path
        raise
    finally:
        os.close(fd)
    os.rename(temporary, path)
