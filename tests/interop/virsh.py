"""The real virsh against an instance's daemon, and a terminal for its interactive commands."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from pathlib import Path

from tests import peers
from tests.harness import Instance
from tests.namespaces import Result

DOMAIN = """<domain type='lxc'>
  <name>{name}</name>
  <memory unit='KiB'>65536</memory>
  <os><type>exe</type><init>{init}</init></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""


class Virsh:
    """virsh, connected to one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.uri = f"lxc+unix:///system?socket={instance.paths.socket}"

    def argv(self, *arguments: str) -> list[str]:
        return peers.virsh().argv("virsh", "-c", self.uri, *arguments)

    def __call__(self, *arguments: str) -> Result:
        return self.instance.run("env", "LC_ALL=C", *self.argv(*arguments), timeout=60)

    def define(self, name: str, root: Path, init: str = "/sbin/init") -> None:
        xml = DOMAIN.format(name=name, root=root, init=init)
        self("define", self.instance.write(f"{name}.xml", xml)).ok()

    def id_of(self, name: str) -> int:
        """The host's pid of a domain's init."""
        return int(self("domid", name).ok())

    def leaf(self, name: str) -> dict[str, Path]:
        """Where a domain's init is in each cgroup hierarchy: controller -> folder of its limits."""
        mounts = {}
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            left, _, right = line.partition(" - ")
            fstype, _source, options = right.split(" ", 2)
            if fstype == "cgroup2":
                mounts[""] = left.split()[4]
            elif fstype == "cgroup":
                mounts.update((word, left.split()[4]) for word in options.split(","))
        found = {}
        for line in Path(f"/proc/{self.id_of(name)}/cgroup").read_text().splitlines():
            _number, controllers, path = line.split(":", 2)
            for word in controllers.split(","):
                folder = Path(mounts.get(word, mounts.get("", "")) + path)
                found[word] = folder.parent if folder.name == "init" else folder
        return found


class Terminal:
    """A command that has a terminal, as a person would give it one."""

    def __init__(self, argv: list[str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(argv[0], argv)
        self.seen = b""

    def expect(self, wanted: bytes, timeout: float = 60.0) -> None:
        """Reads until ``wanted`` has been seen; forgets what was before it."""
        end = time.monotonic() + timeout
        while wanted not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} never came; seen: {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    raise AssertionError(f"it ended before {wanted!r}: {self.seen!r}") from None
        self.seen = self.seen.partition(wanted)[2]

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def end(self) -> int:
        """Waits for the command's end; its exit status."""
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.end()
