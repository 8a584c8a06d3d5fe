"""A network namespace for a test that plays the host: entered by the test's own thread.

The code under test then sees a host of its own, with root's rights and no way out. Guests and the
outside are further namespaces, tied to it by veth pairs.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.namespaces import Namespaces, Result

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextmanager
def own_network() -> Iterator[None]:
    """The calling thread, and what it starts, in a new network namespace with lo up."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        ip("link", "set", "lo", "up")
        yield
    finally:
        _check(_libc.setns(before, CLONE_NEWNET), "setns")
        os.close(before)


def ip(*arguments: str) -> str:
    """``ip ARGUMENTS`` in the test's present namespace."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def run(*argv: str, input: str | None = None) -> str:
    done = subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


class Peer:
    """A namespace tied by a veth pair to ``host``, or to the test's own: ``eth0`` inside, ``name``
    outside."""

    def __init__(
        self,
        name: str,
        *,
        bridge: str | None = None,
        mac: str | None = None,
        host: Namespaces | None = None,
    ) -> None:
        self.name = name
        self.spaces = Namespaces()
        self._host = host
        address = ["address", mac] if mac else []
        self.ip(
            *("link", "add", name, "type", "veth"),
            *("peer", "name", "eth0", *address, "netns", str(self.spaces.pid)),
        )
        if bridge:
            self.ip("link", "set", name, "master", bridge)
        self.ip("link", "set", name, "up")
        self.run("ip", "link", "set", "eth0", "up").ok()

    def ip(self, *arguments: str) -> None:
        """``ip ARGUMENTS`` outside."""
        if self._host is None:
            ip(*arguments)
        else:
            self._host.run("ip", *arguments).ok()

    def run(self, *argv: str, timeout: float = 60) -> Result:
        return self.spaces.run(*argv, timeout=timeout)

    def close(self) -> None:
        self.spaces.close()


# What a lease gave, printed by udhcpc's script.
LEASE_SCRIPT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/${mask:-24}" dev "$interface"
[ -z "$router" ] || ip route add default via "$router"
echo "lease $ip router $router dns $dns"
"""


def take_lease(peer: Peer, folder: Path, hostname: str = "") -> str:
    """Has busybox's udhcpc take a lease in the peer; the line that its script prints."""
    script = folder / "udhcpc.script"
    script.write_text(LEASE_SCRIPT)
    script.chmod(0o755)
    name = ["-x", f"hostname:{hostname}"] if hostname else []
    result = peer.run(
        *("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1"),
        *("-s", str(script), *name),
    )
    lines = [line for line in result.ok().splitlines() if line.startswith("lease ")]
    assert len(lines) == 1, str(result)
    return lines[0]
