"""``<console>``: a terminal of the container; the first is /dev/console and /dev/tty1."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """``target_port`` counts from 0 (None: its place in the list).

    ``path`` (the host's end of the terminal) and ``alias`` exist only while the domain runs: they
    come from :class:`virtlxc.model.LiveView` and are never read from a document.
    """

    type: str = "pty"
    target_type: str | None = None
    target_port: int | None = None
    path: str | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()
