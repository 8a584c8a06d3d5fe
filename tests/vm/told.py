"""Plugin of the tests inside the virtual machine: how each ended is told at once, a line of JSON.

A machine that hangs or dies has shown what it had shown. ``RESULTS`` is in the folder that the
environment's ``VIRTLXC_RESULTS`` names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

RESULTS = "results"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.passed and report.when != "call":
        return
    result: str = report.outcome
    if report.failed and report.when != "call":
        result = "error"
    if report.skipped and isinstance(report.longrepr, tuple):
        text = report.longrepr[2]
    else:
        text = "\n".join([report.longreprtext, *(part for _, part in report.sections)])
    line = json.dumps({"node": report.nodeid, "result": result, "text": text})
    with Path(os.environ["VIRTLXC_RESULTS"], RESULTS).open("a") as results:
        results.write(line + "\n")
