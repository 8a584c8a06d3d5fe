"""``<console>``: a terminal of the container; the first is /dev/console and /dev/tty1."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.xmlmap import REFUSED, Ignore, Keep, Kept, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """``target_port`` counts from 0 (None: its place in the list).

    ``path`` (the host's end of the terminal), ``tty`` (the same, of the first only) and ``alias``
    exist only while the domain runs: they come from :class:`virtlxc.model.LiveView` and are never
    read from a document.
    """

    type: str = "pty"
    target_type: str | None = None
    target_port: int | None = None
    path: str | None = None
    tty: str | None = None
    alias: str | None = None
    kept: tuple[Kept, ...] = ()


CONSOLE_TYPES = types.choice(
    "pty", "null", "vc", "dev", "file", "pipe", "stdio", "udp", "tcp", "unix", "spicevmc", "nmdm"
)

CONSOLE = Table(
    "console",
    Console,
    (
        Value(
            path="@type",
            field="type",
            type=CONSOLE_TYPES,
            always=True,
            treatment=REFUSED,
            served=("pty",),
            note="only 'pty' can be started",
        ),
        Value(path="@tty", field="tty", live=True),
        Value(path="source/@path", field="path", live=True),
        Keep(path="protocol", note="only a pty is a container's console"),
        Keep(path="log", note="the output is in the domain's log and in the replay ring"),
        Value(
            path="target/@type",
            field="target_type",
            type=types.choice("lxc", "serial", "virtio", "xen", "uml", "openvz", "sclp", "sclplm"),
        ),
        Value(path="target/@port", field="target_port", type=types.UINT),
        Value(path="alias/@name", field="alias", live=True),
        Ignore(path="address"),
    ),
)
