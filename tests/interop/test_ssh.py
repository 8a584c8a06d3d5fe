"""By ssh: virsh and our own command, through a real sshd that has a network of its own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import CHECKOUT, Instance, wait_for
from tests.interop.test_libvirt_connection import ours
from tests.interop.virsh import DOMAIN
from tests.namespaces import Result

pytestmark = pytest.mark.interop

# The address of this very host, in a network where there is nobody else.
HOST = "127.0.0.1"
# What a shell on the other side finds; nc, virtlxc and virt-ssh-helper are each test's choice.
SHELL_TOOLS = ("sh", "grep", "which", "env")
SET_UP = """
set -e
mount -t tmpfs -o mode=755 show /run
mkdir /run/libvirt /run/sshd
mount --bind "$1/run/libvirt" /run/libvirt
for name in passwd shadow; do mount --bind "$1/$name" "/etc/$name"; done
"""
TAKE_DOWN = "umount /etc/passwd /etc/shadow /run/libvirt /run"
PASSWD = """root:x:0:0:root:{home}:/bin/sh
sshd:x:999:65534::/run/sshd:/usr/sbin/nologin
"""
SERVER = """
ListenAddress {host}
HostKey {home}/host_key
AuthorizedKeysFile {home}/.ssh/id_ed25519.pub
StrictModes no
UsePAM no
PidFile none
SetEnv PATH={path} LD_LIBRARY_PATH={libraries} PYTHONPATH={checkout}
"""
CLIENT = "StrictHostKeyChecking no\nLogLevel ERROR\n"


class Host:
    """An instance with the drop-in, that answers to ssh."""

    def __init__(self) -> None:
        self.instance = Instance(start=False)
        root = self.instance.root
        Path(self.instance.paths.etc).mkdir(parents=True)
        Path(self.instance.paths.config).write_text("libvirt_socket = true\n")
        self.instance.start_daemon()
        self.tree = peers.fetch("ssh")
        self.home = root / "home"
        self.there = root / "there"
        self._here = root / "here"
        for folder in (self.home / ".ssh", self.there, self._here):
            folder.mkdir(mode=0o700, parents=True)
        (root / "passwd").write_text(PASSWD.format(home=self.home))
        (root / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
        (self.home / ".ssh/config").write_text(CLIENT)
        self._script(self._here / "ssh", [self.tree.program("ssh")], library=self.tree)
        for name in SHELL_TOOLS:
            (self.there / name).symlink_to(f"/usr/bin/{name}")
        for key in (self.home / "host_key", self.home / ".ssh/id_ed25519"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)).ok()
        self.instance.run("sh", "-c", SET_UP, "-", str(root)).ok()
        config = self.instance.write("sshd_config", self._config())
        log = (root / "sshd.log").open("wb")
        self._server = self.instance.spaces.popen(
            [self.tree.program("sshd"), "-D", "-e", "-f", config],
            env=self.tree.environment(), stderr=log,
        )  # fmt: skip
        log.close()
        wait_for("sshd", lambda: b"Server listening" in (root / "sshd.log").read_bytes())

    def _config(self) -> str:
        trees = (peers.fetch("libvirtd"), self.tree)  # virt-ssh-helper's and netcat's
        libraries = ":".join(tree.environment()["LD_LIBRARY_PATH"] for tree in trees)
        return SERVER.format(
            host=HOST, home=self.home, path=self.there, libraries=libraries, checkout=CHECKOUT
        )

    def _run(self, name: str, *words: str) -> Result:
        return self.instance.run(*self.tree.argv(name, *words))

    def _script(self, path: Path, argv: list[str], library: peers.Tree | None = None) -> None:
        value = library.environment()["LD_LIBRARY_PATH"] if library else ""
        text = f'#!/bin/sh\nLD_LIBRARY_PATH={value} exec {shlex.join(argv)} "$@"\n'
        path.write_text(text)
        path.chmod(0o755)

    def has(self, *names: str) -> None:
        """From now on the other side has these of nc, virtlxc and virt-ssh-helper, and no other."""
        for name in ("nc", "virtlxc", "virt-ssh-helper"):
            (self.there / name).unlink(missing_ok=True)
        if "nc" in names:
            (self.there / "nc").symlink_to(self.tree.program("nc.openbsd"))
        if "virtlxc" in names:
            self._script(self.there / "virtlxc", [sys.executable, "-m", "virtlxc"])
        if "virt-ssh-helper" in names:
            helper = peers.fetch("libvirtd").program("virt-ssh-helper")
            (self.there / "virt-ssh-helper").symlink_to(helper)

    def virsh(self, uri: str, *words: str) -> Result:
        return self._with_ssh(peers.virsh().argv("virsh", "-c", uri, *words))

    def virtlxc(self, uri: str, *words: str) -> Result:
        # Its own root would lead it to the socket that is tested here by another way.
        argv = ["env", "-u", "VIRTLXC_ROOT", *self.instance.argv("-c", uri, *words)]
        return self._with_ssh(argv)

    def by_library(self, uri: str, *words: str) -> Result:
        return self._with_ssh(ours("-c", uri, *words))

    def _with_ssh(self, argv: list[str]) -> Result:
        path = f"PATH={self._here}:{os.environ['PATH']}"
        return self.instance.run("env", path, *argv, timeout=60)

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(60)
        self.instance.run("sh", "-c", TAKE_DOWN).ok()
        self.instance.close()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    made = Host()
    try:
        root = made.instance.busybox()
        made.instance.define(DOMAIN.format(name="far", root=root, init="/sbin/init"))
        yield made
    finally:
        made.close()


def test_virsh_by_the_uri_that_we_print(host: Host) -> None:
    host.has("nc")
    uri = host.instance.virtlxc("uri", "--ssh", HOST).ok().strip()
    assert uri == f"lxc+ssh://{HOST}/system?proxy=netcat&socket={host.instance.paths.socket}"
    host.virsh(uri, "start", "far").ok()
    assert host.instance.domains() == ["far"]
    host.virsh(uri, "destroy", "far").ok()
    assert host.instance.domains() == []


@pytest.mark.parametrize("helper", ["nc", "virt-ssh-helper"])
def test_virsh_by_a_plain_uri(host: Host, helper: str) -> None:
    host.has(helper)
    uri = f"lxc+ssh://{HOST}/system"
    host.virsh(uri, "start", "far").ok()
    assert host.instance.domains() == ["far"]
    host.virsh(uri, "destroy", "far").ok()
    assert host.instance.domains() == []
    refused = host.virsh(uri, "-r", "list").code, host.virsh(uri, "start", "nobody").failed()
    assert refused[1].startswith("error: failed to get domain 'nobody'")


@pytest.mark.parametrize("proxy", ["nc", "virtlxc"])
def test_our_command_by_ssh(host: Host, proxy: str) -> None:
    host.has(proxy)
    uri = f"lxc+ssh://{HOST}/system?socket={host.instance.paths.socket}"
    host.virtlxc(uri, "start", "far").ok()
    assert host.instance.domains() == ["far"]
    assert "far" in host.virtlxc(uri, "list", "--name").ok().split()
    assert host.virtlxc(uri, "--quiet", "domstate", "far").ok() == "running\n"
    host.virtlxc(uri, "destroy", "far").ok()
    assert host.instance.domains() == []


def test_libvirts_library_by_ssh(host: Host) -> None:
    host.has("virt-ssh-helper")
    ran = host.by_library(f"libvirt+lxc+ssh://{HOST}/system", "list", "--all", "--name")
    assert ran.ok().split() == ["far"]


def test_our_command_by_ssh_only_reads(host: Host) -> None:
    host.has("nc")
    uri = f"lxc+ssh://{HOST}/system?socket={host.instance.paths.socket}"
    assert "far" in host.virtlxc(uri, "--readonly", "list", "--all").ok()
    failed = host.virtlxc(uri, "--readonly", "start", "far").failed()
    assert "read only access prevents" in failed


def test_descriptors_do_not_travel(host: Host) -> None:
    host.has("nc")
    uri = f"lxc+ssh://{HOST}/system?socket={host.instance.paths.socket}"
    host.virtlxc(uri, "start", "far").ok()
    failed = host.virtlxc(uri, "exec", "far", "true").failed()
    assert f"descriptors cannot pass to {HOST}:" in failed
    host.virtlxc(uri, "destroy", "far").ok()


def test_a_key_that_is_refused(host: Host) -> None:
    host.has("nc")
    (host.home / "other").write_text("no key")
    uri = f"lxc+ssh://nobody@{HOST}/system?no_tty=1&keyfile={host.home}/other"
    failed = host.virtlxc(uri, "list").failed()
    assert "Permission denied" in failed
    assert f"cannot reach the daemon at {HOST}:/run/virtlxc/virtlxc-sock: ssh ended with" in failed


def test_no_daemon_there(host: Host) -> None:
    host.has("virtlxc")
    failed = host.virtlxc(f"lxc+ssh://{HOST}/system?socket=/run/none", "list").failed()
    assert "Failed to connect socket to '/run/none': No such file or directory" in failed
    assert "ssh ended with status 1" in failed
