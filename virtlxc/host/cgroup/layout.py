"""Where a domain lies in the control group hierarchies.

LEAF is ``PARTITION/lxc-CPID-NAME.libvirt-lxc``, with CPID the controller's pid. Below it, on
cgroup2:

* ``supervisor`` holds the controller, without limits: inside them the OOM killer takes the
  controller first;
* ``payload`` has the limits, the device program, freeze and kill;
* ``payload/init`` is the root of the container's cgroup namespace, so that a guest never owns its
  own limits.

In the hierarchies of v1, LEAF has the limits, and the container's processes are in it or, when
the guest sees v1, in ``LEAF/init``.

The filter and the escapes are libvirt's (its machine names and cgroup partitions), so that what
looks for its groups finds ours.
"""

from __future__ import annotations

from string import ascii_letters, digits

from virtlxc.model.names import DEFAULT_PARTITION

SUPERVISOR = "supervisor"
PAYLOAD = "payload"
INIT = "payload/init"
V1_INIT = "init"

# Handed down to the payload on cgroup2, where the host has them.
DELEGATED = ("cpu", "cpuset", "io", "memory", "pids")

SCOPE = ".scope"  # systemd's own ending
SUFFIX = ".libvirt-lxc"

MACHINE_NAME_MAX = 64  # libvirt's bound for the whole machine name, a host name's
_PID_DIGITS = 7  # of the largest pid_max, 4194304
_HOST_NAME_CHARS = frozenset(ascii_letters + digits + "-")
_FIXED_TOP = frozenset({"machine", "system", "user"})

# The names before a dot that cgroupfs may use for files of its own, in v1 and v2.
_CONTROLLER_PREFIXES = frozenset(
    [
        "cgroup",
        "cpu",
        "cpuacct",
        "cpuset",
        "memory",
        "devices",
        "freezer",
        "net_cls",
        "blkio",
        "perf_event",
        "net_prio",
        "hugetlb",
        "pids",
        "rdma",
        "misc",
        "io",
        "dmem",
        "debug",
    ]
)


def filter_name(name: str, room: int = MACHINE_NAME_MAX) -> str:
    """A domain's name as part of a machine name: letters, digits, single dots and dashes.

    At most ``room`` characters; a dot or dash never begins, ends or follows another.
    """
    kept: list[str] = []
    skip = True
    for char in name:
        if len(kept) >= room:
            break
        if char in ".-":
            if not skip:
                kept.append(char)
            skip = True
            continue
        skip = False
        if char in _HOST_NAME_CHARS:
            kept.append(char)
    return "".join(kept).rstrip(".-")


def machine_name(name: str, cpid: str, instance: str = "") -> str:
    """``lxc-CPID-NAME``, as machined and ``systemd-cgls`` show it; with the instance's tag if any.

    ``cpid`` may be a placeholder that is replaced later: the name's share of the 64 characters
    does not depend on how many digits the pid has.
    """
    tag = f"{instance}-" if instance else ""
    room = MACHINE_NAME_MAX - len("lxc-") - len(tag) - _PID_DIGITS - len("-")
    return f"lxc-{tag}{cpid}-{filter_name(name, room)}"


def escape(component: str) -> str:
    """One component of a partition's path, so that it is never taken for a file of cgroupfs."""
    prefix, dot, _ = component.partition(".")
    if component.startswith(("_", ".")) or (dot and prefix in _CONTROLLER_PREFIXES):
        return "_" + component
    return component


def partition_path(partition: str | None) -> str:
    """The group of ``<resource><partition>``: components get ``.partition``, but for the top three.

    ``/machine/production`` is ``/machine/production.partition``.
    """
    parts = [part for part in (partition or DEFAULT_PARTITION).split("/") if part]
    named = [
        part if "." in part or (index == 0 and part in _FIXED_TOP) else f"{part}.partition"
        for index, part in enumerate(parts)
    ]
    return "".join("/" + escape(part) for part in named)


def leaf(name: str, cpid: str, *, partition: str | None = None, instance: str = "") -> str:
    """The path of LEAF below a hierarchy's mount point."""
    return f"{partition_path(partition)}/{machine_name(name, cpid, instance)}{SUFFIX}"


def ancestors(path: str) -> tuple[str, ...]:
    """The groups above ``path``, from the top, the root not counted."""
    parts = path.strip("/").split("/")[:-1]
    return tuple("/" + "/".join(parts[: index + 1]) for index in range(len(parts)))
