"""Removing what a guest has filled: its folders may be nested deeper than Python calls itself."""

from __future__ import annotations

import contextlib
import os
import stat

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Removes a folder and all in it as far as that is possible; links are not followed."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError:
        return
    way: list[tuple[str, int]] = []
    left = [_emptied(fd)]
    try:
        while way or left[-1]:
            if left[-1]:
                name = left[-1].pop()
                with contextlib.suppress(OSError):
                    at = os.open(name, _FLAGS, dir_fd=fd)
                    way.append((name, os.fstat(fd).st_ino))
                    os.close(fd)
                    fd = at
                    left.append(_emptied(fd))
            else:
                left.pop()
                name, above = way.pop()
                at = os.open("..", _FLAGS, dir_fd=fd)
                os.close(fd)
                fd = at
                if os.fstat(fd).st_ino != above:
                    return  # somebody moves folders: what is above is not ours to remove
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=fd)
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _emptied(folder: int) -> list[str]:
    """The folders in a folder, whose other entries are removed."""
    folders = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    folders.append(name)
                else:
                    os.unlink(name, dir_fd=folder)
    return folders
