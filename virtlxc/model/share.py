"""``<lxc:namespace>``: namespaces that are taken from somebody else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``kind``: 'net', 'ipc' or 'uts'. ``type``: 'name' of a running domain, 'pid' of a process of
    the host, or 'netns' (a name below /run/netns; for 'net' only)."""

    kind: str
    type: str
    value: str
