"""What messages tell people to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VIRSH_COMMANDS = (ROOT / "tests/data/cli/virsh-9.0.0-commands.txt").read_text().split()
# Pages that tell of libvirt's clients on purpose.
ABOUT_VIRSH = ("convert/reference.py",)


def test_mends_are_commands_of_our_own() -> None:
    """Who runs virtlxc need not have virsh; libvirt's own daemon is meant where a URI is given."""
    found = []
    for path in sorted((ROOT / "virtlxc").rglob("*.py")):
        if path.as_posix().endswith(ABOUT_VIRSH):
            continue
        for text in _texts(ast.parse(path.read_text())):
            words = re.findall(r"\bvirsh ([a-z][a-z-]+)", text)
            found += [f"{path.name}: {text}" for word in words if word in VIRSH_COMMANDS]
    assert found == []


def _texts(tree: ast.Module) -> list[str]:
    """Every string that is no docstring."""
    nodes = list(ast.walk(tree))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
