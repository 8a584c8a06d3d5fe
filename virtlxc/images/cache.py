"""Bases that were fetched once: tar archives with their digests, in a folder of root's alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable

from virtlxc.images.progress import Progress
from virtlxc.images.removal import remove_tree

_log = logging.getLogger("virtlxc")

# An older base would be a guest without a week's security updates.
AGE_S = 7 * 24 * 3600
_PIECE = 1 << 20
_PART = ".part"
_lock = threading.Lock()


class Cache:
    """Archives by what they were made from. ``clock`` gives the seconds since the epoch."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def get(
        self, recipe: object, make: Callable[[str], None], progress: Progress, *, fresh: bool
    ) -> tuple[str, float]:
        """(path, age in seconds) of the archive for ``recipe``, made by ``make`` into a new file.

        It is made when there is none, it is too old, it is broken, or with ``fresh``. Raises what
        ``make`` does; then an older one, if there is one, stays.
        """
        name = hashlib.sha256(repr(recipe).encode()).hexdigest()[:32]
        path = f"{self._folder}/{name}.tar"
        os.makedirs(self._folder, 0o700, exist_ok=True)
        with _lock:  # two guests of one kind are fetched once
            progress.check()
            age = None if fresh else self._age(path, progress)
            if age is None:
                self._make(path, make, progress)
                age = 0.0
        return path, age

    def sweep(self) -> None:
        """Removes what nobody finished, and what is too old. To be called before any ``get``."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return  # nothing was ever fetched
        for name in names:
            path = f"{self._folder}/{name}"
            if name.startswith(".build-") or name.endswith(_PART) or self._is_old(path):
                _remove(path)
                _remove(f"{path}.json")

    def _is_old(self, path: str) -> bool:
        try:
            return path.endswith(".tar") and self._clock() - os.stat(path).st_mtime > AGE_S
        except OSError:
            return False  # another run removed it

    def _age(self, path: str, progress: Progress) -> float | None:
        """The age of a good archive; None when there is none such."""
        try:
            with open(f"{path}.json", encoding="utf-8") as file:
                known = json.load(file)
            age = self._clock() - float(known["made"])
            if not 0 <= age <= AGE_S or os.stat(path).st_size != known["size"]:
                return None
            if _digest(path, progress) != known["sha256"]:
                _log.warning("%s is broken, and is made again", path)
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return age

    def _make(self, path: str, make: Callable[[str], None], progress: Progress) -> None:
        part = path + _PART
        _remove(part)
        try:
            make(part)
            known = {
                "sha256": _digest(part, progress),
                "size": os.stat(part).st_size,
                "made": self._clock(),
            }
            with open(part + ".json", "w", encoding="utf-8") as file:
                json.dump(known, file)
            # The archive first: beside a digest that is not its own it counts as broken.
            os.rename(part, path)
            os.rename(part + ".json", f"{path}.json")
        finally:
            _remove(part)
            _remove(part + ".json")


def _digest(path: str, progress: Progress) -> str:
    digest = hashlib.sha256()
    total = os.stat(path).st_size
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            progress.tell("verify", file.tell(), total)
    return digest.hexdigest()


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
