"""Capabilities: their numbers, what libvirt takes from a container, and what a domain says.

Numbers are those of ``linux/capability.h``; names are libvirt's, which are the kernel's in lower
case without ``cap_``. Source of the policies: libvirt's ``<features><capabilities policy=...>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# In the kernel's order: the number of a capability is its place in this tuple.
NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip

NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(NAMES)}

# What libvirt's driver drops when the policy is "default".
DROPPED_BY_DEFAULT = frozenset({"sys_module", "sys_time", "mknod", "audit_control", "mac_admin"})

# Checked against the host's user namespace alone (I/O ports, raw memory, commands of disks).
VOID_IN_USER_NAMESPACE = frozenset({"sys_rawio"})


def bounding_set(
    policy: str,
    states: Iterable[tuple[str, str]],
    *,
    shares_host_network: bool,
    shares_host_root: bool = False,
    user_namespace: bool = False,
) -> tuple[str, ...]:
    """The capabilities that stay, in the kernel's order.

    ``policy`` is ``default``, ``allow`` or ``deny``; ``states`` are the pairs of a capability's
    name and ``on`` or ``off``. A container on the host's network could reconfigure the host, so
    there ``net_admin`` stays only when it is asked for by name. So does ``dac_read_search`` in one
    on the host's root: open_by_handle_at(2) finds what is covered there. ``user_namespace``: by
    default what the kernel only heeds outside of one goes, too: systemd takes ``sys_rawio`` for a
    sign that it can mount debugfs and tracefs, and is degraded when it cannot.
    """
    on = {name for name, state in states if state == "on"}
    off = {name for name, state in states if state == "off"}
    dropped = DROPPED_BY_DEFAULT | (VOID_IN_USER_NAMESPACE if user_namespace else frozenset())
    kept = {
        "default": set(NAMES) - (dropped - on),
        "allow": set(NAMES),
        "deny": on,
    }[policy]
    if shares_host_network and "net_admin" not in on:
        off = off | {"net_admin"}
    if shares_host_root and "dac_read_search" not in on:
        off = off | {"dac_read_search"}
    return tuple(name for name in NAMES if name in kept and name not in off)


def numbers(names: Iterable[str]) -> tuple[int, ...]:
    """The numbers of some capabilities, ascending."""
    return tuple(sorted(NUMBERS[name] for name in names))


def from_mask(mask: int) -> tuple[str, ...]:
    """The names in a bit mask as ``/proc/PID/status`` shows it (``CapEff`` and the like)."""
    return tuple(name for number, name in enumerate(NAMES) if mask >> number & 1)
