"""Outside programs that virtlxc can use: where they are, and which package brings a missing one."""

from __future__ import annotations

import os
import shutil

from virtlxc.errors import Code, VirtlxcError

# Administrators' programs stand in folders that a plain user's or a service's PATH may lack.
EXTRA_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

MANAGERS = ("apt", "dnf", "zypper", "apk")
INSTALL = {
    "apt": "apt install",
    "dnf": "dnf install",
    "zypper": "zypper install",
    "apk": "apk add",
}

# Program: its package by manager, in the order of MANAGERS.
PACKAGES: dict[str, tuple[str, str, str, str]] = {
    "dnsmasq": ("dnsmasq-base", "dnsmasq", "dnsmasq", "dnsmasq"),
    "nft": ("nftables", "nftables", "nftables", "nftables"),
    "mmdebstrap": ("mmdebstrap", "mmdebstrap", "mmdebstrap", "debootstrap"),
    "debootstrap": ("debootstrap", "debootstrap", "debootstrap", "debootstrap"),
    "tar": ("tar", "tar", "tar", "tar"),
    "zstd": ("zstd", "zstd", "zstd", "zstd"),
    "lz4": ("lz4", "lz4", "lz4", "lz4"),
    "lzip": ("lzip", "lzip", "lzip", "lzip"),
    "qemu-img": ("qemu-utils", "qemu-img", "qemu-tools", "qemu-img"),
    "busybox": ("busybox-static", "busybox", "busybox-static", "busybox-static"),
}


def find(name: str, path: str | None = None) -> str | None:
    """The program's full path, looked for in ``path`` (default: PATH and the sbin folders)."""
    if path is None:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *EXTRA_FOLDERS))
    return shutil.which(name, path=path)


def require(name: str, doing: str, path: str | None = None) -> str:
    """The program's full path.

    Raises VirtlxcError that starts with ``doing`` ("cannot start network 'default': serve DHCP")
    and names the package for every package manager.
    """
    found = find(name, path)
    if found is None:
        raise VirtlxcError(
            f"{doing}: there is no program '{name}' ({how_to_install(name)})",
            Code.OPERATION_UNSUPPORTED,
        )
    return found


def how_to_install(name: str) -> str:
    """ "install it: apt install X, dnf install Y, ..."; one command where all names agree would
    still differ by manager, so each is written out."""
    rows = zip(MANAGERS, PACKAGES[name], strict=True)
    return "install it: " + ", ".join(f"{INSTALL[manager]} {package}" for manager, package in rows)
