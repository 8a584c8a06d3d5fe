"""Imports go downwards only, and the runtime needs nothing but Python."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "virtlxc"

# A room may import itself and the rooms named here: that is the whole order.
BASE = frozenset({"base"})
PURE = BASE | {"xmlmap", "model", "schema"}
MAY_IMPORT: dict[str, frozenset[str]] = {
    "base": frozenset(),
    "runtime": frozenset(),
    "wire": BASE,
    "xmlmap": BASE,
    "model": BASE | {"xmlmap"},
    "schema": BASE | {"xmlmap", "model"},
    "host": PURE | {"runtime"},
    "plan": PURE | {"host"},
    "convert": PURE | {"host"},
    "inventory": PURE,
    "images": PURE | {"host", "runtime"},
    "driver": PURE | {"host", "plan", "convert", "images", "runtime"},
    "server": PURE | {"wire", "driver", "host", "plan", "convert", "images", "runtime"},
    "daemon": PURE | {"wire", "driver", "host", "server", "runtime", "daemonize"},
    "daemonize": BASE,
    "cli": PURE | {"wire", "host", "plan", "convert", "inventory", "images", "daemon", "daemonize"},
}
# Longest prefix first: which room a module stands in.
ROOMS = (
    ("virtlxc.rpc.client", "wire"),
    ("virtlxc.rpc.libvirt", "wire"),
    ("virtlxc.rpc.link", "wire"),
    ("virtlxc.rpc.ssh", "wire"),
    ("virtlxc.rpc.codec", "wire"),
    ("virtlxc.rpc.wire", "wire"),
    ("virtlxc.rpc.tables", "wire"),
    ("virtlxc.rpc", "server"),
    ("virtlxc.daemonize", "daemonize"),
    ("virtlxc.daemon", "daemon"),
    ("virtlxc.cli", "cli"),
    ("virtlxc.__main__", "cli"),
    ("virtlxc.driver", "driver"),
    ("virtlxc.images", "images"),
    ("virtlxc.convert", "convert"),
    ("virtlxc.inventory", "inventory"),
    ("virtlxc.plan", "plan"),
    ("virtlxc.host", "host"),
    ("virtlxc.schema", "schema"),
    ("virtlxc.model", "model"),
    ("virtlxc.xmlmap", "xmlmap"),
    ("virtlxc.runtime", "runtime"),
    ("virtlxc.errors", "base"),
    ("virtlxc.paths", "base"),
    ("virtlxc.config", "base"),
    ("virtlxc.markup", "base"),
    ("virtlxc.mountinfo", "base"),
    ("virtlxc.servicemanager", "base"),
    ("virtlxc", "base"),
)
# What plan/ uses of host/ must compute only: none of it may be able to touch the host.
EFFECTS = frozenset(
    {"socket", "subprocess", "ctypes", "fcntl", "shutil", "pyroute2", "virtlxc.runtime"}
)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    for prefix, room in ROOMS:
        if module == prefix or (module.startswith(prefix + ".") and prefix != "virtlxc"):
            return room
    raise AssertionError(f"{module} stands in no room: add it to ROOMS")


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(module: str) -> tuple[tuple[int, str], ...]:
    """(line, imported module) of every import in a module, those inside functions too."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[tuple[int, str]]:
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join((*above, *filter(None, [node.module]))) if node.level else node.module
            assert source is not None
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node.lineno, inner if inner in modules() else source


@pytest.mark.parametrize("module", modules())
def test_imports_go_downwards(module: str) -> None:
    room = room_of(module)
    wrong = [
        f"{module}:{line} imports {target}: {room} may not use {room_of(target)}"
        for line, target in imports(module)
        if target.split(".")[0] == "virtlxc"
        and room_of(target) not in MAY_IMPORT[room] | {room}
        and target != "virtlxc"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [m for m in modules() if room_of(m) == "runtime"])
def test_the_runtime_needs_python_only(module: str) -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for line, target in imports(module)
        if target.split(".")[0] not in sys.stdlib_module_names
        and not target.startswith("virtlxc.runtime")
    ]
    assert not wrong, "\n".join(wrong)


def test_plan_uses_only_what_computes() -> None:
    waiting = [
        target
        for module in modules()
        if room_of(module) == "plan"
        for _, target in imports(module)
        if target in modules() and room_of(target) == "host"
    ]
    seen: set[str] = set()
    wrong = []
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for line, target in imports(module):
            if any(target == e or target.startswith(e + ".") for e in EFFECTS):
                wrong.append(f"{module}:{line} imports {target}, and plan/ uses {module}")
            if target in modules() and room_of(target) == "host":
                waiting.append(target)
    assert not wrong, "\n".join(wrong)
