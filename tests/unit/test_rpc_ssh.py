"""URIs that lead to other hosts: what ssh is asked, and what is refused."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from virtlxc.errors import VirtlxcError
from virtlxc.rpc.client import Connection
from virtlxc.rpc.ssh import Target

PLAIN = ["ssh", "-T", "-e", "none"]


@pytest.mark.parametrize(
    ("uri", "options", "host"),
    [
        ("lxc+ssh://web/system", [], "web"),
        ("lxc+ssh://web", [], "web"),
        ("lxc+ssh://me@web:2222/", ["-l", "me", "-p", "2222"], "web"),
        ("lxc+ssh://[fd00::2]:22/system", ["-p", "22"], "fd00::2"),
        ("lxc+ssh://a%40b@web/system", ["-l", "a@b"], "web"),
        ("lxc+ssh://web/?keyfile=/k%20y&known_hosts=/h&no_tty=1&no_verify=1",
         ["-i", "/k y", "-o", "UserKnownHostsFile=/h", "-o", "BatchMode=yes", "-o",
          "StrictHostKeyChecking=no"], "web"),
    ],
)  # fmt: skip
def test_what_ssh_is_asked(uri: str, options: list[str], host: str) -> None:
    target = Target(uri)
    assert target.argv[:-1] == [*PLAIN, *options, "--", host]
    assert target.path == "/run/virtlxc/virtlxc-sock"


@pytest.mark.parametrize(
    ("query", "script"),
    [
        ("proxy=native", "exec virtlxc socket-relay '/run/virtlxc/virtlxc-sock'"),
        ("socket=/a%20b&proxy=native", "exec virtlxc socket-relay '/a b'"),
    ],
)
def test_what_runs_there(query: str, script: str) -> None:
    words = shlex.split(Target(f"lxc+ssh://web/system?{query}").argv[-1])
    assert words == ["sh", "-c", script]
    assert Target("lxc+ssh://web/system", readonly=True).path.endswith("-sock-ro")


def test_a_path_is_one_word_whatever_is_in_it(tmp_path: Path) -> None:
    """A quote in a URI must not become a command on the other host."""
    wicked = f"/run/'; touch {tmp_path}/owned; echo '"
    quoted = "".join(f"%{byte:02x}" for byte in wicked.encode())
    command = Target(f"lxc+ssh://web/system?proxy=netcat&netcat=echo&socket={quoted}").argv[-1]
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert wicked in ran.stdout
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("lxc+ssh:///system", "it names no host"),
        ("lxc+ssh://-oProxyCommand=x/system", "it names no host"),
        ("lxc+ssh://web/session", "its path is '/session'"),
        ("lxc+ssh://web/system?sockt=/x", "it has the parameter 'sockt' \\(known: "),
        ("lxc+ssh://web/system?proxy=telnet", "its proxy is 'telnet', not one of"),
    ],
)
def test_what_is_refused(uri: str, why: str) -> None:
    with pytest.raises(VirtlxcError, match=f"cannot connect to '.*': {why}"):
        Target(uri)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(VirtlxcError, match="cannot run '/none/ssh': No such file"):
        Connection("lxc+ssh://web/system?command=/none/ssh")


def test_an_ssh_that_fails(tmp_path: Path) -> None:
    fake = tmp_path / "ssh"
    fake.write_text(f"#!{sys.executable}\nimport sys; sys.exit(255)\n")
    fake.chmod(0o755)
    with pytest.raises(VirtlxcError, match=r"at web:/run/.*: .*/ssh ended with status 255"):
        Connection(f"lxc+ssh://web/system?command={fake}")
