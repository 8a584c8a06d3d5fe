"""What is measured: virtlxc and LXC behind one small interface.

Everything here runs inside the instance's namespaces: bridge ``br0`` is there. Both get the same
root file system, init, memory limit, device rules and one veth port; both write a log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from benchmarks.measure import parent_of, run_program, seconds_of, wait_until, watched
from virtlxc.rpc.client import Connection

BRIDGE = "br0"
MEMORY_MIB = 64
Domain = tuple[str, bytes, int]  # name, uuid, id: the id is the host pid of its init


class Subject(Protocol):
    """One way to run containers. Names must be defined before they are used."""

    def define(self, name: str, *, veth: bool) -> None:
        """Make the definition of a container."""

    def start(self, name: str) -> float:
        """Start it; seconds."""

    def kill(self, name: str) -> float:
        """End it at once; seconds until it is gone."""

    def keeper(self, name: str) -> int:
        """Pid of the process that looks after a running container."""


class Lxc:
    """LXC's tools, each call a whole process."""

    def __init__(self, scratch: Path, root: Path, tools: Mapping[str, str]) -> None:
        """``tools``: paths by program name, and ``environment:KEY`` for what they need."""
        self._folder = scratch / "lxc"
        self._folder.mkdir()
        self._mount = scratch / "lxc-mount"
        self._mount.mkdir()
        self._root = root
        self._tools = tools
        self._output = str(scratch / "lxc.output")
        self._environment = {
            key.partition(":")[2]: value
            for key, value in tools.items()
            if key.startswith("environment:")
        }

    def _run(self, program: str, *arguments: str) -> float:
        argv = [self._tools[program], "-P", str(self._folder), *arguments]
        return run_program(argv, self._environment, self._output)

    def define(self, name: str, *, veth: bool) -> None:
        (self._folder / name).mkdir()
        lines = [
            f"lxc.uts.name = {name}",
            f"lxc.rootfs.path = dir:{self._root}",
            f"lxc.rootfs.mount = {self._mount}",
            "lxc.init.cmd = /sbin/init",
            "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
            "lxc.tty.max = 1",
            "lxc.pty.max = 1024",
            "lxc.autodev = 1",
            "lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio",
            f"lxc.console.logfile = {self._folder}/{name}/console.log",
            "lxc.console.buffer.size = 64KB",
            f"lxc.log.file = {self._folder}/{name}/log",
            "lxc.log.level = INFO",
            *self._limits(),
        ]
        if veth:
            lines += [
                "lxc.net.0.type = veth",
                f"lxc.net.0.link = {BRIDGE}",
                "lxc.net.0.flags = up",
                "lxc.net.0.name = eth0",
            ]
        else:
            lines.append("lxc.net.0.type = empty")
        (self._folder / name / "config").write_text("\n".join(lines) + "\n")

    def _limits(self) -> list[str]:
        v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        prefix = "lxc.cgroup2" if v2 else "lxc.cgroup"
        memory = "memory.max" if v2 else "memory.limit_in_bytes"
        allowed = ("c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:2", "c 136:*")
        return [
            f"{prefix}.{memory} = {MEMORY_MIB}M",
            f"{prefix}.devices.deny = a",
            *(f"{prefix}.devices.allow = {device} rwm" for device in allowed),
        ]

    def start(self, name: str) -> float:
        return self._run("lxc-start", "-n", name, "-d")

    def kill(self, name: str) -> float:
        with watched(self.keeper(name)) as ended:
            taken = self._run("lxc-stop", "-n", name, "-k")
            ended()  # its name is free only then; the tool's own time is what counts
        return taken

    def keeper(self, name: str) -> int:
        self._run("lxc-info", "-n", name, "-p", "-H")
        return parent_of(int(Path(self._output).read_text().split()[0]))


class Ours:
    """virtlxc by its API: calls on one connection to the daemon."""

    def __init__(self, scratch: Path, root: Path, socket: str, program: list[str]) -> None:
        """``program``: the command line of ``virtlxc``, as a user would run it."""
        self._root = root
        self._socket = socket
        self._connection = Connection(socket)
        self.program = program
        self._output = str(scratch / "ours.output")

    def define(self, name: str, *, veth: bool) -> None:
        link = f"<interface type='bridge'><source bridge='{BRIDGE}'/><link state='up'/></interface>"
        xml = f"""
            <domain type='lxc'><name>{name}</name><memory unit='MiB'>{MEMORY_MIB}</memory>
            <os><type>exe</type><init>/sbin/init</init></os>
            <features>{"" if veth else "<privnet/>"}</features>
            <devices>
              <filesystem type='mount'><source dir='{self._root}'/><target dir='/'/></filesystem>
              {link if veth else ""}<console type='pty'/>
            </devices></domain>"""
        self._connection.call("DOMAIN_DEFINE_XML", xml=xml)

    def start(self, name: str) -> float:
        domain = self._find(name)
        return seconds_of(lambda: self._connection.call("DOMAIN_CREATE", dom=domain))

    def kill(self, name: str) -> float:
        """Until no process is left and every name is free again."""
        domain = self._find(name)
        paths = [*cgroups_of(domain[2]), *self._links(domain)]
        with watched(domain[2], parent_of(domain[2])) as ended:

            def destroy() -> None:
                self._connection.call("DOMAIN_DESTROY", dom=domain)
                ended()
                wait_until(f"{name} gone", lambda: not any(map(os.path.exists, paths)))

            return seconds_of(destroy)

    def _links(self, domain: Domain) -> list[str]:
        xml = self._connection.call("DOMAIN_GET_XML_DESC", dom=domain, flags=0)["xml"]
        return [f"/sys/class/net/{name}" for name in re.findall(r"<target dev='([^']+)'", xml)]

    def command(self, *arguments: str) -> float:
        """A whole process of the command line; seconds."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **self._root_of()}
        return run_program([*self.program, *arguments], environment, self._output)

    def _root_of(self) -> dict[str, str]:
        return {"VIRTLXC_ROOT": self._socket.removesuffix("/run/virtlxc/virtlxc-sock") or "/"}

    def _find(self, name: str) -> Domain:
        found: Domain = self._connection.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"]
        return found

    def keeper(self, name: str) -> int:
        return parent_of(self._find(name)[2])


def cgroups_of(pid: int) -> list[str]:
    """The folders of a process's leaf, in every hierarchy that has one."""
    found = []
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        leaf, mark, _ = path.partition(".libvirt-lxc")
        if mark:
            found += [f"{mount}{leaf}{mark}" for mount in mounts_of(controllers)]
    return found


def mounts_of(controllers: str) -> list[str]:
    """Where the hierarchy of these v1 controllers, or cgroup2 when empty, is mounted."""
    wanted = set(controllers.removeprefix("name=").split(",")) if controllers else set()
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options = line.split()[:4]
        words = set(options.replace("name=", "").split(","))
        if (kind == "cgroup2" and not wanted) or (kind == "cgroup" and wanted and wanted <= words):
            found.append(where)
    return found
