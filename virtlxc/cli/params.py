"""Typed parameters: libvirt's lists of (name, type, value)."""

from __future__ import annotations

from virtlxc.cli.table import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Param = tuple[str, int, Any]

# Says in a flag word of a get call that we take strings; without it the daemon leaves them out.
STRING_OKAY = 4

INT, UINT, LLONG, ULLONG, DOUBLE, BOOLEAN, STRING = range(1, 8)


def values(params: Iterable[Param]) -> dict[str, Any]:
    """The values by name, in the order they came."""
    return {name: bool(value) if kind == BOOLEAN else value for name, kind, value in params}


def shown(value: Any) -> str:
    """A value as virsh prints one; a text may be a guest's, and what shows it a terminal."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    return f"{value:f}" if isinstance(value, float) else str(value)
