"""Names of domains and networks: bounds, how messages show long ones, where domains belong."""

from __future__ import annotations

MOST_BYTES = 200
"""Longer ones do not fit into the names of files."""

DEFAULT_PARTITION = "/machine"
"""The cgroup of a domain that says nothing of one."""


def short(name: str) -> str:
    """As a message shows it."""
    return name if len(name) <= 60 else name[:57] + "..."
