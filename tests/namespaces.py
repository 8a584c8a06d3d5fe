"""A private mount and network namespace that commands of a test enter.

A holder process keeps both alive: it is ``cat`` on a pipe of ours, so that it ends with this
process, whatever ends that. ``/sys`` is mounted anew inside, because what it shows of the network
belongs to the namespace it was mounted in; the host's cgroup mounts are moved onto it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SET_UP = r"""
set -e
stash=$(mktemp -d)
mount -t tmpfs -o size=1m stash "$stash"
for below in fs/cgroup kernel/security; do
    mountpoint -q "/sys/$below" || continue
    mkdir -p "$stash/$below"
    mount --rbind "/sys/$below" "$stash/$below"
done
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
for below in fs/cgroup kernel/security; do
    ! mountpoint -q "$stash/$below" || mount --rbind "$stash/$below" "/sys/$below"
done
umount -R -l "$stash"
rmdir "$stash"
ip link set lo up
echo ready
exec cat
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What one command gave back."""

    argv: tuple[str, ...]
    stdout: str
    stderr: str
    code: int

    def ok(self) -> str:
        """Standard output of a command that must have succeeded; AssertionError shows all of it."""
        assert self.code == 0, str(self)
        return self.stdout

    def failed(self) -> str:
        """Standard error of a command that must have failed; AssertionError shows all of it."""
        assert self.code != 0, str(self)
        return self.stderr

    def __str__(self) -> str:
        return (
            f"$ {' '.join(self.argv)}\n[exit status {self.code}]\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


def plain_environment(**more: str) -> dict[str, str]:
    """The environment of a command under test: no locale, no variables of the caller's shell."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
        "HOME": "/root",
        "TERM": "dumb",
        **more,
    }


class Namespaces:
    """A mount and a network namespace for as long as this object is open."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", SET_UP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=plain_environment(),
            start_new_session=True,
        )
        self.pid = self._holder.pid
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError("cannot make a private mount and network namespace")

    def prefix(self) -> list[str]:
        """What to put before a command so that it runs inside."""
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", f"--net=/proc/{self.pid}/ns/net"]

    def popen(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        cwd: str | None = None,
        pass_fds: Sequence[int] = (),
        user: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command inside; ``user`` runs it as that uid and gid, without other groups."""
        drop = (
            []
            if user is None
            else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        )
        wanted = [f"--wdns={cwd}"] if cwd else []
        return subprocess.Popen(
            [*self.prefix(), *wanted, "--", *drop, *argv],
            env=dict(env if env is not None else plain_environment()),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
        )

    def run(
        self,
        *argv: str,
        input: str | None = None,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> Result:
        """Run a command inside to its end; one that takes longer than ``timeout`` s is killed."""
        process = self.popen(
            argv,
            env=env,
            user=user,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(None if input is None else input.encode(), timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"\n[killed: still running after {timeout:g} s]".encode()
        return Result(tuple(argv), out.decode("utf-8", "replace"), _text(err), process.returncode)

    def members(self) -> dict[int, str]:
        """Processes whose mount or network namespace is ours, but for the holder: pid -> title."""
        ours = {os.readlink(f"/proc/{self.pid}/ns/{kind}") for kind in ("mnt", "net")}
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.pid:
                continue
            try:
                spaces = {os.readlink(entry / "ns" / kind) for kind in ("mnt", "net")}
                if spaces & ours:
                    title = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = _text(title).strip() or _text(
                        (entry / "comm").read_bytes()
                    )
            except OSError:
                continue  # ended while we looked
        return found

    def mounts_below(self, folder: Path) -> list[str]:
        """Mount points at or below ``folder``."""
        lines = Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in lines]
        return [p for p in points if p == str(folder) or p.startswith(f"{folder}/")]

    def close(self) -> None:
        """End the holder; the kernel drops the namespaces with their last process."""
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
