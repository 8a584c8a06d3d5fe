"""What hostile names and files say, where they are read or written without root."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from virtlxc.daemon import OneLine
from virtlxc.runtime.ops.context import StepError
from virtlxc.runtime.ops.users import find_groups, find_user


def test_a_name_cannot_forge_a_line_of_the_log() -> None:
    record = logging.LogRecord(
        "virtlxc", logging.INFO, "", 0, "no domain '%s'", ("x\nINFO: uid=0\x1b[2J\x9b",), None
    )
    line = OneLine("%(levelname)s: %(message)s").format(record)
    assert line == "INFO: no domain 'x\\nINFO: uid=0\\x1b[2J\\x9b'"


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
