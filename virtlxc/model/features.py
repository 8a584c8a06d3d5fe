"""``<features>``: a network of its own, and capabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from virtlxc.xmlmap import Flag, Keep, Kept, Repeat, Table, Value, types


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """``caps`` holds (name, 'on'|'off'), names as in the XML, in the order of CAPABILITIES.

    ``cap_policy`` is 'default' (libvirt's default set is dropped), 'allow' (only what is off is
    dropped) or 'deny' (only what is on is kept).
    """

    privnet: bool = False
    cap_policy: str = "default"
    caps: tuple[tuple[str, str], ...] = ()
    kept: tuple[Kept, ...] = ()


# The order is that of libvirt's output.
CAPABILITIES = (
    *("audit_control", "audit_write", "block_suspend", "chown", "dac_override", "dac_read_search"),
    *("fowner", "fsetid", "ipc_lock", "ipc_owner", "kill", "lease", "linux_immutable", "mac_admin"),
    *("mac_override", "mknod", "net_admin", "net_bind_service", "net_broadcast", "net_raw"),
    *("setgid", "setfcap", "setpcap", "setuid", "sys_admin", "sys_boot", "sys_chroot"),
    *("sys_module", "sys_nice", "sys_pacct", "sys_ptrace", "sys_rawio", "sys_resource"),
    *("sys_time", "sys_tty_config", "syslog", "wake_alarm"),
)
MACHINE_FEATURES = (
    *("acpi", "apic", "pae", "hap", "viridian", "hyperv", "kvm", "pvspinlock", "xen", "pmu"),
    *("vmport", "gic", "smm", "ioapic", "hpt", "vmcoreinfo", "htm", "nested-hv", "ccf-assist"),
    *("msrs", "cfpc", "sbbc", "ibs", "tcg"),
)

CAPABILITY = Table(
    "*",
    tuple,
    (Value(path="@state", field="state", type=types.choice("on", "off")),),
    tag_field="name",
    make=lambda values: (values["name"], values["state"]),
    take=lambda pair: {"name": pair[0], "state": pair[1]},
)


def _make(values: dict[str, Any]) -> Features:
    """Capabilities stand in one order, and the last word on one counts, as in libvirt."""
    states = dict(values.get("caps", ()))
    caps = tuple((name, states[name]) for name in CAPABILITIES if name in states)
    return Features(**{**values, "caps": caps})


FEATURES = Table(
    "features",
    Features,
    (
        *(
            Keep(path=name, note="for virtual machines")
            for name in MACHINE_FEATURES[: MACHINE_FEATURES.index("hyperv")]
        ),
        Flag(path="privnet", field="privnet"),
        *(
            Keep(path=name, note="for virtual machines")
            for name in MACHINE_FEATURES[MACHINE_FEATURES.index("hyperv") :]
        ),
        Value(
            path="capabilities/@policy",
            field="cap_policy",
            type=types.choice("default", "allow", "deny"),
            beside="caps",
        ),
        Repeat(path="capabilities/*", field="caps", table=CAPABILITY, tags=CAPABILITIES),
    ),
    make=_make,
)
