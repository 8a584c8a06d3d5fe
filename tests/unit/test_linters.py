"""Style and types are tests too, so that one command checks everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LINTERS = {
    "ruff": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LINTERS)
def test_linter(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *LINTERS[name]], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
