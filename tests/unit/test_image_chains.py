"""What an image builds upon, read from headers made here."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from virtlxc.host.imagechains import problem

FORMAT = 0xE2792ACA
FEATURE_NAMES = 0x6803F857


def qcow2(path: Path, upon: str = "", form: str = "", *, version: int = 3) -> Path:
    """The header of an image, with another extension before the one with the format."""
    name, extensions = upon.encode(), b""
    if version == 3:
        extensions += struct.pack(">II", FEATURE_NAMES, 5) + b"about".ljust(8, b"\0")
    if form:
        extensions += struct.pack(">II", FORMAT, len(form)) + form.encode().ljust(8, b"\0")
    extensions += struct.pack(">II", 0, 0)
    length = 104 if version == 3 else 72
    at = length + len(extensions)
    head = b"QFI\xfb" + struct.pack(">IQI", version, at if upon else 0, len(name))
    head = head.ljust(length, b"\0")
    if version == 3:
        head = head[:100] + struct.pack(">I", length)
    path.write_bytes(head + extensions + name)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_a_chain_that_names_its_formats(tmp_path: Path, version: int) -> None:
    (tmp_path / "raw").write_bytes(b"QFI\xfb: a guest wrote this")
    qcow2(tmp_path / "base", "raw", "raw", version=version)
    top = qcow2(tmp_path / "top", str(tmp_path / "base"), "qcow2", version=version)
    assert problem(str(top)) == ""
    assert problem(str(qcow2(tmp_path / "alone", version=version))) == ""


@pytest.mark.parametrize("version", [2, 3])
def test_a_format_that_is_not_named(tmp_path: Path, version: int) -> None:
    qcow2(tmp_path / "base", "raw", version=version)
    top = qcow2(tmp_path / "top", "base", "qcow2", version=version)
    path = tmp_path / "base"
    assert problem(str(top)) == (
        "builds upon 'raw', and does not say of what format that is"
        f" (qemu-img rebase -u -b raw -F FORMAT {path})"
    )


def test_a_circle_and_a_gap(tmp_path: Path) -> None:
    assert problem(str(qcow2(tmp_path / "own", "own", "qcow2"))) == "builds upon itself"
    gone = str(tmp_path / "gone")
    found = problem(str(qcow2(tmp_path / "top", "gone", "qcow2")))
    assert found == f"builds upon '{gone}', which cannot be read (No such file or directory)"


def test_a_vmdk_that_is_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    text = b"# Disk DescriptorFile\nCID=7\nparentCID=%s\n"
    path.write_bytes(b"KDMV".ljust(512, b"\0") + text % b"ffffffff")
    assert problem(str(path)) == ""
    path.write_bytes(b"KDMV".ljust(512, b"\0") + text % b"00000007")
    assert problem(str(path)) == (
        "is a vmdk image that builds upon another one (qemu-img convert it)"
    )
