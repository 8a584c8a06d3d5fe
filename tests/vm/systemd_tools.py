"""What the checks on a host with systemd work with: commands, domains, and what the kernel says.

Runs inside, so it needs nothing but Python and the checkout.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path("/results")
KEPT = Path("/srv/shared")  # what outlives a boot; the containers have it too
GUEST = Path("/srv/guest")
PATIENCE_S = 60.0
SHUTDOWN_S = 15
STALE = 40
# In a container on a host whose controllers are bound to cgroup v1 there are none.
CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
HAS_MEMORY = CONTROLLERS.exists() and "memory" in CONTROLLERS.read_text().split()
UNLIMITED_KIB = (1 << 53) - 1
UUIDS = {name: f"00000000-0000-4000-8000-00000000000{at}" for at, name in enumerate(
    ("db", "web", "hangs", "extra"))}  # fmt: skip
ORDER = {"db": 1, "web": 2, "hangs": 2, "extra": 0}

POLITE = """\
#!/bin/sh
echo "$LIBVIRT_LXC_NAME up" >>/shared/log
trap 'echo "$LIBVIRT_LXC_NAME ended" >>/shared/log; exit 0' TERM
talk() {
    while read word; do
        echo "$LIBVIRT_LXC_NAME got $word"
        [ "$word" != reboot ] || reboot -f
    done
}
talk </dev/console &
while :; do sleep 1000 & wait $!; done
"""
HANGS = """\
#!/bin/sh
trap : TERM
echo "$LIBVIRT_LXC_NAME up" >>/shared/log
while :; do sleep 1000 & wait $!; done
"""


class Done:
    """What one command gave back."""

    def __init__(self, argv: tuple[str, ...], timeout: float) -> None:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
        self.argv, self.code = argv, done.returncode
        self.out, self.err = done.stdout, done.stderr

    def ok(self) -> str:
        assert self.code == 0, str(self)
        return self.out

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}: {self.code}\n{self.out}{self.err}"


def run(*argv: str, timeout: float = 240.0) -> Done:
    return Done(argv, timeout)


def virtlxc(*words: str) -> Done:
    return run("virtlxc", *words)


def wait_for(what: str, look: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:
    end = time.monotonic() + timeout
    while not (found := look()):
        assert time.monotonic() < end, f"not within {timeout:g} s: {what}"
        time.sleep(0.1)
    return found


def status(name: str) -> dict[str, Any]:
    """The live state of a running domain."""
    found: dict[str, Any] = json.loads(Path(f"/run/virtlxc/{UUIDS[name]}/status.json").read_text())[
        "run"
    ]
    return found


def pids(name: str) -> tuple[int, int]:
    """(controller, init), which must both be alive."""
    run = status(name)
    found = run["controller"]["pid"], run["init"]["pid"]
    for pid in found:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        assert state not in "ZX", f"{name}: process {pid} is dead"
    return found


def group(pid: int) -> str:
    line = Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1]
    return line.removeprefix("0::")


def scope(name: str) -> str:
    """The unit of a running domain, as systemd writes it."""
    return re.sub(r".*/", "", status(name)["leaf"]["path"])


def show(unit: str, *properties: str) -> dict[str, str]:
    text = run("systemctl", "show", f"--property={','.join(properties)}", unit).ok()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def answers(name: str, word: str) -> None:
    """A viewer types a word, and sees what the guest says to it."""
    from virtlxc.rpc.client import Connection

    connection = Connection("/run/virtlxc/virtlxc-sock")
    ref = connection.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"]
    stream = connection.stream("DOMAIN_OPEN_CONSOLE", dom=ref, dev_name=None, flags=0)
    stream.send(word.encode() + b"\n")
    seen = b""
    while f"{name} got {word}".encode() not in seen:
        data = stream.recv()
        assert data, seen
        seen += data
    connection.abandon()


def log() -> list[str]:
    path = KEPT / "log"
    return path.read_text().splitlines() if path.exists() else []


def journal(*words: str) -> str:
    return run("journalctl", "--no-pager", "-o", "cat", *words).out


def define(name: str, init: str) -> None:
    path = Path("/tmp/define.xml")
    path.write_text(f"""\
<domain type='lxc'>
  <name>{name}</name>
  <uuid>{UUIDS[name]}</uuid>
  <metadata>
    <virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1'>
      <virtlxc:autostart order='{ORDER[name]}'/>
    </virtlxc:container>
  </metadata>
  <memory unit='KiB'>{(64 << 10) if HAS_MEMORY else UNLIMITED_KIB}</memory>
  <os><type>exe</type><init>{init}</init></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{GUEST}'/><target dir='/'/></filesystem>
    <filesystem type='mount'><source dir='{KEPT}'/><target dir='/shared'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
""")
    virtlxc("define", str(path)).ok()
