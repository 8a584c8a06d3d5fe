"""``<hostdev>``: a device of the host that is handed to the container."""

from __future__ import annotations

from dataclasses import dataclass

from virtlxc.model.address import IP, ROUTE, Ip, Route
from virtlxc.xmlmap import REFUSED, Keep, Kept, Repeat, Table, Value, types


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
    managed: bool = False
    startup_policy: str | None = None
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    alias: str | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def usb_name(self) -> str:
        """How messages and facts call the USB device that is asked for."""
        words = []
        if self.vendor is not None or self.product is not None:
            words.append(f"{self.vendor or 0:04x}:{self.product or 0:04x}")
        if self.bus is not None or self.device is not None:
            words.append(f"bus {self.bus or 0} device {self.device or 0}")
        return " ".join(words)


_USB_ID = types.number_any_base(4, 0xFFFF)

HOSTDEV = Table(
    "hostdev",
    Hostdev,
    (
        Value(
            path="@mode",
            field="mode",
            type=types.choice("subsystem", "capabilities"),
            always=True,
        ),
        Value(
            path="@type",
            field="type",
            type=types.choice("usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc", "net"),
            always=True,
            treatment=REFUSED,
            served=("usb", "storage", "misc", "net"),
            note="only usb, storage, misc and net are devices that a container can use",
        ),
        Value(
            path="@managed",
            field="managed",
            type=types.YES_NO,
            always=True,
            when=("mode", ("subsystem",)),
            note="there is no driver to unbind: it makes no difference",
        ),
        Value(
            path="source/@startupPolicy",
            field="startup_policy",
            type=types.choice("mandatory", "requisite", "optional"),
        ),
        Value(path="source/vendor/@id", field="vendor", type=_USB_ID),
        Value(path="source/product/@id", field="product", type=_USB_ID),
        Value(path="source/address/@bus", field="bus", type=types.UINT, when=("type", ("usb",))),
        Value(
            path="source/address/@device",
            field="device",
            type=types.UINT,
            when=("type", ("usb",)),
        ),
        Value(path="source/block", field="source", when=("type", ("storage",))),
        Value(path="source/char", field="source", when=("type", ("misc",))),
        Value(path="source/interface", field="source", when=("type", ("net",))),
        Repeat(path="ip", field="ips", table=IP),
        Repeat(path="route", field="routes", table=ROUTE),
        Keep(path="boot", note="for virtual machines"),
        Keep(path="rom", note="for virtual machines"),
        Value(path="alias/@name", field="alias", live=True),
        Keep(path="address", note="for virtual machines"),
    ),
)
