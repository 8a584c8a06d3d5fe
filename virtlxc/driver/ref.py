"""The values that callers of the driver hold and get: references to domains and small records."""

from __future__ import annotations

import uuid as _uuid
from functools import lru_cache
from typing import NamedTuple


class Ref(NamedTuple):
    """A domain as libvirt's wire has it; ``id`` is the host pid of its init, -1 when inactive.

    The UUID alone identifies: name and id are what they were when the reference was made.
    """

    name: str
    uuid: bytes
    id: int = -1

    @property
    def uuid_text(self) -> str:
        return uuid_text(self.uuid)


@lru_cache(4096)
def uuid_text(raw: bytes) -> str:
    """Lists ask for thousands at a time, again and again."""
    return str(_uuid.UUID(bytes=raw))


@lru_cache(4096)
def uuid_bytes(text: str) -> bytes:
    """The reverse."""
    return _uuid.UUID(text).bytes


def make_ref(name: str, uuid: str, id: int = -1) -> Ref:
    """A reference from the UUID's text form."""
    return Ref(name, uuid_bytes(uuid), id)


class Defined(NamedTuple):
    """What a define gives: the domain, and a sentence for each thing its author should know."""

    ref: Ref
    warnings: tuple[str, ...] = ()


class Info(NamedTuple):
    """``virDomainInfo``: sizes in KiB, CPU time in nanoseconds."""

    state: int
    max_memory: int
    memory: int
    vcpus: int
    cpu_time: int


class Param(NamedTuple):
    """A typed parameter; ``type`` is one of :class:`virtlxc.driver.constants.ParamType`."""

    name: str
    type: int
    value: int | float | str


class Address(NamedTuple):
    """An address of an interface; ``family`` 0 is IPv4, 1 is IPv6 (``virIPAddrType``)."""

    family: int
    address: str
    prefix: int


class InterfaceAddresses(NamedTuple):
    """One interface of ``virDomainInterfaceAddresses``."""

    name: str
    mac: str
    addresses: tuple[Address, ...]


class InterfaceStats(NamedTuple):
    """``virDomainInterfaceStatsStruct``, as the guest sees it: rx is what the guest received."""

    rx_bytes: int
    rx_packets: int
    rx_errs: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errs: int
    tx_drop: int


class BlockStats(NamedTuple):
    """``virDomainBlockStatsStruct``; -1 where the kernel does not count."""

    rd_req: int
    rd_bytes: int
    wr_req: int
    wr_bytes: int
    errs: int = -1


class VcpuInfo(NamedTuple):
    """``virVcpuInfo``: ``cpu_time`` in nanoseconds, 0 where nobody counts it for this one."""

    number: int
    state: int
    cpu_time: int
    cpu: int


class BlockInfo(NamedTuple):
    """``virDomainBlockInfo``, in bytes: used on the host, seen by the guest, taken by the file."""

    allocation: int
    capacity: int
    physical: int


class FsInfo(NamedTuple):
    """``virDomainFSInfo``: a mounted file system of the guest."""

    mountpoint: str
    name: str
    fstype: str
    devices: tuple[str, ...] = ()
