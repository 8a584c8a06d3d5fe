"""The spawner of this daemon: started with it, started again when it dies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime.client import EnterChannel, Spawner, StartChannel


class Spawning:
    """Hands out channels to fresh controllers and to programs that enter containers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spawner: Spawner | None = None

    def start(self) -> None:
        """Starts the spawner ahead of the first use, so that this one does not wait for it."""
        self._alive()

    def close(self) -> None:
        """Ends the spawner; controllers run on."""
        with self._lock:
            if self._spawner is not None:
                self._spawner.close()
                self._spawner = None

    def controller(self, plan: dict[str, Any], fds: Sequence[int]) -> StartChannel:
        """A controller that will perform ``plan``; see :class:`StartChannel`. Raises Failed."""
        try:
            return self._alive().start_controller(plan, tuple(fds))
        except OSError:
            # It died between the question and the request.
            return self._alive().start_controller(plan, tuple(fds))

    def enter(self, request: dict[str, Any], fds: Sequence[int]) -> EnterChannel:
        """A program inside a container; see :class:`EnterChannel`."""
        try:
            return self._alive().enter(request, tuple(fds))
        except OSError:
            return self._alive().enter(request, tuple(fds))

    def change(self, request: dict[str, Any], fds: Sequence[int], timeout: float) -> None:
        """A running container is changed; see :meth:`Spawner.change`."""
        try:
            spawner = self._alive()
            spawner.change(request, tuple(fds), timeout)
        except ConnectionError:
            self._alive().change(request, tuple(fds), timeout)

    def _alive(self) -> Spawner:
        with self._lock:
            if self._spawner is None or not self._spawner.alive():
                self._spawner = self._fresh()
            return self._spawner

    def _fresh(self) -> Spawner:
        spawner = Spawner()
        try:
            spawner.start()
        except OSError as error:
            raise VirtlxcError(
                f"start the spawner: {error} (see the daemon's log)", Code.INTERNAL_ERROR
            ) from None
        return spawner
