"""Files that are there whole or not at all, one at a time and many together."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from virtlxc.driver import files
from virtlxc.errors import VirtlxcError

MOST = 1 << 20


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def test_many_are_replaced_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    files.replace_together(str(tmp_path), [("a", b"new"), ("b", b"other")])
    assert contents(tmp_path) == {"a": b"new", "b": b"other"}
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    files.replace_together(str(tmp_path), [])
    assert contents(tmp_path) == {"a": b"new", "b": b"other"}


@pytest.fixture
def small_files() -> Iterator[int]:
    """While it lasts, the kernel lets no file grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, hard))
    yield MOST
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_one_that_cannot_be_written_changes_nothing(tmp_path: Path, small_files: int) -> None:
    (tmp_path / "a").write_bytes(b"old")
    much = b"x" * (small_files + 1)
    with pytest.raises(VirtlxcError, match=r"write .*/b: File too large"):
        files.replace_together(str(tmp_path), [("a", b"new"), ("b", much), ("c", b"never")])
    assert contents(tmp_path) == {"a": b"old"}


def test_one_that_cannot_get_its_name_leaves_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    long = "x" * 300
    with pytest.raises(VirtlxcError, match=r"write .*: File name too long"):
        files.replace_together(str(tmp_path), [("a", b"new"), (long, b"1"), ("b", b"2")])
    assert contents(tmp_path) == {"a": b"new"}
