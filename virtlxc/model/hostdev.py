"""``<hostdev>``: a device of the host that is handed to the container."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.address import Ip, Route
from virtlxc.model.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostdev:
    """``mode`` 'capabilities' with ``type`` 'storage' (``source`` is a block device), 'misc' (a
    character device) or 'net' (a network interface, with ``ips`` and ``routes``); or ``mode``
    'subsystem' with ``type`` 'usb': by ``vendor`` and ``product``, or ``bus`` and ``device``."""

    mode: str = "subsystem"
    type: str
    source: str | None = None
    vendor: int | None = None
    product: int | None = None
    bus: int | None = None
    device: int | None = None
    startup_policy: str | None = None
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    kept: tuple[Kept, ...] = ()
