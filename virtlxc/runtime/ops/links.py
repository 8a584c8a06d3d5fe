"""Network links, addresses and routes by rtnetlink (controller: the host's; init: its own)."""

from __future__ import annotations

from .context import Context


def veth(
    ctx: Context,
    *,
    host: str,
    guest: str,
    netns: str,
    host_mac: str,
    mac: str | None = None,
    mtu: int | None = None,
    bridge: str | None = None,
    up: bool = True,
    isolated: bool = False,
) -> None:
    """Make a veth pair in one request, its peer ``guest`` (address ``mac``) born in ``netns``.

    The host end has address ``host_mac`` (its identity for the undo), is in ``bridge`` if one is
    given, and up. Undo: link-aside {host, mac: host_mac}.
    """


def aside(ctx: Context, *, host: str, mac: str) -> None:
    """Free a link's name at once: down, out of its bridge, renamed to a throwaway name.

    Only if its address is ``mac``; missing is no error. The kernel deletes the pair with the
    namespace of its peer: cheaper for the one who waits than a deletion. (An undo.)
    """


def delete(ctx: Context, *, host: str, mac: str) -> None:
    """Delete a link, only if its address is ``mac``; missing is no error. (An undo.)"""


def move(ctx: Context, *, name: str, netns: str, guest: str | None = None) -> None:
    """Move a link of the host into the namespace ``netns``, under the name ``guest``."""


def up(
    ctx: Context,
    *,
    link: str,
    name: str | None = None,
    mtu: int | None = None,
    mac: str | None = None,
    state: str = "up",
) -> None:
    """Rename, set mtu and address of a link, then bring it "up" or "down"."""


def lo_up(ctx: Context) -> None:
    """Bring the loopback link of this network namespace up."""


def address(
    ctx: Context,
    *,
    link: str,
    address: str,
    prefix: int,
    peer: str | None = None,
) -> None:
    """Add an IPv4 or IPv6 address to a link (IPv6 without duplicate detection)."""


def route(
    ctx: Context,
    *,
    address: str,
    prefix: int,
    gateway: str | None = None,
    link: str | None = None,
    metric: int | None = None,
) -> None:
    """Add a route to ``address``/``prefix`` ("0.0.0.0"/0 or "::"/0: the default route)."""
