"""Guests that are hosts of containers themselves: virtlxc inside of a container of virtlxc."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import rootfs
from tests.harness import CHECKOUT, Instance, wait_for
from tests.host.guestlab import FIRST_ID, Guest, guest
from tests.namespaces import Result

# Its own first range, and two for guests of its own.
IDS = 3 << 16
CONFIG = 'ignore = ["memory"]\n'

# Of the host's, bound as they are: what belongs to nobody can still be executed.
_BIND = "<filesystem type='mount'><source dir='{0}'/><target dir='{0}'/><readonly/></filesystem>"
_AS_IT_IS = "<virtlxc:filesystem target='{0}' idmap='none'/>"
_INIT = """\
#!/bin/sh
trap 'exit 0' TERM INT
# Before anybody enters from outside: who is seen as process 0 cannot leave the top of cgroup2.
{daemon} &
while :; do sleep 1000 & wait; done
"""


@dataclass(frozen=True, slots=True)
class Nest:
    """A running guest in which virtlxc can be used; ``command`` runs it there."""

    guest: Guest
    command: tuple[str, ...]

    def virtlxc(self, *arguments: str, timeout: float = 120, input: str | None = None) -> Result:
        return self.guest.run(*self.command, *arguments, timeout=timeout, input=input)

    def define(self, xml: str) -> Result:
        self.guest.run("sh", "-c", "cat > /tmp/define.xml", input=xml).ok()
        return self.virtlxc("define", "/tmp/define.xml")

    @property
    def payload(self) -> str:
        """The group on cgroup2 that all of the guest is in, as the host calls it."""
        pid = self.guest.instance.virtlxc("domid", self.guest.name).ok().strip()
        return group_of(int(pid)).rpartition("/payload")[0] + "/payload"

    def outside(self, pid: int) -> int:
        """The host's pid of a process that the guest calls ``pid``."""
        found = [
            int(status.parent.name)
            for status in Path("/proc").glob("[0-9]*/status")
            if _pids(status)[1:2] == [pid]
            and group_of(int(status.parent.name)).startswith(self.payload)
        ]
        assert len(found) == 1, (pid, found)
        return found[0]


def _pids(status: Path) -> list[int]:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return []
    return next([int(pid) for pid in line.split()[1:]] for line in lines if line[:6] == "NSpid:")


def group_of(pid: int) -> str:
    """Its group on cgroup2."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next(line[3:] for line in lines if line.startswith("0::"))


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def bare(instance: Instance) -> Nest:
    """A guest with the host's own programs, whose init is a shell that starts the daemon."""
    root = files = instance.root / "bare-root"  # not in memory: older kernels cannot map its ids
    files.mkdir()
    programs = dict.fromkeys(
        path
        for path in ("/usr", sys.base_prefix, sys.prefix, str(CHECKOUT))
        if path == "/usr" or not path.startswith("/usr/")
    )
    for folder in ("etc/virtlxc", "proc", "sys", "dev", "run", "tmp", "var/lib", "root", "srv"):
        (files / folder).mkdir(parents=True)
    for path in programs:
        (files / path[1:]).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (files / name).symlink_to(f"usr/{name}")
    shutil.copy("/etc/ld.so.cache", files / "etc/ld.so.cache")
    (files / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (files / "etc/group").write_text("root:x:0:\ntty:x:5:\n")
    (files / "etc/virtlxc/virtlxc.toml").write_text(CONFIG)
    environment = ("env", f"PYTHONPATH={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1", "HOME=/root")
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    command = (*environment, path, sys.executable, "-m", "virtlxc")
    rootfs.script(files, "/init", _INIT.format(daemon=" ".join((*command, "daemon"))))
    rootfs.make_busybox(files / "srv/guest")
    found = guest(
        instance,
        "bare",
        root=root,
        ids=IDS,
        nesting=True,
        init="/init",
        devices="".join(map(_BIND.format, programs)),
        extra="".join(map(_AS_IT_IS.format, programs)),
    ).start()
    # Looked at by its files: an exec would be somebody who enters.
    socket = found.inside / "run/virtlxc/virtlxc-sock"
    wait_for("the daemon inside", socket.exists, 30)
    return Nest(found, command)


def outer_uid(inner: int) -> int:
    """The host's id of one of the guest's."""
    return FIRST_ID + inner
