"""What of the host a run of the tests must leave as it was."""

from __future__ import annotations

import os
from pathlib import Path

SERVICE_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/etc/init.d")
# A process that outlives the tests and runs one of these was left by them.
PROGRAMS = ("python", "virtlxc", "dnsmasq", "qemu", "libvirtd", "virtlxcd", "lxc", "busybox")


def snapshot() -> dict[str, set[str]]:
    """Services, users, groups, links, cgroups and orphaned processes, by kind."""
    return {
        "service": set(_services()),
        "user": _lines("/etc/passwd"),
        "group": _lines("/etc/group"),
        "link": set(os.listdir("/sys/class/net")),
        "cgroup": set(_cgroups()),
        "process": set(_orphans()),
    }


def _services() -> list[str]:
    return [str(path) for folder in SERVICE_FOLDERS for path in Path(folder).glob("*")]


def _lines(path: str) -> set[str]:
    return set(Path(path).read_text("utf-8", "replace").splitlines())


def _cgroups() -> list[str]:
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        ours = [name for name in names if name.endswith(".libvirt-lxc") or name.startswith("lxc.")]
        found += [f"{folder}/{name}" for name in ours]
        # What is below is the guest's, and may be deeper than a walk goes.
        names[:] = set(names) - set(ours)
    return found


def _orphans() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text("utf-8", "replace")
            program = os.path.basename(os.readlink(entry / "exe"))
        except OSError:
            continue  # a kernel thread, or it ended while we looked
        if "\nPPid:\t1\n" in status and program.startswith(PROGRAMS):
            found.append(f"{entry.name} {program}")
    return found
