"""Which package brings an outside program, by manager. Pure."""

from __future__ import annotations

MANAGERS = ("apt", "dnf", "zypper", "apk")
INSTALL = {
    "apt": "apt install",
    "dnf": "dnf install",
    "zypper": "zypper install",
    "apk": "apk add",
}

STORAGE_DAEMON = "qemu-storage-daemon"
OVS_VSCTL = "ovs-vsctl"

# Program: its package by manager, in the order of MANAGERS.
PACKAGES: dict[str, tuple[str, str, str, str]] = {
    "dnsmasq": ("dnsmasq-base", "dnsmasq", "dnsmasq", "dnsmasq"),
    "nft": ("nftables", "nftables", "nftables", "nftables"),
    "mmdebstrap": ("mmdebstrap", "mmdebstrap", "mmdebstrap", "debootstrap"),
    "debootstrap": ("debootstrap", "debootstrap", "debootstrap", "debootstrap"),
    "lxcfs": ("lxcfs", "lxcfs", "lxcfs", "lxcfs"),
    "tar": ("tar", "tar", "tar", "tar"),
    "zstd": ("zstd", "zstd", "zstd", "zstd"),
    "lz4": ("lz4", "lz4", "lz4", "lz4"),
    "lzip": ("lzip", "lzip", "lzip", "lzip"),
    "qemu-img": ("qemu-utils", "qemu-img", "qemu-tools", "qemu-img"),
    STORAGE_DAEMON: ("qemu-system-common", "qemu-img", "qemu-tools", "qemu"),
    OVS_VSCTL: ("openvswitch-switch", "openvswitch", "openvswitch", "openvswitch"),
    "busybox": ("busybox-static", "busybox", "busybox-static", "busybox-static"),
}


def how_to_install(name: str) -> str:
    """ "install it: apt install X, dnf install Y, ..."; one command where all names agree would
    still differ by manager, so each is written out."""
    rows = zip(MANAGERS, PACKAGES[name], strict=True)
    return "install it: " + ", ".join(f"{INSTALL[manager]} {package}" for manager, package in rows)
