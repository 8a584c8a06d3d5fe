"""docs/commands.md says what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtlxc.cli.reference import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def test_the_page_is_current(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--regenerate-output"):
        PAGE.write_text(markdown())
    assert PAGE.read_text() == markdown(), "python -m virtlxc.cli.reference > docs/commands.md"
