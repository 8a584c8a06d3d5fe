"""The values of the network driver: views and leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from virtlxc.driver.named import NamedView
from virtlxc.model.network import Network


class DhcpLease(NamedTuple):
    """``virNetworkDHCPLease``: ``expirytime`` in seconds since the epoch, 0 for ever; ``type`` 0 is
    IPv4, 1 is IPv6."""

    iface: str
    expirytime: int
    type: int
    mac: str | None
    iaid: str | None
    ipaddr: str
    prefix: int
    hostname: str | None
    clientid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView(NamedView[Network]):
    """One network at one moment; ``warnings`` are what its last start had to say."""

    warnings: tuple[str, ...] = ()
