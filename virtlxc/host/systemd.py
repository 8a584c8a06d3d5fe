"""Scopes: how a domain's control group comes to be where systemd runs.

systemd owns the tree of cgroup2: what wants a group of its own asks for a scope, and with Delegate
gets everything below it. Sources: systemd.unit(5) for escapes, org.freedesktop.systemd1(5),
https://systemd.io/CGROUP_DELEGATION, libvirt's names of machines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from string import ascii_letters, digits
from typing import Any

from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.host import dbus
from virtlxc.host.cgroup import layout
from virtlxc.model.names import DEFAULT_PARTITION
from virtlxc.runtime.disk import put, read_text

GUESTS_UNIT = "virtlxc-guests.service"

_PLAIN = frozenset(ascii_letters + digits + ":_.")
_SIGKILL = 9
_INFINITY = 2**64 - 1
_EXISTS = "org.freedesktop.systemd1.UnitExists"


class NoScopeError(VirtlxcError):
    """systemd would not make a scope, or is not to be had: the start can be planned without."""


class ScopeTakenError(VirtlxcError):
    """There is a unit of that name already: another controller's name will be free."""


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
    return f"machine-{escape(layout.machine_name(name, controller, instance))}{layout.SCOPE}"


def slice_name(partition: str | None) -> str:
    """``/machine/production`` is the slice ``machine-production.slice``."""
    parts = [part for part in (partition or DEFAULT_PARTITION).split("/") if part]
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
    except OSError:
        return False
    return in_cgroup2 and dbus.installed()


def start_scope(bus: dbus.Bus, unit: str, slice: str, pid: int, description: str) -> None:
    """Has systemd move ``pid`` into a new scope; returns when it is there.

    Raises NoScopeError or ScopeTakenError with systemd's reason.
    """
    try:
        result = bus.job(request(unit, slice, pid, description))
    except dbus.BusGone as error:
        raise _failed(NoScopeError, unit, f"systemd does not answer on D-Bus: {error}") from None
    except dbus.BusError as error:
        if error.name == _EXISTS:
            cause = f"there is one already (systemctl stop '{unit}' removes it)"
            raise _failed(ScopeTakenError, unit, cause) from None
        raise _failed(NoScopeError, unit, f"systemd refuses: {error}") from None
    if result != "done":
        raise _failed(NoScopeError, unit, f"systemd's job ended with '{result}'")
    if not _is_in(unit, pid):
        raise _failed(NoScopeError, unit, f"systemd did not move process {pid} into it")


def foresee_move(mount: str, places: str = "/proc/self/cgroup") -> None:
    """Has the kernel begin what the move of a process to another group waits for.

    That is a grace period of RCU, 7 ms and more on an idle machine, unless another move was just
    before (cgroup_threadgroup_rwsem). Moving ourselves to where we are changes nothing, and asks
    for it early; where another group than ours is mounted, nothing is done. ``mount`` is cgroup2's;
    ``places`` says where we are. Returns when it is over, whatever comes of it.
    """
    with contextlib.suppress(OSError, StopIteration):
        with open(places, errors="replace", newline="\n") as file:
            own = next(line[3:].rstrip("\n") for line in file if line.startswith("0::"))
        procs = f"{mount}{own}/cgroup.procs"
        if str(os.getpid()) in read_text(procs).split():
            put(procs, "0")


def check_delegated(folder: str, unit: str, wanted: Iterable[str]) -> None:
    """Raises VirtlxcError when the scope's group did not get these controllers.

    ``folder`` is the group's.
    """
    try:
        with open(f"{folder}/cgroup.controllers") as file:
            given = file.read().split()
    except OSError as error:
        raise _failed(VirtlxcError, unit, f"{folder}: {error.strerror}") from None
    missing = [name for name in wanted if name not in given]
    if missing:
        raise _failed(
            VirtlxcError,
            unit,
            f"systemd does not delegate {', '.join(missing)} to it (look for DisableControllers="
            " in the slices above it: systemctl show -p DisableControllers machine.slice)",
        )


def request(unit: str, slice: str, pid: int, description: str) -> Any:
    """The message: StartTransientUnit of a scope with one process.

    The domain's limits are below it, so it has none. At the host's shutdown it ends behind the
    unit that asks guests to end by themselves; what is still in it then has had its time.
    """
    properties = [
        ("Description", ("s", description)),
        ("Slice", ("s", slice)),
        ("PIDs", ("au", [pid])),
        ("Delegate", ("b", True)),
        ("TasksMax", ("t", _INFINITY)),
        ("KillSignal", ("i", _SIGKILL)),
        ("Before", ("as", [GUESTS_UNIT])),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    body: tuple[object, ...] = (unit, "fail", properties, [])
    return dbus.manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))", body)


def _is_in(unit: str, pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cgroup", errors="replace", newline="\n") as file:
            return any(line.startswith("0::") and f"/{unit}" in line for line in file)
    except OSError:
        return False


def _failed(kind: type[VirtlxcError], unit: str, cause: str) -> VirtlxcError:
    return kind(f"make its scope {unit}: {cause}", Code.OPERATION_FAILED, From.CGROUP)
