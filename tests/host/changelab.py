"""What tests of changes need: running domains, changed over the wire, looked at from inside."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.harness import wait_for
from tests.host.lifelab import Lab, Ref
from virtlxc.errors import VirtlxcError

LIVE, CONFIG = 1, 2
INACTIVE = 2
SHIFT = 1_000_000
IDMAP = f"""<idmap><uid start='0' target='{SHIFT}' count='65536'/>
<gid start='0' target='{SHIFT}' count='65536'/></idmap>"""


class ChangeLab(Lab):
    """Running domains, changed over the wire and looked at from inside."""

    def attach(self, ref: Ref, xml: str, flags: int = LIVE) -> None:
        self.call("DOMAIN_ATTACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=flags)

    def detach(self, ref: Ref, xml: str, flags: int = LIVE) -> None:
        self.call("DOMAIN_DETACH_DEVICE_FLAGS", dom=ref, xml=xml, flags=flags)

    def update(self, ref: Ref, xml: str, flags: int = LIVE) -> None:
        self.call("DOMAIN_UPDATE_DEVICE_FLAGS", dom=ref, xml=xml, flags=flags)

    def xml(self, ref: Ref, flags: int = 0) -> str:
        text: str = self.call("DOMAIN_GET_XML_DESC", dom=ref, flags=flags)["xml"]
        return text

    def inside(self, ref: Ref, *argv: str) -> str:
        """What a program prints in the container's namespaces; its errors too."""
        pid = str(self.id(ref))
        found = subprocess.run(
            ["nsenter", "-t", pid, "-U", "-m", "-n", "-p", "-u", "-S", "0", "-G", "0", *argv]
            if self.mapped(pid)
            else ["nsenter", "-t", pid, "-m", "-n", "-p", "-u", *argv],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return found.stdout + found.stderr

    def run(self, ref: Ref, text: str) -> str:
        """What a shell prints in the container, under its device rules."""
        found = self.instance.virtlxc("exec", ref[0], "--", "/bin/sh", "-c", text)
        return found.stdout + found.stderr

    def mapped(self, pid: str) -> bool:
        return os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")

    def refused(self, code: int, call: str, *given: object) -> str:
        with pytest.raises(VirtlxcError) as raised:
            getattr(self, call)(*given)
        assert raised.value.code == code, raised.value.message
        return raised.value.message

    def restart_daemon(self) -> None:
        """kill -9 and come back."""
        self.connection.abandon()
        self.instance.kill_daemon()
        self.instance.start_daemon()
        self.connect()

    def reboot(self, ref: Ref) -> None:
        """From inside, as an administrator of the guest would."""
        first = self.id(ref)
        self.call("DOMAIN_REBOOT", dom=ref, flags=0)
        wait_for("another init", lambda: self.id(ref) not in (first, -1))

    def files(self, ref: Ref) -> set[str]:
        return {path.name for path in self.folder(ref).iterdir()}
