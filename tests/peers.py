"""Other people's programs to compare with: Debian packages, unpacked into a cache, never installed.

Nothing of the host changes: no service, no user, no file outside the cache. A program runs from
its tree with its own libraries first; libvirtd, whose paths are compiled in, runs in a private
mount namespace that shows the tree on top of the host's ``/usr`` and ``/etc``.

``python -m tests.peers`` fetches everything, for a machine that goes offline later.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from tests.harness import wait_for
from tests.namespaces import Namespaces, plain_environment

GROUPS: dict[str, tuple[str, ...]] = {
    "lxc": ("lxc",),
    "clients": ("libvirt-clients", "libsys-virt-perl", "python3-libvirt"),
    "virtinst": ("virtinst", "libosinfo-bin", "osinfo-db"),
    "virt-manager": (
        "virt-manager", "xvfb", "xdotool", "adwaita-icon-theme", "fonts-dejavu-core", "usb.ids",
        "pci.ids",
    ),
    "tck": (
        "libsys-virt-perl", "libaccessors-perl", "libfile-slurp-perl", "libio-interface-perl",
        "libio-string-perl", "libnet-openssh-perl", "libnetaddr-ip-perl", "libtest-exception-perl",
        "libwww-perl", "libxml-twig-perl", "libxml-writer-perl", "libxml-xpath-perl",
        "libyaml-perl", "qemu-utils", "file",
    ),
    "libvirtd": ("libvirt-daemon", "libvirt-daemon-driver-lxc", "libvirt-clients"),
    "vm": ("linux-image-amd64", "qemu-system-x86"),
    "ssh": ("openssh-server", "openssh-client", "netcat-openbsd"),
    "polkit": ("polkitd", "dbus-daemon"),
    "lxml": ("python3-lxml",),
    "mmdebstrap": ("mmdebstrap",),
    "debootstrap": ("debootstrap",),
    "lxcfs": ("lxcfs",),
    "crun": ("crun",),
    "shells": ("zsh-static", "zsh-common", "fish"),
    "volumes": ("btrfs-progs", "qemu-utils"),
    "images": ("qemu-utils", "qemu-system-common"),
    "openvswitch": ("openvswitch-switch",),
    "iptables": ("iptables",),
}
# On a merged-/usr system these are links, whatever a package's archive says.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
FETCH_TIMEOUT_S = 900
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib")


class Unavailable(Exception):
    """A peer cannot be fetched here; the message says why."""


def cache_folder() -> Path:
    """``$VIRTLXC_CACHE``, else ``.cache`` in the checkout."""
    named = os.environ.get("VIRTLXC_CACHE")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".cache"


@dataclass(frozen=True, slots=True)
class Tree:
    """Unpacked packages below one folder."""

    root: Path

    def program(self, name: str) -> str:
        """Path of a program in the tree; LookupError when no package has it."""
        for folder in ("usr/bin", "usr/sbin", "usr/libexec", "usr/lib/libvirt"):
            path = self.root / folder / name
            if path.exists():
                return str(path)
        raise LookupError(f"no package below {self.root} has a program {name}")

    def environment(self, **more: str) -> dict[str, str]:
        """The environment for a program of the tree: its own libraries come first."""
        folders = [str(self.root / lib) for lib in LIBRARIES if (self.root / lib).is_dir()]
        found = sorted(self.root.glob("usr/lib/*/perl5/*"))
        return plain_environment(
            **{
                "LD_LIBRARY_PATH": ":".join(folders),
                "PERL5LIB": ":".join(str(folder) for folder in found),
                "PYTHONPATH": str(self.root / "usr/lib/python3/dist-packages"),
                **more,
            }
        )

    def argv(self, name: str, *arguments: str) -> list[str]:
        """A command line that needs no environment of its own, so that it passes through nsenter.

        It costs one exec of ``env``: what is measured uses program() and environment().
        """
        wanted = ("LD_LIBRARY_PATH", "PERL5LIB")
        variables = [f"{key}={self.environment()[key]}" for key in wanted]
        return ["env", *variables, self.program(name), *arguments]


@cache
def fetch(group: str) -> Tree:
    """Packages of one group and all they need beyond what the host has, unpacked; once.

    Raises Unavailable when there is no apt, or the packages cannot be had.
    """
    folder = cache_folder() / "peers" / group
    stamp = folder / "packages"
    if stamp.exists():
        return Tree(folder / "tree")
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable("peers are Debian packages, and this host has no apt-get")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not stamp.exists():
            packages = _download(GROUPS[group], folder / "archives")
            shutil.rmtree(folder / "tree", ignore_errors=True)
            for package in packages:
                _unpack(package, folder / "tree")
            shutil.rmtree(folder / "archives")
            stamp.write_text("".join(f"{package.name}\n" for package in packages))
    return Tree(folder / "tree")


def virsh() -> Tree:
    """libvirt's clients: virsh, Sys::Virt, libvirt-python for Debian's own python3."""
    return fetch("clients")


def lxc() -> Tree:
    """LXC's tools."""
    return fetch("lxc")


