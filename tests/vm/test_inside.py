"""The host ring once more, on another kernel with cgroup v2 alone.

The tests marked ``kernel`` by default, in one boot; ``VIRTLXC_VM=full`` takes all of tests/host,
and a machine for each core. Each of them is one test here, so that the closing line counts it.
"""

from __future__ import annotations

import os

import pytest

from tests.vm import machine

IS_FULL = os.environ.get("VIRTLXC_VM") == "full"
TIMEOUT_S = machine.FULL_TIMEOUT_S if IS_FULL else machine.BOOT_TIMEOUT_S
MACHINES = len(os.sched_getaffinity(0))
BUDGET_S = 600.0
pytestmark = [pytest.mark.vm, pytest.mark.timeout(TIMEOUT_S + 120)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "node" in metafunc.fixturenames:
        metafunc.parametrize("node", machine.choose(full=IS_FULL))


@pytest.fixture(scope="module")
def booted(request: pytest.FixtureRequest) -> machine.Run:
    """What was booted, with exactly those tests that this session will ask for."""
    chosen = [
        str(item.callspec.params["node"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
    ]
    progress = machine.reporter(request.config)
    if IS_FULL:
        return machine.boot_beside(chosen, MACHINES, progress, TIMEOUT_S)
    return machine.boot(chosen, progress, TIMEOUT_S)


def test_passes_inside(node: str, booted: machine.Run) -> None:
    outcome = booted.outcomes.get(node)
    assert outcome is not None, f"no result came back for {node}\n{booted.explain()}"
    if outcome.result == "skipped":
        pytest.skip(outcome.text.split("\n")[0].removeprefix("Skipped: "))
    assert outcome.result == "passed", outcome.text


def test_takes_less_than_its_budget(booted: machine.Run) -> None:
    assert booted.outcomes, booted.explain()
    assert IS_FULL or booted.seconds < BUDGET_S, f"{booted.seconds:.0f} s"
