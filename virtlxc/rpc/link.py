"""What the command needs of a connection, whoever is behind it.

:class:`virtlxc.rpc.client.Connection` speaks to a daemon by itself,
:class:`virtlxc.rpc.libvirt.Connection` lets libvirt's library do it. Commands know neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Event(Protocol):
    """Something that happened: the message's name in the tables, and its fields."""

    @property
    def name(self) -> str: ...

    @property
    def fields(self) -> dict[str, Any]: ...


class Stream(Protocol):
    """Bytes both ways; ``fileno`` is readable when :meth:`recv` may have something."""

    def fileno(self) -> int: ...

    def send(self, data: bytes) -> None: ...

    def recv(self, timeout: float | None = None) -> bytes | None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


class Link(Protocol):
    """A connection that stands. All of it raises VirtlxcError only."""

    def call(
        self,
        name: str,
        /,
        *,
        program: str = "remote",
        fds: Sequence[int] | None = None,
        **fields: Any,
    ) -> dict[str, Any]: ...

    def stream(self, name: str, /, *, program: str = "remote", **fields: Any) -> Stream: ...

    def next_event(self, timeout: float | None = None) -> Event | None: ...

    def pump(self, timeout: float | None) -> bool: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...
