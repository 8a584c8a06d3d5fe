"""USB devices of the host: from their identity to their node. Reads only.

Source: the kernel's ABI documents of /sys/bus/usb/devices.
"""

from __future__ import annotations

from pathlib import Path

DEVICES = "/sys/bus/usb/devices"


def find(
    *,
    vendor: int | None = None,
    product: int | None = None,
    bus: int | None = None,
    device: int | None = None,
    devices: str = DEVICES,
) -> tuple[str, ...]:
    """The nodes, below /dev/bus/usb, of the devices that match all that is given; sorted."""
    found = []
    for folder in sorted(Path(devices).glob("*")):
        try:
            numbers = tuple(int((folder / name).read_text()) for name in ("busnum", "devnum"))
            ids = tuple(int((folder / name).read_text(), 16) for name in ("idVendor", "idProduct"))
        except (OSError, ValueError):
            continue  # an interface of a device, or one that was just pulled out
        wanted = (vendor, product, bus, device)
        if all(ask in (None, have) for ask, have in zip(wanted, (*ids, *numbers), strict=True)):
            found.append("/dev/bus/usb/{:03d}/{:03d}".format(*numbers))
    return tuple(sorted(found))
