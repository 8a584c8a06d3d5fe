"""The host's own network interfaces: lent to a container, macvlans of them, and their traffic."""

from __future__ import annotations

import errno
import os

from .. import bpf, netlink, syscalls, traffic
from .context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def macvlan(
    ctx: Context,
    *,
    parent: str,
    guest: str,
    netns: str,
    mode: str,
    mac: str | None = None,
    mtu: int | None = None,
) -> None:
    """Make a macvlan of the host's ``parent``, born in the namespace ``netns`` as ``guest``.

    ``mode``: private, vepa, bridge or passthrough.
    """
    with netlink.Route() as route:
        index = route.index(parent)
        route.request(netlink.macvlan_request(index, guest, ctx.key(netns), mode, mac, mtu), parent)


def readdress(ctx: Context, *, link: str, mac: str, was: str) -> None:
    """Change the address of the host's ``link``, if it is ``was``. Also its own undo."""
    with netlink.Route() as route:
        found = route.link(link)
        if found is None or found[1] != was.lower():
            return
        try:
            route.request(netlink.set_request(found[0], mac=mac), link)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # Some drivers change it only while the link is down.
            route.request(netlink.set_request(found[0], up=False), link)
            route.request(netlink.set_request(found[0], mac=mac), link)
            route.request(netlink.set_request(found[0], up=True), link)


def pin(ctx: Context, *, key: str, path: str) -> None:
    """Keep the namespace ``key`` alive, whoever dies: mount it on the new file ``path``.

    Undo: unpin {path}.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    syscalls.mount(f"/proc/self/fd/{ctx.key(key)}", path, "none", syscalls.MS_BIND)


def unpin(ctx: Context, *, path: str) -> None:
    """Take back ``pin``; missing is no error. (An undo.)"""
    try:
        syscalls.umount2(path, syscalls.MNT_DETACH)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def lend(ctx: Context, *, name: str, netns: str, index: int, guest: str | None = None) -> None:
    """Move the host's interface ``name`` into the namespace ``netns``, where ``index`` is its own.

    Nothing inside can change an index: by it the interface is found again. Undo: link-return.
    """
    with netlink.Route() as route:
        found = route.index(name)
        route.request(
            netlink.set_request(
                found, name=guest, up=False, netns_fd=ctx.key(netns), new_index=index
            ),
            name,
        )


def give_back(
    ctx: Context,
    *,
    path: str,
    index: int,
    name: str,
    mac: str,
    mtu: int | None = None,
    up: bool = False,
) -> None:
    """Bring a lent interface back from the namespace pinned at ``path``, as it was. (An undo.)

    What is not there (any more) is no error: a physical one the kernel has then brought back.
    """
    try:
        pinned = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _fetch(pinned, index, name, mac)
    finally:
        os.close(pinned)
    with netlink.Route() as route:
        found = route.link(name)
        if found is not None and found[1] == mac.lower():
            route.request(netlink.set_request(found[0], mtu=mtu, up=up or None), name)


def _fetch(pinned: int, index: int, name: str, mac: str) -> None:
    """Move the interface to the namespace that this thread is in."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            syscalls.setns(pinned, syscalls.CLONE_NEWNET)
        except OSError as error:
            if error.errno == errno.EINVAL:  # an empty file: the pin was never mounted
                return
            raise
        try:
            route = netlink.Route()
        finally:
            syscalls.setns(own, syscalls.CLONE_NEWNET)
        with route:
            if route.name_of(index) is None:
                return
            route.request(netlink.set_request(index, up=False), name)
            route.request(netlink.set_request(index, mac=mac, name=name, netns_fd=own), name)
    finally:
        os.close(own)


def rate(
    ctx: Context,
    *,
    link: str,
    inbound: dict[str, int] | None = None,
    outbound: dict[str, Any] | None = None,
) -> None:
    """Limit the traffic of a guest at the host's end of its link, in the place of older limits.

    ``inbound`` {average, peak, burst} in bytes (a second): what the link sends to the guest waits
    in a htb class. ``outbound`` {insns, slots, size}: what comes from the guest is judged by a
    packet program (hex; ``slots`` are the instructions that get the map of ``size`` bytes). It all
    goes with the link.
    """
    with netlink.Route() as route:
        index = route.index(link)
        for request in (traffic.no_root_request(index), traffic.no_clsact_request(index)):
            try:
                route.request(request, link)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):
                    raise
        if inbound is not None:
            route.request(traffic.htb_request(index, **inbound), link)
        if outbound is not None:
            program = _police(outbound)
            try:
                route.request(traffic.classifier_request(index, program), link)
            finally:
                os.close(program)


def _police(outbound: dict[str, Any]) -> int:
    """The packet program, with a map of its own that lives as long as it does."""
    state = bpf.array_of_one(outbound["size"])
    try:
        code = bytearray.fromhex(outbound["insns"])
        for slot in outbound["slots"]:
            code[slot * 8 + 4 : slot * 8 + 8] = state.to_bytes(4, "little")
        return bpf.load_classifier(bytes(code))
    finally:
        os.close(state)