def qemu() -> Tree:
    """QEMU, Debian's kernel and its modules."""
    return fetch("vm")


def _download(names: tuple[str, ...], archives: Path) -> list[Path]:
    """Fetch the named packages and what they need that is not installed here."""
    # An archive cache of our own, still empty: apt does not name what it has in its cache already.
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    caching = ("-o", f"Dir::Cache::archives={archives}")
    choices = ("--print-uris", "--yes", "--no-install-recommends", "--reinstall")
    errors = ""
    for attempt in ("lists as they are", "fresh lists"):
        if attempt == "fresh lists":
            _apt("update")
        planned = _apt("install", *caching, *choices, *names)
        wanted = re.findall(r"^'[^']+' (\S+)\.deb ", planned.stdout, re.MULTILINE)
        if planned.returncode == 0 and wanted:
            fetched = _apt("download", *(_versioned(name) for name in wanted), cwd=archives)
            if fetched.returncode == 0:
                return sorted(archives.glob("*.deb"))
            planned = fetched
        errors = planned.stderr or planned.stdout
    raise Unavailable(f"apt cannot fetch {' '.join(names)}: {errors.strip()[-500:]}")


def _versioned(file: str) -> str:
    """``lxc_1%3a5.0.2-1_amd64`` -> ``lxc:amd64=1:5.0.2-1``."""
    name, version, architecture = unquote(file).split("_")
    return f"{name}={version}" if architecture == "all" else f"{name}:{architecture}={version}"


def _apt(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    # apt's own unprivileged user cannot write below a folder of root's, and only warns about it.
    options = ("-q", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=60")
    return subprocess.run(
        ["apt-get", *options, *arguments],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
    )


def _unpack(package: Path, tree: Path) -> None:
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")
    archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
    subprocess.run(
        ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", tree],
        stdin=archive.stdout,
        check=True,
    )
    if archive.wait() != 0:
        raise Unavailable(f"cannot unpack {package.name}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# libvirtd's user for QEMU must exist even for its LXC driver; the host's passwd is not touched.
LAY_OVER = r"""
set -e
tree=$1 scratch=$2
mount -t tmpfs -o mode=755 scratch "$scratch"
mkdir "$scratch/upper" "$scratch/work"
mount -t overlay -o "lowerdir=$tree/usr:/usr" peer /usr
above="upperdir=$scratch/upper,workdir=$scratch/work"
mount -t overlay -o "lowerdir=$tree/etc:/etc,$above" peer /etc
for folder in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
    mkdir -p "$folder" 2>/dev/null && mount -t tmpfs -o mode=755 peer "$folder"
done
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false' >>/etc/passwd
echo 'libvirt-qemu:x:64055:' >>/etc/group
# On a hybrid host it would take cgroup2 for its own, which has no controllers there.
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
mkdir -p /run/libvirt /run/lock
"""


class Libvirtd:
    """libvirt's own daemon with its LXC driver, in namespaces of its own."""

    def __init__(self, scratch: Path) -> None:
        self.tree = fetch("libvirtd")
        self.spaces = Namespaces()
        scratch.mkdir(parents=True, exist_ok=True)
        self.spaces.run("sh", "-c", LAY_OVER, "-", str(self.tree.root), str(scratch)).ok()
        self._daemon = self.spaces.popen(["libvirtd"], stderr=subprocess.DEVNULL)

    @classmethod
    @contextmanager
    def answering(cls, scratch: Path) -> Iterator[Libvirtd]:
        """One that answers, for as long as the block lasts."""
        made = cls(scratch)
        try:
            ask = ("virsh", "-c", "lxc:///system", "list")
            wait_for("libvirtd", lambda: made.spaces.run(*ask, timeout=10).code == 0)
            yield made
        finally:
            made.close()

    @property
    def socket(self) -> Path:
        """Where it listens, as those outside of its namespaces find it."""
        return Path(f"/proc/{self._daemon.pid}/root/run/libvirt/libvirt-sock")

    def restart(self) -> None:
        """Another daemon, which looks at the host anew."""
        self._daemon.terminate()
        self._daemon.wait(30)
        self._daemon = self.spaces.popen(["libvirtd"], stderr=subprocess.DEVNULL)

    def virsh(self, *arguments: str, timeout: float = 60) -> str:
        """Standard output of a virsh command on ``lxc:///system``; AssertionError if it fails."""
        return self.spaces.run("virsh", "-c", "lxc:///system", *arguments, timeout=timeout).ok()

    def close(self) -> None:
        """End the daemon and all that it left running."""
        self._daemon.terminate()
        self._daemon.wait(30)
        for pid in self.spaces.members():
            os.kill(pid, 9)
        self.spaces.close()


if __name__ == "__main__":
    for chosen in sys.argv[1:] or GROUPS:
        print(f"{chosen}: {fetch(chosen).root}", flush=True)
