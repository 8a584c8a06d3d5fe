"""Open vSwitch beside an instance, from unpacked packages: a database, and a switch in userspace.

Both run in the instance's own namespaces; the kernel needs no module of the switch's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests import peers, rootfs
from tests.harness import Instance, wait_for
from tests.host.changelab import ChangeLab

BRIDGE = "ovsbr0"


class WithSwitch(Instance):
    """An instance whose daemon finds ovs-vsctl in its PATH, and a switch with one bridge."""

    def __init__(self, *, start: bool = True) -> None:
        self.tree = peers.fetch("openvswitch")
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        super().__init__(start=start)
        if start:
            try:
                self.begin()
            except BaseException:
                self.close()
                raise

    def environment(self, **more: str) -> dict[str, str]:
        folder = self.root / "bin"
        if not folder.exists():
            folder.mkdir(mode=0o755)
            words = self.tree.argv("ovs-vsctl")
            text = f'exec env OVS_RUNDIR={self.root}/switch {" ".join(words[1:])} "$@"'
            rootfs.script(self.root, "/bin/ovs-vsctl", f"#!/bin/sh\n{text}\n")
        return super().environment(PATH=f"{folder}:{os.environ['PATH']}", **more)

    def begin(self) -> None:
        """Start the switch, and give it its bridge."""
        self.own_links |= {BRIDGE, "ovs-netdev"}
        folder = self.root / "switch"
        folder.mkdir()
        schema = self.tree.root / "usr/share/openvswitch/vswitch.ovsschema"
        self.run(*self.tree.argv("ovsdb-tool", "create", f"{folder}/db", str(schema))).ok()
        self.start_database()
        self.start_switch()
        kind = ("--", "set", "bridge", BRIDGE, "datapath_type=netdev")
        self.vsctl("--timeout=10", "add-br", BRIDGE, *kind)

    def start_database(self) -> None:
        folder = self.root / "switch"
        sock = f"--remote=punix:{folder}/db.sock"
        self._serve("ovsdb-server", [self.tree.program("ovsdb-server"), f"{folder}/db", sock])
        wait_for("the database", lambda: self.run("ovs-vsctl", "--no-wait", "init").code == 0)

    def start_switch(self) -> None:
        program = str(self.tree.root / "usr/lib/openvswitch-switch/ovs-vswitchd")
        self._serve("ovs-vswitchd", [program, f"unix:{self.root}/switch/db.sock"])

    def _serve(self, name: str, argv: Sequence[str]) -> None:
        folder = self.root / "switch"
        run = {"OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
        with (folder / f"{name}.log").open("ab") as log:
            self._servers[name] = self.spaces.popen(
                [*argv, f"--unixctl={folder}/{name}.ctl"],
                env=self.tree.environment(**run), stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self, name: str) -> None:
        server = self._servers.pop(name)
        server.kill()
        server.wait()

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", *words).ok()

    def close(self) -> None:
        for name in ("ovs-vswitchd", "ovsdb-server"):
            if name in self._servers:
                self.stop(name)
        super().close()


class SwitchLab(ChangeLab):
    """Domains on a switch."""

    instance: WithSwitch

    def ports(self) -> list[str]:
        return self.instance.vsctl("list-ports", BRIDGE).split()

    def column(self, table: str, host: str, column: str) -> str:
        return self.instance.vsctl("get", table, host, column).strip()
