"""``./quickstart run``, what the README says next, and ``remove``, on a host without virtlxc.

Only what comes over the network is left out: packages and wheels are there. What virtlxc writes to
by default lies in memory here, in the namespaces of the test.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import CHECKOUT, MEMORY_TAKES_IDMAPS, PATIENCE, wait_for
from tests.namespaces import Namespaces, Result, plain_environment
from tests.terminal import Terminal

pytestmark = pytest.mark.host

COMMAND = "/usr/local/bin/virtlxc"
FOLDERS = ("/etc/virtlxc", "/run/virtlxc", "/var/lib/virtlxc", "/var/log/virtlxc")
PARTS = ("quickstart", "pyproject.toml", "README.md", "LICENSE", "virtlxc", "xml-examples")
# /var/lib has to take idmapped mounts, which memory does not on older kernels: on disk there.
FRESH = f"""set -e
mount -t tmpfs tmpfs "$1"
for folder in /etc /usr/local/bin; do
    mkdir -p "$1$folder/upper" "$1$folder/work"
    layers="lowerdir=$folder,upperdir=$1$folder/upper,workdir=$1$folder/work"
    mount -t overlay -o "$layers" overlay "$folder"
done
for folder in /run /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
mount --bind "$2" /var/lib
rm -rf {COMMAND} /etc/virtlxc
"""


class FreshHost:
    """A host that has packages and a checkout with its virtual environment, and no virtlxc."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vl", dir="/tmp"))
        self.folder.chmod(0o755)
        self.checkout = self.folder / "checkout"
        self.checkout.mkdir()
        self.spaces = Namespaces()
        for part in PARTS:
            source = CHECKOUT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.checkout / part, ignore=ignored)
            else:
                shutil.copy(source, self.checkout / part)
        self._make_environment()
        layers, state = self.folder / "layers", self.folder / "state"
        for folder in (layers, state):
            folder.mkdir(mode=0o755)
        if MEMORY_TAKES_IDMAPS:
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(state)).ok()
        self.run("sh", "-c", FRESH, "sh", str(layers), str(state)).ok()

    def _make_environment(self) -> None:
        """What pip would have brought is what the tests run with."""
        venv = self.checkout / ".venv"
        python = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
        subprocess.run(python, check=True)
        packages = next(venv.glob("lib/python3*/site-packages"))
        packages.rmdir()
        packages.symlink_to(sysconfig.get_path("purelib"))
        project = (self.checkout / "pyproject.toml").read_bytes()
        stamp = subprocess.run(["cksum"], input=project, stdout=subprocess.PIPE, check=True)
        (venv / "installed-run").write_bytes(stamp.stdout)

    def run(self, *argv: str, user: int | None = None) -> Result:
        return self.spaces.run(*argv, env=plain_environment(), user=user, timeout=240 * PATIENCE)

    def quickstart(self, word: str) -> Result:
        return self.run(str(self.checkout / "quickstart"), word)

    def virtlxc(self, *arguments: str, user: int | None = None) -> Result:
        return self.run(COMMAND, *arguments, user=user)

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path).code == 0 or self.run("test", "-L", path).code == 0

    @property
    def program(self) -> str:
        return f"{self.checkout}/.venv/bin/virtlxc"

    def links(self) -> str:
        return self.run("ip", "-brief", "link").ok()

    def close(self) -> None:
        """What a test that failed has left: containers by the command, so that no group stays."""
        if self.exists("/run/virtlxc/virtlxc-sock"):
            for name in self.run(self.program, "list", "--name").stdout.split():
                self.run(self.program, "destroy", name)
        for pid in self.spaces.members():
            os.kill(pid, signal.SIGKILL)
        wait_for("the end of all processes", lambda: not self.spaces.members())
        self.spaces.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def fresh() -> Iterator[FreshHost]:
    host = FreshHost()
    try:
        yield host
    finally:
        host.close()


