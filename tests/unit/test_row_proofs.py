"""Every procedure that we answer, and every event that we send, is proved by a real client's test.

tests/interop/conftest.py says what a proof is, and checks at run time that the calls are made.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from virtlxc.rpc import events, registry, tables

INTEROP = Path(__file__).resolve().parents[1] / "interop"


def proofs() -> dict[str, set[str]]:
    """Row -> the tests that say of themselves that they prove it."""
    found: dict[str, set[str]] = {}
    for file in sorted(INTEROP.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for row in _named(node.decorator_list):
                found.setdefault(row, set()).add(f"{file.name}::{node.name}")
    return found


def _named(decorators: list[ast.expr]) -> Iterator[str]:
    for one in decorators:
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.proves":
            for argument in one.args:
                assert isinstance(argument, ast.Constant), "rows are named one by one"
                yield str(argument.value)


def wanted() -> set[str]:
    registry.load()
    answered = {handler.procedure.name for handler in registry.all_handlers()}
    sent = {name for kind in events.KINDS.values() for name in (kind.legacy, kind.modern) if name}
    return answered | sent


def test_every_row_names_its_test() -> None:
    missing = wanted() - set(proofs())
    assert not missing, f"no test in tests/interop proves {sorted(missing)}"


def test_every_name_is_a_row() -> None:
    rows = {row[1] for program in tables.PROGRAMS for row in tables.rows(program)}
    assert set(proofs()) <= rows
