"""What quickstart would do on a fresh system, for every package manager that it knows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.harness import CHECKOUT


def quickstart(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(CHECKOUT / "quickstart"), *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("manager", ["apt", "dnf", "zypper", "apk"])
@pytest.mark.parametrize("word", ["run", "test"])
def test_the_commands_it_would_run(
    word: str, manager: str, golden: Callable[[str, str], None]
) -> None:
    result = quickstart(word, f"--dry-run={manager}")
    assert result.returncode == 0, result.stderr
    golden(f"quickstart/{word}-{manager}.txt", result.stdout)


def test_every_row_names_a_package_or_says_that_none_is_needed() -> None:
    text = (CHECKOUT / "quickstart").read_text()
    table = text.split("word  check")[1].split("EOF")[0].splitlines()[1:]
    assert table
    for row in table:
        assert len(row.split()) == 6, row
        assert row.split()[0] in ("run", "test"), row


@pytest.mark.parametrize("arguments", [[], ["destroy"], ["run", "--dry-run=pacman"]])
def test_a_word_it_does_not_know_prints_the_usage(arguments: list[str]) -> None:
    result = quickstart(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ./quickstart run | test | remove")
