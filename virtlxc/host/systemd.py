"""Scopes: how a domain's control group comes to be where systemd runs.

systemd owns the tree of cgroup2: what wants a group of its own asks for a scope, and with Delegate
gets everything below it. Sources: systemd.unit(5) for escapes, org.freedesktop.systemd1(5),
https://systemd.io/CGROUP_DELEGATION, libvirt's names of machines.
"""

from __future__ import annotations

import time
from string import ascii_letters, digits
from typing import Any

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host.cgroup import layout

_PLAIN = frozenset(ascii_letters + digits + ":_.")
_SCOPE_SECONDS = 5.0
_BUS_SECONDS = 10.0


def escape(name: str) -> str:
    """A name as a part of a unit's name: other bytes than letters, digits and ``:_.`` as \\xNN."""
    return "".join(
        char if char in _PLAIN and (char != "." or at) else _bytes(char)
        for at, char in enumerate(name)
    )


def _bytes(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def scope_name(name: str, controller: str, instance: str = "") -> str:
    """The scope's unit of a domain; ``controller`` is its controller's pid."""
    return f"machine-{escape(layout.machine_name(name, controller, instance))}.scope"


def slice_name(partition: str | None) -> str:
    """``/machine/production`` is the slice ``machine-production.slice``."""
    parts = [part for part in (partition or layout.DEFAULT_PARTITION).split("/") if part]
    return "-".join(escape(part) for part in parts) + ".slice"


def scope_path(
    name: str, controller: str, *, partition: str | None = None, instance: str = ""
) -> str:
    """The group of a domain's scope below cgroup2's mount.

    ``controller`` may be a placeholder: it is put in as it is.
    """
    stand_in = "0" * 7
    parts = slice_name(partition).removesuffix(".slice").split("-")
    slices = ["-".join(parts[: count + 1]) + ".slice" for count in range(len(parts))]
    scope = scope_name(name, stand_in, instance).replace(stand_in, controller, 1)
    return "/" + "/".join((*slices, scope))


def available() -> bool:
    """Whether systemd keeps its units in cgroup2 here, and we can talk to it."""
    try:
        with open("/proc/1/cgroup") as file:
            in_cgroup2 = any(line.startswith("0::/init.scope") for line in file)
        import jeepney  # noqa: F401
    except (OSError, ImportError):
        return False
    return in_cgroup2


def start_scope(unit: str, slice: str, pid: int, description: str) -> None:
    """Has systemd move ``pid`` into a new scope; returns when it is there.

    Raises VirtlxcError (OPERATION_FAILED) with systemd's reason.
    """
    from jeepney import MessageType
    from jeepney.io.blocking import open_dbus_connection

    try:
        with open_dbus_connection(bus="SYSTEM") as bus:
            reply = bus.send_and_get_reply(
                request(unit, slice, pid, description), timeout=_BUS_SECONDS
            )
    except (OSError, TimeoutError) as error:
        raise _refused(unit, str(error)) from None
    if reply.header.message_type is MessageType.error:
        raise _refused(unit, " ".join(str(part) for part in reply.body))
    _await(unit, pid)


def request(unit: str, slice: str, pid: int, description: str) -> Any:
    """The message: StartTransientUnit of a scope with one process."""
    from jeepney import DBusAddress, new_method_call

    manager = DBusAddress(
        "/org/freedesktop/systemd1",
        bus_name="org.freedesktop.systemd1",
        interface="org.freedesktop.systemd1.Manager",
    )
    properties = [
        ("Description", ("s", description)),
        ("Slice", ("s", slice)),
        ("PIDs", ("au", [pid])),
        ("Delegate", ("b", True)),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    body: tuple[object, ...] = (unit, "fail", properties, [])
    return new_method_call(manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", body)


def _await(unit: str, pid: int) -> None:
    """The call returns when the job is queued: the process is moved a moment later."""
    end = time.monotonic() + _SCOPE_SECONDS
    while time.monotonic() < end:
        with open(f"/proc/{pid}/cgroup") as file:
            if any(line.startswith("0::") and f"/{unit}" in line for line in file):
                return
        time.sleep(0.002)
    raise _refused(unit, f"process {pid} was not moved within {_SCOPE_SECONDS:.0f} s")


def _refused(unit: str, cause: str) -> VirtlxcError:
    return VirtlxcError(
        f"make its scope {unit}: systemd refuses: {cause}", Code.OPERATION_FAILED, From.CGROUP
    )
