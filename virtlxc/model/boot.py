"""``<os>``: what the container is, and the first program in it."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """``init`` is a path inside the container; ``initenv`` holds (name, value) pairs.

    ``inituser`` and ``initgroup`` are names, or numbers written ``+1000`` or ``1000``, resolved in
    the container's own /etc/passwd. ``arch`` is ``None`` when the document has none.
    """

    type: str = "exe"
    arch: str | None = None
    init: str | None = None
    initargs: tuple[str, ...] = ()
    initenv: tuple[tuple[str, str], ...] = ()
    initdir: str | None = None
    inituser: str | None = None
    initgroup: str | None = None
    cmdline: str | None = None
    kept: tuple[Kept, ...] = ()
