"""Network links, addresses and routes by rtnetlink (controller: the host's; init: its own)."""

from __future__ import annotations

import os

from .. import netlink
from .context import Context, StepError


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
    quiet: bool = False,
) -> None:
    """Make a veth pair in one request, its peer ``guest`` (address ``mac``) born in ``netns``.

    The host end has address ``host_mac`` (its identity for the undo), is in ``bridge`` if one is
    given, and up; ``quiet``: as in one. Undo: link-aside {host, mac: host_mac}.
    """
    with netlink.Route() as route:
        master = None
        if bridge is not None:
            master = _bridge(route, bridge)
        route.request(
            netlink.veth_request(
                host, host_mac, guest, ctx.key(netns), mac, mtu, master, up, _has_ipv6(), quiet
            ),
            host,
        )
        if isolated:
            route.request(netlink.isolate_request(route.index(host)), host)


def _bridge(route: netlink.Route, name: str) -> int:
    found = route.link(name)
    if found is None:
        raise StepError(19, name, f"there is no bridge '{name}'")
    return found[0]


def _has_ipv6() -> bool:
    return os.path.isdir("/proc/sys/net/ipv6")


def _own(route: netlink.Route, host: str, mac: str) -> int | None:
    """The index of the link ``host`` if it is the one we made (same address), else None."""
    found = route.link(host)
    return found[0] if found is not None and found[1] == mac.lower() else None


def aside(ctx: Context, *, host: str, mac: str) -> None:
    """Free a link's name at once: down, out of its bridge, renamed to a throwaway name.

    Only if its address is ``mac``; missing is no error. The kernel deletes the pair with the
    namespace of its peer: cheaper for the one who waits than a deletion. (An undo.)
    """
    with netlink.Route() as route:
        index = _own(route, host, mac)
        if index is not None:
            route.request(netlink.aside_request(index, f"vx{os.urandom(5).hex()}"), host)


def delete(ctx: Context, *, host: str, mac: str) -> None:
    """Delete a link, only if its address is ``mac``; missing is no error. (An undo.)"""
    with netlink.Route() as route:
        index = _own(route, host, mac)
        if index is not None:
            route.request(netlink.delete_request(index), host)


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
    with netlink.Route() as route:
        index = route.index(link)
        if name or mtu or mac:
            route.request(netlink.set_request(index, name, mtu, mac, up=False), link)
        route.request(netlink.set_request(index, up=state == "up"), link)


def lo_up(ctx: Context) -> None:
    """Bring the loopback link of this network namespace up."""
    with netlink.Route() as route:
        route.request(netlink.set_request(1, up=True), "lo")


def address(
    ctx: Context,
    *,
    link: str,
    address: str,
    prefix: int,
    peer: str | None = None,
    existing: bool = False,
) -> None:
    """Add an IPv4 or IPv6 address to a link (IPv6 without duplicate detection).

    ``existing``: it may be there already.
    """
    with netlink.Route() as route:
        index = route.index(link)
        request = netlink.address_request(index, address, prefix, peer)
        _add(route, request, f"{address}/{prefix}", existing)


def _add(route: netlink.Route, request: bytes, what: str, existing: bool) -> None:
    try:
        route.request(request, what)
    except FileExistsError:
        if not existing:
            raise


def route(
    ctx: Context,
    *,
    address: str,
    prefix: int,
    gateway: str | None = None,
    link: str | None = None,
    metric: int | None = None,
    existing: bool = False,
) -> None:
    """Add a route to ``address``/``prefix`` ("0.0.0.0"/0 or "::"/0: the default route).

    ``existing``: it may be there already.
    """
    with netlink.Route() as socket:
        index = socket.index(link) if link else None
        request = netlink.route_request(address, prefix, gateway, index, metric)
        _add(socket, request, f"{address}/{prefix}", existing)
