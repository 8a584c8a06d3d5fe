"""What the tests of lives need: a client of an instance, domains with inits of their own."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from tests import rootfs
from tests.harness import Instance, wait_for
from virtlxc.rpc.client import Connection

RUNNING, PAUSED, SHUTOFF, CRASHED = 1, 3, 5, 6
Ref = tuple[str, bytes, int]


class Lab:
    """Domains of one instance, driven over the wire."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.connect()

    def connect(self) -> None:
        """A fresh connection, to the daemon that runs now."""
        self.connection = Connection(self.instance.paths.socket)

    def call(self, name: str, /, **fields: Any) -> dict[str, Any]:
        return self.connection.call(name, **fields)

    def define(
        self, name: str, *, init: str = "/sbin/init", more: str = "", devices: str = ""
    ) -> Ref:
        """A domain on a root of its own; ``more`` stands in the document."""
        root = self.instance.root / f"root-{name}"
        if not root.exists():
            rootfs.make_busybox(root)
        xml = document(name, root, init, more, devices)
        return self.ref_of(self.call("DOMAIN_DEFINE_XML", xml=xml))

    def ref_of(self, reply: dict[str, Any]) -> Ref:
        ref: Ref = reply["dom"]
        return ref

    def script(self, name: str, text: str) -> None:
        """The domain's /init, a shell script."""
        rootfs.script(self.instance.root / f"root-{name}", "/init", "#!/bin/sh\n" + text)

    def start(self, ref: Ref, flags: int = 0) -> Ref:
        return self.ref_of(self.call("DOMAIN_CREATE_WITH_FLAGS", dom=ref, flags=flags))

    def destroy(self, ref: Ref) -> None:
        self.call("DOMAIN_DESTROY", dom=ref)

    def state(self, ref: Ref) -> tuple[int, int]:
        reply = self.call("DOMAIN_GET_STATE", dom=ref, flags=0)
        return reply["state"], reply["reason"]

    def id(self, ref: Ref) -> int:
        return self.ref_of(self.call("DOMAIN_LOOKUP_BY_UUID", uuid=ref[1]))[2]

    def await_state(self, ref: Ref, state: int) -> tuple[int, int]:
        wait_for(f"state {state} of {ref[0]}", lambda: self.state(ref)[0] == state)
        return self.state(ref)

    def folder(self, ref: Ref) -> Path:
        return Path(self.instance.paths.domain_run(str(uuid.UUID(bytes=ref[1]))))

    def controller(self, ref: Ref) -> int:
        """The pid of the controller of a running domain."""
        status = json.loads((self.folder(ref) / "status.json").read_text())
        pid: int = status["run"]["controller"]["pid"]
        return pid

    def console(self, ref: Ref, wanted: bytes) -> bytes:
        """What a viewer of the first console sees, from the replay on, up to ``wanted``."""
        stream = self.connection.stream("DOMAIN_OPEN_CONSOLE", dom=ref, dev_name=None, flags=0)
        seen = b""
        try:
            while wanted not in seen:
                data = stream.recv()
                assert data, seen
                seen += data
            return seen
        finally:
            stream.abort()


def document(name: str, root: Path, init: str, more: str, devices: str = "") -> str:
    return f"""
<domain type='lxc'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type>exe</type><init>{init}</init></os>
  <features><privnet/></features>
  {more}
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    {devices}
    <console type='pty'/>
  </devices>
</domain>"""


def is_alive(pid: int) -> bool:
    """Whether the process still runs: a zombie that its parent has not looked at does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"
