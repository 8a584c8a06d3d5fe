"""What of init's personality a program gets that enters its container."""

from __future__ import annotations

import subprocess

import pytest

from virtlxc.runtime.enter import personality_of

PER_LINUX32 = 0x0008


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["linux64"], 0),
        (["linux32"], PER_LINUX32),
        # The flag that takes chance out of addresses is init's own affair.
        (["linux32", "--addr-no-randomize"], PER_LINUX32),
    ],
)
def test_the_machine_without_the_flags(options: list[str], expected: int) -> None:
    with subprocess.Popen(["setarch", *options, "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as program:  # fmt: skip
        assert program.stdin is not None and program.stdout is not None
        program.stdin.write(b"here\n")
        program.stdin.flush()
        assert program.stdout.readline() == b"here\n", "it has been executed"
        assert personality_of(program.pid) == expected
        program.stdin.close()
