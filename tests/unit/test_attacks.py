"""What hostile names and files say, where they are read or written without root."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtlxc.cli import params
from virtlxc.cli.options import Options
from virtlxc.cli.session import Session
from virtlxc.daemon import OneLine
from virtlxc.driver.domain.domain import Process
from virtlxc.driver.processes import alive, starttime
from virtlxc.errors import VirtlxcError
from virtlxc.model.network_document import parse_network
from virtlxc.rpc import wire
from virtlxc.rpc.dispatch import error_payload
from virtlxc.runtime.ops.context import Context, StepError
from virtlxc.runtime.ops.files import mkdir
from virtlxc.runtime.ops.users import find_groups, find_user


def test_a_name_cannot_forge_a_line_of_the_log() -> None:
    record = logging.LogRecord(
        "virtlxc", logging.INFO, "", 0, "no domain '%s'", ("x\nINFO: uid=0\x1b[2J\x9b",), None
    )
    line = OneLine("%(levelname)s: %(message)s").format(record)
    assert line == "INFO: no domain 'x\\nINFO: uid=0\\x1b[2J\\x9b'"


def test_a_name_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(Options())
    session.complain("no domain 'x\x1b[2J\x9by'", "line 1:\n\t^")
    session.warn("\rfine é")
    session.note("\x07")
    assert capsys.readouterr().err == (
        "error: no domain 'x\\x1b[2J\\x9by'\nerror: line 1:\n\t^\nwarning: \\rfine é\n\\x07\n"
    )


def test_a_guests_words_cannot_write_to_the_terminal() -> None:
    assert params.shown("Debian\x1b]2;x\x07\r\x9b é") == "Debian\\x1b]2;x\\x07\\x0d\\x9b é"


def guest(folder: Path, passwd: str, group: str = "") -> int:
    (folder / "etc").mkdir()
    (folder / "etc/passwd").write_text(passwd)
    (folder / "etc/group").write_text(group)
    return os.open(folder, os.O_PATH | os.O_DIRECTORY)


@pytest.mark.parametrize("number", ["4294967295", "4294967296", "9" * 20, "9" * 5000, "-1"])
def test_ids_that_cannot_be_are_no_users(tmp_path: Path, number: str) -> None:
    """4294967295 is -1, with which setresuid(2) changes nothing: the program would stay root."""
    root = guest(tmp_path, f"evil:x:{number}:{number}::/:\n", f"evil:x:{number}:\n")
    try:
        for wanted in ("evil", number, f"+{number}"):
            with pytest.raises(StepError, match="has no user"):
                find_user(root, wanted)
        user = find_user(root, "0")
        for wanted in ("evil", f"+{number}"):
            with pytest.raises(StepError, match="has no group"):
                find_groups(root, user, wanted)
    finally:
        os.close(root)


NETWORK = """\
<network>
  <name>lab{0}</name>
  <domain name='lab.test{1}'/>
  <dns>
    <forwarder domain='corp{2}' addr='10.0.0.53'/>
    <txt name='text{3}' value='value{4}'/>
    <srv service='ldap{5}' protocol='tcp{6}' domain='corp{7}' target='host{8}' port='389'/>
    <host ip='10.0.0.9'><hostname>nine{9}</hostname></host>
  </dns>
  <ip address='10.0.0.1' netmask='255.255.255.0'>
    <tftp root='/srv/tftp{10}'/>
    <dhcp>
      <range start='10.0.0.2' end='10.0.0.99'/>
      <host mac='52:54:00:00:00:01' name='one{11}' ip='10.0.0.5'/>
      <host id='aa{12}' name='two' ip='10.0.0.6'/>
      <bootp file='boot{13}'/>
    </dhcp>
  </ip>
</network>"""
PLACES = 14


def test_the_network_document_is_right_without_attacks() -> None:
    assert parse_network(NETWORK.format(*[""] * PLACES)).name == "lab"


@pytest.mark.parametrize("place", range(PLACES))
@pytest.mark.parametrize("sign", ["&#10;", "&#13;", "&#x85;"])
def test_a_network_cannot_write_lines_of_dnsmasqs_configuration(place: int, sign: str) -> None:
    """dhcp-script would be run by root."""
    texts = ["" for _ in range(PLACES)]
    texts[place] = f"{sign}dhcp-script=/bin/evil"
    with pytest.raises(VirtlxcError):
        parse_network(NETWORK.format(*texts))


def test_a_link_where_a_folder_shall_be_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to("elsewhere")
    ctx = Context("daemon", {})
    with pytest.raises(FileExistsError):
        mkdir(ctx, path=str(tmp_path / "run"))
    mkdir(ctx, path=str(tmp_path / "elsewhere"))


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    """As many as are open, and not one more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("no_descriptors")
def test_who_cannot_be_looked_at_has_not_ended() -> None:
    """A daemon at its limits would take every container for dead, and end it."""
    us = Process(pid=os.getpid(), starttime=1)
    with pytest.raises(VirtlxcError, match=r"look at process [0-9]+: Too many open files"):
        alive(us)
    with pytest.raises(VirtlxcError, match=r"look at process [0-9]+: Too many open files"):
        starttime(us.pid)


def test_a_want_of_descriptors_is_nobodys_mistake() -> None:
    error = OSError(errno.EMFILE, "Too many open files", "/proc/x")
    payload = error_payload(error, "DOMAIN_CREATE")
    assert wire.ERROR_MESSAGE.decode(payload)[2] == (
        "Too many open files (the daemon's limits, or the host's, are reached)"
    )