@pytest.mark.idmapped
def test_run_the_first_container_and_remove(fresh: FreshHost) -> None:
    link = f"Command: {COMMAND} -> {fresh.program}"
    said = fresh.quickstart("run").ok()
    for line in (
        "System packages: all there.", link, "Daemon: running.", "Container: made quickstart.",
        "Container: started quickstart.", "A command inside says: I am quickstart, user root,",
    ):  # fmt: skip
        assert line in said, said
    (address,) = [
        line.split()[-1] for line in said.splitlines() if line.startswith("Address of quickstart:")
    ]
    assert f"inet {address}/24" in fresh.virtlxc("exec", "quickstart", "--", "ip", "addr").ok()
    init = fresh.virtlxc("domid", "quickstart").ok()
    again = fresh.quickstart("run").ok()
    for line in (f"{COMMAND} is there.", "default is active.", "quickstart exists."):
        assert line in again, again
    assert "started" not in again and "made" not in again
    assert fresh.virtlxc("domid", "quickstart").ok() == init
    first_container(fresh)
    refused = fresh.quickstart("remove").failed()
    assert "quickstart: remove the daemon: other containers exist: busybox" in refused
    assert fresh.virtlxc("domid", "quickstart").ok() == init
    fresh.virtlxc("undefine", "busybox").ok()
    removed = fresh.quickstart("remove").ok()
    assert "Removed the container quickstart." in removed and "Stopped the daemon." in removed
    left = [path for path in (*FOLDERS, COMMAND, f"{fresh.checkout}/.venv") if fresh.exists(path)]
    assert not left
    assert [line.split()[0] for line in fresh.links().splitlines()] == ["lo"]
    wait_for("the end of all processes", lambda: not fresh.spaces.members())
    assert sorted(os.listdir(fresh.checkout)) == sorted(PARTS)
    assert "There is nothing to remove" in fresh.quickstart("remove").ok()


def first_container(fresh: FreshHost) -> None:
    """The README's example of XML that one has."""
    example = str(fresh.checkout / "xml-examples/busybox.xml")
    fresh.virtlxc("define", example).ok()
    fresh.virtlxc("start", "busybox").ok()
    rows = [line.split()[1:] for line in fresh.virtlxc("list", "--all").ok().splitlines()[2:]]
    assert ["busybox", "running"] in rows and ["quickstart", "running"] in rows
    wait_for(
        "its lease",
        lambda: "inet 192.168." in fresh.virtlxc("exec", "busybox", "--", "ip", "addr").ok(),
    )
    console = Terminal(fresh.spaces, [COMMAND, "console", "busybox"], plain_environment())
    console.expect("Please press Enter to activate this console.")
    console.type("\r")
    console.expect("#")
    console.type("uname -n\r")
    console.expect("busybox\r\n")
    console.type("\x1d")
    assert console.end() == 0
    fresh.virtlxc("shutdown", "busybox", "--wait").ok()
    assert fresh.virtlxc("domstate", "busybox", "--reason").ok().strip() == "shut off (shutdown)"
    steps = fresh.virtlxc("plan", example, user=65534).ok()
    assert "pivot: the root becomes /" in steps and "execute init: /sbin/init" in steps


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("echo own > {0}", "it exists and is not ours"),
        ("ln -s /srv/other/.venv/bin/virtlxc {0}", "it leads to another checkout, /srv/other"),
    ],
)
def test_a_command_of_others_is_left_alone(fresh: FreshHost, make: str, told: str) -> None:
    fresh.run("sh", "-c", make.format(COMMAND)).ok()
    before = fresh.run("sh", "-c", f"ls -l {COMMAND}; cat {COMMAND} 2>&1").stdout
    refused = fresh.quickstart("run").failed()
    assert f"quickstart: link {COMMAND}: {told}\n" in refused
    assert f"or use {fresh.program} by its path" in refused
    assert fresh.run("sh", "-c", f"ls -l {COMMAND}; cat {COMMAND} 2>&1").stdout == before
    assert not fresh.exists("/run/virtlxc")


def test_a_link_from_before_the_checkout_was_moved_is_made_anew(fresh: FreshHost) -> None:
    moved = fresh.folder / "elsewhere"
    fresh.run("ln", "-s", f"{fresh.folder}/gone/.venv/bin/virtlxc", COMMAND).ok()
    fresh.checkout = fresh.checkout.rename(moved)
    (moved / ".quickstart").mkdir()
    (moved / ".quickstart/made").write_text("link\n")
    assert "Container: started quickstart." in fresh.quickstart("run").ok()
    assert fresh.run("readlink", COMMAND).ok() == f"{fresh.program}\n"
    fresh.quickstart("remove").ok()
    assert not fresh.exists(COMMAND)
