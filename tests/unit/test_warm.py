"""What the spawner does before its first fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness import CHECKOUT

# Pools have 16 KiB: about a hundred of these blocks.
_MEASURE = """
import sys
sys.path.insert(0, sys.argv[1])
from virtlxc.runtime import warm
blocks = [bytes(100) for _ in range(6000)]
del blocks[::60]
if sys.argv[2] == "filled":
    warm.fill_holes()
pools = {id(block) // 16384 for block in [bytes(100) for _ in range(50)]}
print(len(pools), sum(map(sys.getsizeof, warm._filled)))
"""


@pytest.mark.parametrize(("how", "least", "most"), [("filled", 1, 2), ("as it is", 20, 50)])
def test_what_is_made_behind_the_holes_lies_together(how: str, least: int, most: int) -> None:
    command = [sys.executable, "-I", "-S", "-c", _MEASURE, str(CHECKOUT), how]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    pools, filled = map(int, run.stdout.split())
    assert least <= pools <= most
    # The holes, and no more: all free memory of pools that are not in use would be more.
    assert filled < 600_000
