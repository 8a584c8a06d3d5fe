"""Performs the steps of a network's start, and their undos.

One function an operation, one table. Functions raise KernelRefused or VirtlxcError; undos leave
alone what is not theirs.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from virtlxc.errors import Code, From, KernelRefused, VirtlxcError
from virtlxc.host.network import process
from virtlxc.host.network.netlink import Link, Netlink
from virtlxc.host.network.plan import Step, Undo
from virtlxc.runtime.ops import nics
from virtlxc.runtime.ops.context import Context

_log = logging.getLogger(__name__)

NFT_TIMEOUT_S = 60.0


def perform(steps: Sequence[Step]) -> None:
    """Performs all steps or none: at a failure the undos of those done run, in reverse order.

    Raises VirtlxcError that starts with the failed step's name.
    """
    done: list[Step] = []
    for step in steps:
        try:
            # An operation that fails half-way may have left something: its undo belongs to it.
            done.append(step)
            OPS[step.op](**step.args)
        except (VirtlxcError, KernelRefused) as error:
            undo_all([one.undo for one in done if one.undo is not None])
            if isinstance(error, VirtlxcError):
                raise
            raise VirtlxcError(str(error), Code.SYSTEM_ERROR, From.NETWORK) from error
        except BaseException:
            undo_all([one.undo for one in done if one.undo is not None])
            raise


def undo_all(undos: Sequence[Undo]) -> None:
    """Performs undos in reverse order; one that fails is logged and stops none of the others."""
    for undo in reversed(undos):
        try:
            OPS[undo["op"]](**undo["args"])
        except (VirtlxcError, KernelRefused, OSError) as error:
            _log.error("undo %s: %s", undo["op"], error)


def bridge_create(name: str, mac: str, stp: bool, delay: int, mtu: int | None) -> None:
    with Netlink() as netlink:
        netlink.add_bridge(name, mac=mac, stp=stp, delay=delay, mtu=mtu)


def bridge_delete(name: str, mac: str) -> None:
    """Deletes the bridge of that name if it has our MAC; links in it are let go by the kernel."""
    with Netlink() as netlink:
        link = netlink.find(name)
        if link is not None and link.kind == "bridge" and link.mac == mac:
            netlink.delete(link.ifindex, name)


def address(link: str, address: str) -> None:
    with Netlink() as netlink:
        netlink.add_address(_link(netlink, link).ifindex, link, ipaddress.ip_interface(address))


def link_up(link: str) -> None:
    with Netlink() as netlink:
        netlink.set_up(_link(netlink, link).ifindex, link)


def route(link: str, subnet: str, gateway: str, metric: int | None) -> None:
    with Netlink() as netlink:
        index = _link(netlink, link).ifindex
        netlink.add_route(index, ipaddress.ip_network(subnet), gateway, metric)


def link_rate(
    link: str, inbound: dict[str, int] | None, outbound: dict[str, Any] | None
) -> None:
    """Limits what the link sends and receives; see :func:`virtlxc.runtime.ops.nics.rate`."""
    try:
        nics.rate(Context("daemon", {}), link=link, inbound=inbound, outbound=outbound)
    except OSError as error:
        raise KernelRefused("limit the traffic", error.errno or 0, link) from None


def _link(netlink: Netlink, name: str) -> Link:
    link = netlink.find(name)
    if link is None:
        raise VirtlxcError(f"there is no interface '{name}'", Code.NO_INTERFACE, From.NETWORK)
    return link


def sysctl(key: str, value: str) -> None:
    path = f"/proc/sys/{key}"
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise KernelRefused("sysctl", error.errno or 0, path) from None


def nft(program: str, text: str) -> None:
    """Puts a ruleset in force, whole or not at all."""
    try:
        done = subprocess.run(
            [program, "-f", "-"],
            input=text.encode(),
            capture_output=True,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            timeout=NFT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _nft_failed(f"no answer within {NFT_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise _nft_failed(f"{program}: {error.strerror}") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _nft_failed(said[0] if said else f"exit status {done.returncode}")


def _nft_failed(why: str) -> VirtlxcError:
    return VirtlxcError(f"firewall rules: nft: {why}", Code.OPERATION_FAILED, From.NETWORK)


def write(path: str, data: str) -> None:
    """dnsmasq reads its files again as a user of its own, so they are for all to read."""
    temporary = f"{path}.new"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise KernelRefused("write", error.errno or 0, path) from None


def unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


OPS: Mapping[str, Callable[..., Any]] = {
    "bridge-create": bridge_create,
    "bridge-delete": bridge_delete,
    "address": address,
    "link-up": link_up,
    "route": route,
    "link-rate": link_rate,
    "sysctl": sysctl,
    "nft": nft,
    "write": write,
    "unlink": unlink,
    "dnsmasq-start": process.start,
    "dnsmasq-stop": process.stop,
}
