"""Root file systems of distributions for tests that boot them: unmodified, cached as tar archives.

mmdebstrap makes them, unpacked like the other peers when the host has none. A test gets a copy of
its own, in which it sets what an administrator would: a host name, a password, a network.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import mirror, peers

SUITE = "bookworm"
MAKE_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one is made of: Debian's required packages and these. ``without`` are path patterns."""

    packages: tuple[str, ...]
    without: tuple[str, ...] = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


RECIPES = {
    # What the template "debian" puts in, so that the mirror of the cache has all that it asks for.
    "debian": Recipe(
        (
            *("systemd-sysv", "dbus", "libpam-systemd", "systemd-resolved", "iproute2"),
            *("iputils-ping", "openssh-server", "less", "nano", "python3-minimal"),
            # And what debootstrap adds of itself.
            *("lsb-base", "usr-is-merged"),
        ),
    ),
    # A host: what virtlxc needs, and what tests of systemd hosts ask.
    "host": Recipe(
        (
            *("systemd-sysv", "systemd-container", "dbus", "libpam-systemd", "udev", "kmod"),
            *("python3", "python3-lxml", "python3-jeepney", "iproute2", "nftables"),
            *("dnsmasq-base", "polkitd"),
        ),
    ),
    "sysvinit": Recipe(("sysvinit-core", "ifupdown", "iproute2", "isc-dhcp-client")),
    "openrc": Recipe(("openrc", "sysvinit-core", "ifupdown", "iproute2", "isc-dhcp-client")),
    # An engine for containers of its own.
    "podman": Recipe(("systemd-sysv", "dbus", "podman", "crun")),
}


def folder() -> Path:
    """Where archives and the mirror are."""
    return peers.cache_folder() / "distributions"


def mirror_folder() -> Path:
    """The recorded part of Debian's archive; there once an archive was made."""
    archive("debian")
    return folder() / "mirror"


@cache
def archive(name: str) -> Path:
    """The tar archive of a root file system; made once. Raises peers.Unavailable."""
    path = folder() / f"{name}.tar"
    if path.exists():  # whole, whatever else is being made
        return path
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make(RECIPES[name], path)
    return path


def mmdebstrap() -> tuple[str, dict[str, str]]:
    """The program, and the environment to run it with."""
    found = shutil.which("mmdebstrap")
    if found:
        return found, dict(os.environ)
    tree = peers.fetch("mmdebstrap")
    path = f"{tree.root}/usr/bin:{tree.root}/usr/sbin:{os.environ.get('PATH', os.defpath)}"
    return tree.program("mmdebstrap"), {**tree.environment(), "PATH": path}


def _make(recipe: Recipe, path: Path) -> None:
    program, environment = mmdebstrap()
    part = path.with_suffix(".part")
    with mirror.recorder(folder() / "mirror") as url:
        done = subprocess.run(
            [
                program,
                "--mode=root",
                "--variant=minbase",
                "--format=tar",
                f"--include={','.join(recipe.packages)}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.without),
                '--aptopt=Acquire::http::Proxy "DIRECT"',
                SUITE,
                str(part),
                f"deb {url} {SUITE} main",
            ],
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAKE_TIMEOUT_S,
        )
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        raise peers.Unavailable(f"mmdebstrap cannot make {path.name}: {done.stderr[-800:]}")
    part.rename(path)


def unpack(name: str, root: Path) -> None:
    """Puts a root file system, as the archive has it, into the folder ``root``."""
    subprocess.run(
        ["tar", "-x", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-f", archive(name)],
        cwd=root,
        check=True,
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:] or RECIPES:
        print(f"{chosen}: {archive(chosen)}", flush=True)
