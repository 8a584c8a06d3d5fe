"""Documents that commands make of their options: what somebody writes stays text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.unit.cli_tool import session
from virtlxc.cli import commands
from virtlxc.cli.grammar import parse
from virtlxc.cli.xml import attribute

ODD = "<a b='c'>&\"\n"


def made(capsys: pytest.CaptureFixture[str], *words: str) -> ElementTree.Element:
    """The document that a command prints with --print-xml."""
    command = commands.find(words[0])
    assert command is not None and command.run is not None
    command.run(session(), parse(command, [*words[1:], "--print-xml"]))
    return ElementTree.fromstring(capsys.readouterr().out)


def test_attach_disk(capsys: pytest.CaptureFixture[str]) -> None:
    disk = made(
        capsys, "attach-disk", "run", "/dev/null", ODD, "--serial", ODD, "--wwn", ODD,
        "--alias", ODD,
    )  # fmt: skip
    assert attribute(disk, "target/@dev") == ODD
    assert (disk.findtext("serial"), disk.findtext("wwn")) == (ODD, ODD)
    assert attribute(disk, "alias/@name") == ODD


def test_attach_interface(capsys: pytest.CaptureFixture[str]) -> None:
    card = made(capsys, "attach-interface", "run", "bridge", ODD, "--mac", ODD)
    assert attribute(card, "source/@bridge") == ODD
    assert attribute(card, "mac/@address") == ODD


def test_pool_define_as(capsys: pytest.CaptureFixture[str]) -> None:
    pool = made(capsys, "pool-define-as", ODD, ODD, "--target", ODD)
    assert (pool.get("type"), pool.findtext("name")) == (ODD, ODD)
    assert pool.findtext("target/path") == ODD
