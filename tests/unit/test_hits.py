"""Whose limit it was that refused a fork, as different kernels count it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtlxc.driver.figures import hits
from virtlxc.plan.steps import Group

LIMIT = 80


def refused(tmp_path: Path, files: dict[str, str]) -> int:
    for name, text in files.items():
        path = tmp_path / "payload" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return hits._refused_forks(Group(mount=str(tmp_path), path="/payload"), LIMIT)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        # Since 6.11: what a limit of the guest's own refused is not the domain's.
        ({"pids.events": "max 7\n", "pids.events.local": "max 2\n"}, 2),
        ({"pids.events": "max 7\n", "pids.events.local": "max 0\n"}, 0),
        # Before: in the group that wanted to fork.
        ({"pids.events": "max 0\n", "init/bomb/pids.events": "max 5\n", "pids.peak": "80\n"}, 5),
        ({"pids.events": "max 1\n", "init/bomb/pids.events": "max 5\n"}, 6),
        # There never were as many as the domain may have: a unit's own limit was met.
        ({"pids.events": "max 0\n", "init/bomb/pids.events": "max 5\n", "pids.peak": "79\n"}, 0),
        ({}, 0),
    ],
)
def test_forks_that_the_limit_refused(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert refused(tmp_path, files) == count
