"""systemd-machined's register of what runs: ``machinectl`` shows domains that are in it.

Source: org.freedesktop.machine1(5). Names, class and service are those that libvirt's LXC driver
gives, so that what looks for its containers finds ours.
"""

from __future__ import annotations

import uuid as _uuid
from collections.abc import Sequence
from typing import Any

from virtlxc.host import dbus

_NAME = "org.freedesktop.machine1"
_SERVICE = "libvirt-lxc"
_CLASS = "container"
_UNKNOWN = "org.freedesktop.machine1.NoSuchMachine"
_EXISTS = "org.freedesktop.machine1.MachineExists"


def call(method: str, signature: str, body: tuple[object, ...]) -> Any:
    from jeepney import DBusAddress, new_method_call

    manager = DBusAddress(
        "/org/freedesktop/machine1", bus_name=_NAME, interface=f"{_NAME}.Manager"
    )
    return new_method_call(manager, method, signature, body)


def registration(
    name: str, uuid: str, leader: int, root: str, interfaces: Sequence[int]
) -> Any:
    """The message that registers a machine whose scope there is already.

    ``leader`` is its init; ``root`` the folder of its root file system, or empty; ``interfaces``
    are the numbers of its links on the host.
    """
    body = (
        name, list(_uuid.UUID(uuid).bytes), _SERVICE, _CLASS, leader, root, list(interfaces)
    )  # fmt: skip
    return call("RegisterMachineWithNetwork", "sayssusai", body)


def register(
    bus: dbus.Bus, name: str, uuid: str, leader: int, root: str, interfaces: Sequence[int]
) -> None:
    """Registers, anew when it is registered already. Raises BusGone or BusError."""
    message = registration(name, uuid, leader, root, interfaces)
    try:
        bus.call(message)
    except dbus.BusError as error:
        if error.name != _EXISTS:
            raise
        unregister(bus, name)
        bus.call(registration(name, uuid, leader, root, interfaces))


def unregister(bus: dbus.Bus, name: str) -> None:
    """Takes a machine out of the register; one that is not in it is none's concern."""
    try:
        bus.call(call("UnregisterMachine", "s", (name,)))
    except dbus.BusError as error:
        if error.name != _UNKNOWN:
            raise


def leader(bus: dbus.Bus, name: str) -> int | None:
    """The process that a machine is registered with; None when it is not registered."""
    from jeepney import DBusAddress, Properties

    try:
        (path,) = bus.call(call("GetMachine", "s", (name,)))
        machine = DBusAddress(path, bus_name=_NAME, interface=f"{_NAME}.Machine")
        ((_kind, pid),) = bus.call(Properties(machine).get("Leader"))
    except dbus.BusError as error:
        if error.name != _UNKNOWN:
            raise
        return None
    return int(pid)
