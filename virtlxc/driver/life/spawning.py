"""The spawner of this daemon: started with it, started again when it dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime.client import EnterChannel, Spawner, StartChannel

T = TypeVar("T")
#: A busy host may need some time between closing a dead process's sockets and its end.
_DEATH_SECONDS = 10.0


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
        return self._ask(lambda spawner: spawner.start_controller(plan, tuple(fds)))

    def enter(self, request: dict[str, Any], fds: Sequence[int]) -> EnterChannel:
        """A program inside a container; see :class:`EnterChannel`."""
        return self._ask(lambda spawner: spawner.enter(request, tuple(fds)))

    def change(self, request: dict[str, Any], fds: Sequence[int], timeout: float) -> None:
        """A running container is changed; see :meth:`Spawner.change`."""
        self._ask(lambda spawner: spawner.change(request, tuple(fds), timeout))

    def _ask(self, request: Callable[[Spawner], T]) -> T:
        """What the spawner answers; a new one is asked when it dies before it has the request."""
        spawner = self._alive()
        try:
            return request(spawner)
        except ConnectionError:
            spawner.dies(_DEATH_SECONDS)
            return request(self._alive())

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
