"""``<features>``: a network of its own, and capabilities."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """``caps`` holds (name, 'on'|'off') in the order of the document, names as in the XML.

    ``cap_policy`` is 'default' (libvirt's default set is dropped), 'allow' (only what is off is
    dropped) or 'deny' (only what is on is kept).
    """

    privnet: bool = False
    cap_policy: str = "default"
    caps: tuple[tuple[str, str], ...] = ()
    kept: tuple[Kept, ...] = ()
