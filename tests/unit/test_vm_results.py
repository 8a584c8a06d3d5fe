"""What comes back from the virtual machine: a report, part of one, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm import machine
from tests.vm.test_inside import test_passes_inside as judge

FIRST = "tests/host/test_x.py::test_a[one]"
SECOND = "tests/host/test_x.py::TestY::test_b"
CASES = {
    FIRST: '<testcase classname="tests.host.test_x" name="test_a[one]"/>',
    SECOND: '<testcase classname="tests.host.test_x.TestY" name="test_b">'
    '<failure message="assert 1 == 2">where</failure></testcase>',
}


def report(folder: Path, *nodes: str) -> machine.Run:
    cases = "".join(CASES[node] for node in nodes)
    (folder / "junit.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return machine.collect(folder, [FIRST, SECOND])


def test_each_case_of_the_report_is_a_tests_end(tmp_path: Path) -> None:
    run = report(tmp_path, FIRST, SECOND)
    assert {node: one.result for node, one in run.outcomes.items()} == {
        FIRST: "passed", SECOND: "failed",
    }  # fmt: skip
    judge(FIRST, run)
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        judge(SECOND, run)


def test_what_the_report_leaves_out_fails(tmp_path: Path) -> None:
    run = report(tmp_path, FIRST)
    judge(FIRST, run)
    with pytest.raises(AssertionError, match=r"no result came back for .*::test_b"):
        judge(SECOND, run)


def test_without_a_report_everything_fails(tmp_path: Path) -> None:
    (tmp_path / "output.txt").write_text("it got as far as this")
    run = machine.collect(tmp_path, [FIRST, SECOND])
    for node in (FIRST, SECOND):
        with pytest.raises(AssertionError, match=r"(?s)no result came back.*as far as this"):
            judge(node, run)
