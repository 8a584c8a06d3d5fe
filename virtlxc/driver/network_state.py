"""The values of the network driver: references, views, leases, and the refusals clients know."""

from __future__ import annotations

import uuid as _uuid
from dataclasses import dataclass
from typing import NamedTuple

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.network import Network


class NetworkRef(NamedTuple):
    """A network as libvirt's wire has it."""

    name: str
    uuid: bytes

    @property
    def uuid_text(self) -> str:
        return str(_uuid.UUID(bytes=self.uuid))


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


class Listing:
    """``virConnectListAllNetworksFlags``: pairs of filters; both or none of a pair is no filter."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32


class NetworkEvent:
    """``virNetworkEventLifecycleType``."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3


VALIDATE = 1  # VIR_NETWORK_DEFINE_VALIDATE and VIR_NETWORK_CREATE_VALIDATE
XML_INACTIVE = 1  # VIR_NETWORK_XML_INACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """One network at one moment: ``config`` None is transient, ``live`` None is not running.

    ``warnings`` are what its last start had to say.
    """

    name: str
    uuid: str
    config: Network | None = None
    live: Network | None = None
    autostart: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.live is not None

    @property
    def current(self) -> Network:
        """The running definition, or that of the next start."""
        network = self.live or self.config
        assert network is not None
        return network

    @property
    def ref(self) -> NetworkRef:
        return NetworkRef(self.name, _uuid.UUID(self.uuid).bytes)


def no_network_named(name: str, why: str = "") -> VirtlxcError:
    return VirtlxcError(
        f"Network not found: no network with matching name '{name}'{why}",
        Code.NO_NETWORK,
        From.NETWORK,
    )


def no_network_with_uuid(uuid: str, name: str = "") -> VirtlxcError:
    more = f" ({name})" if name else ""
    return VirtlxcError(
        f"Network not found: no network with matching uuid '{uuid}'{more}",
        Code.NO_NETWORK,
        From.NETWORK,
    )


def invalid(cause: str) -> VirtlxcError:
    return VirtlxcError(
        f"Requested operation is not valid: {cause}", Code.OPERATION_INVALID, From.NETWORK
    )


def failed(cause: str) -> VirtlxcError:
    return VirtlxcError(f"operation failed: {cause}", Code.OPERATION_FAILED, From.NETWORK)
