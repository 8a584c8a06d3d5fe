"""Runs libvirt-tck against a daemon of ours, and prints what each script passes.

``TCK_DIR=CHECKOUT python -m tests.tck [SCRIPT...]``: scripts are named as the suite does,
``domain/060-persistent-lifecycle.t``; none means all that containers have something of. The suite
is libvirt's and is not part of this repository; what its Perl needs is unpacked by tests.peers.

Everything runs on an overlay copy of ``/``, in namespaces of its own: whatever a domain of the
suite writes, and be it to the root of the file system, is gone at the end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests import peers
from tests.harness import CHECKOUT, wait_for
from tests.namespaces import Namespaces, plain_environment

GROUPS = ("domain", "networks", "storage", "hooks")
SCRIPT_SECONDS = 300
ROOT = "/srv/tck"
"""The daemon's root, and the suite's scratch folder, in the overlay."""

# The packages lie over the host's files, and what is written lies in memory. Folders that other
# file systems may hold are bound, so that the overlay has them too.
OVERLAY = r"""
set -e
tree=$1 more=$2; shift 2
mkdir -p /mnt
mount -t tmpfs -o mode=755 tck /mnt
mkdir /mnt/root
lay() {
    mkdir -p "/mnt/upper$2" "/mnt/work$2"
    above="upperdir=/mnt/upper$2,workdir=/mnt/work$2"
    mount -t overlay -o "lowerdir=$1,$above" tck "/mnt/root$3"
}
lay / /all ""
lay "$tree/usr:$more/usr:/usr" /usr /usr
lay "$tree/etc:/etc" /etc /etc
cd /mnt/root
for folder in "$@"; do
    mkdir -p ".$folder"
    mount --bind -o ro "$folder" ".$folder"
done
mount -t tmpfs -o mode=755 tck run
mount -t tmpfs -o mode=1777 tck tmp
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mkdir -p srv/tck/cache srv/tck/etc/virtlxc run/lock old
pivot_root . old
umount -l /old
cd /
busybox=$(command -v busybox)
cat >/etc/tck.yml <<END
uri: "lxc+unix:///system?socket=/srv/tck/run/virtlxc/virtlxc-sock"
scratch_dir: /srv/tck/cache
busybox: $busybox
kernels:
  - arch: none
    ostype: [hvm]
host_usb_devices: []
host_pci_devices: []
host_block_devices: []
host_network_devices: []
END
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one script did; the numbers are those of its TAP output."""

    script: str
    status: int
    plan: int
    ok: int
    skipped: int
    failed: int

    def __str__(self) -> str:
        return (
            f"{self.script} rc={self.status} plan={self.plan} ok={self.ok} "
            f"skip={self.skipped} notok={self.failed}"
        )


def outcome(script: str, status: int, output: str) -> Outcome:
    """Counts a script's TAP output."""
    plan = re.search(r"^1\.\.(\d+)", output, re.MULTILINE)
    lines = re.findall(r"^(not )?ok\b.*$", output, re.MULTILINE)
    good = re.findall(r"^ok\b(.*)$", output, re.MULTILINE)
    skipped = sum("# skip" in line for line in good)
    planned = int(plan[1]) if plan else 0
    return Outcome(script, status, planned, len(good), skipped, len(lines) - len(good))


class Suite:
    """The suite's checkout and a daemon, on an overlay copy of the host."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        tree, more = peers.fetch("tck"), peers.fetch("images")
        self.spaces = Namespaces()
        bound = (str(CHECKOUT), str(tree.root), str(more.root), str(checkout))
        self.spaces.run("sh", "-c", OVERLAY, "-", str(tree.root), str(more.root), *bound).ok()
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as we do
        self._daemon = self.spaces.popen(
            [sys.executable, "-m", "virtlxc", "--root", ROOT, "daemon"],
            env=plain_environment(PYTHONPATH=str(CHECKOUT), PYTHONDONTWRITEBYTECODE="1"),
            stdout=self.messages,
            stderr=self.messages,
            cwd="/",
        )
        probe = "import socket; socket.socket(socket.AF_UNIX).connect('{}')"
        words = (sys.executable, "-c", probe.format(f"{ROOT}/run/virtlxc/virtlxc-sock"))
        try:
            wait_for("the daemon", lambda: self.spaces.run(*words).code == 0, 30)
        except BaseException:
            print(self.daemon_messages())
            self.close()
            raise

    def run(self, script: str) -> tuple[Outcome, str]:
        """One script, as ``prove`` would run it."""
        path = f"{self.checkout}/scripts/{script}"
        perl = "perl" in Path(path).read_text().partition("\n")[0]
        done = self.spaces.run(
            "timeout", "-k", "5", str(SCRIPT_SECONDS),
            *(("perl", f"-I{self.checkout}/lib") if perl else ("sh",)), path,
            env=plain_environment(LIBVIRT_TCK_CONFIG="/etc/tck.yml", LIBVIRT_TCK_AUTOCLEAN="1"),
            timeout=SCRIPT_SECONDS + 30,
        )  # fmt: skip
        return outcome(script, done.code, done.stdout), done.stdout + done.stderr

    def daemon_messages(self) -> str:
        self.messages.seek(0)
        return self.messages.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Ends the daemon and all that runs inside; the overlay goes with its namespace."""
        self._daemon.terminate()
        try:
            self._daemon.wait(30)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
        for pid in self.spaces.members():
            os.kill(pid, 9)
        self.spaces.close()


def main(wanted: list[str]) -> int:
    named = os.environ.get("TCK_DIR")
    if not named:
        print("TCK_DIR must name a checkout of libvirt-tck (gitlab.com/libvirt/libvirt-tck)")
        return 2
    checkout = Path(named).resolve()
    scripts = wanted or [
        str(file.relative_to(checkout / "scripts"))
        for group in GROUPS
        for file in sorted((checkout / "scripts" / group).glob("*.t"))
    ]
    suite = Suite(checkout)
    passed = dict.fromkeys(GROUPS, 0)
    failures = 0
    try:
        for script in scripts:
            found, output = suite.run(script)
            print(found, flush=True)
            passed[script.partition("/")[0]] += found.ok - found.skipped
            if found.status or found.failed:
                failures += 1
            if wanted or found.status or found.failed:
                print("".join(f"    {line}\n" for line in output.splitlines()[-60:]), flush=True)
        messages = suite.daemon_messages()
        if "a mistake of virtlxc's" in messages:
            print(messages[messages.find("a mistake of virtlxc's") :][:5000])
    finally:
        suite.close()
    print("passed:", ", ".join(f"{group} {count}" for group, count in passed.items()))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
