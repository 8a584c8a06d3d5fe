"""Files that are there whole or not at all, whatever dies in between.

Below /etc and /var/lib the content must also outlive a power cut, hence the fsyncs; /run does not
outlive one anyway.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime.syscalls import syncfs

_TEMPORARY = ".new"


def replace_durably(path: str, data: bytes, mode: int = 0o600) -> None:
    """Puts ``data`` at ``path`` so that even a power cut leaves the old or the new content.

    Raises VirtlxcError (SYSTEM_ERROR) that names the path; then nothing has changed.
    """
    _replace(path, data, mode, durable=True)


def replace(path: str, data: bytes, mode: int = 0o600) -> None:
    """The same for files that need not outlive the host's running."""
    _replace(path, data, mode, durable=False)


def _replace(path: str, data: bytes, mode: int, durable: bool) -> None:
    folder = os.path.dirname(path)
    temporary = f"{folder}/{_TEMPORARY}-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                _write_all(fd, data)
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if durable:
            sync_folder(folder)
    except OSError as error:
        raise refused("write", path, error) from None


def replace_together(folder: str, some: Sequence[tuple[str, bytes]], mode: int = 0o600) -> None:
    """Puts each (name, data) into ``folder`` as :func:`replace_durably` does, but waits once.

    All contents are on the disk before the first gets its name. Raises VirtlxcError (SYSTEM_ERROR);
    what has its name already is whole then, and the others are what they were.
    """
    if not some:
        return
    ready: list[tuple[str, str]] = []
    path = folder
    try:
        for name, data in some:
            path = f"{folder}/{name}"
            temporary = f"{folder}/{_TEMPORARY}-{os.getpid()}-{os.urandom(6).hex()}"
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            ready.append((temporary, path))
            try:
                _write_all(fd, data)
            finally:
                os.close(fd)
        path = folder
        _sync_filesystem(folder)
        for temporary, path in ready:
            os.rename(temporary, path)
        sync_folder(folder)
    except OSError as error:
        raise refused("write", path, error) from None
    finally:
        for temporary, _path in ready:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _sync_filesystem(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def remove_durably(path: str) -> None:
    """Removes the file, if it is there, for good."""
    try:
        os.unlink(path)
        sync_folder(os.path.dirname(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused("remove", path, error) from None


def sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folders(*folders: tuple[str, int]) -> None:
    """Makes each folder (path, mode) with its parents, unless it is there."""
    for folder, mode in folders:
        try:
            os.makedirs(folder, mode, exist_ok=True)
        except OSError as error:
            raise refused("make the folder", folder, error) from None


def first_time(path: str, mark: str) -> bool:
    """Whether ``mark`` is new to the file; it stands there afterwards."""
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        if file.read() == mark:
            return False
    replace(path, mark.encode())
    return True


def sweep(folder: str) -> None:
    """Removes what interrupted writers left."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_TEMPORARY + "-"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{folder}/{name}")


def refused(step: str, path: str, error: OSError) -> VirtlxcError:
    """The error for a file operation that the kernel refused, with the mend that fits it."""
    text = f"{step} {path}: {os.strerror(error.errno or 0)}{mend(error.errno or 0)}"
    return VirtlxcError(text, Code.SYSTEM_ERROR)


def mend(errno: int) -> str:
    """What to do about a file that cannot be written, in brackets; empty when that is not known."""
    return _MENDS.get(errno, "")


_MENDS = {
    28: " (free some space on its filesystem; nothing was changed)",
    122: " (the disk quota is used up; nothing was changed)",
    30: " (its filesystem is mounted read-only; nothing was changed)",
}
