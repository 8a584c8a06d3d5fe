"""What the spawner loads: every controller shares its memory, and writes to a part of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TOO_HEAVY = {
    "collections", "contextlib", "enum", "functools", "json", "logging", "re", "selectors",
    "signal", "socket", "subprocess", "threading", "typing",
}  # fmt: skip
SCRIPT = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from virtlxc.runtime import spawner
print(*sys.modules)
"""


def test_the_spawner_is_light() -> None:
    out = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "virtlxc.runtime.controller" in out
    assert sorted(set(out) & TOO_HEAVY) == []
