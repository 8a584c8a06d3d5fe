"""What the command loads to talk to the daemon: a plain command's time is mostly its imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TOO_HEAVY = {
    "argparse", "asyncio", "collections", "contextlib", "dataclasses", "enum", "functools",
    "inspect", "json", "logging", "pathlib", "re", "select", "selectors", "socket", "subprocess",
    "tempfile", "threading", "typing", "uuid",
}  # fmt: skip
SCRIPT = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from virtlxc.rpc import client
from virtlxc.rpc.tables import procedure
for name in ("CONNECT_OPEN", "CONNECT_LIST_ALL_DOMAINS", "DOMAIN_GET_STATE", "CONNECT_CLOSE"):
    procedure(name).args, procedure(name).result
print(*sys.modules)
"""


def test_the_client_is_light() -> None:
    out = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(set(out) & TOO_HEAVY) == []
    tables = [name for name in out if name.startswith("virtlxc.rpc.tables.")]
    assert tables == [
        "virtlxc.rpc.tables.structs", "virtlxc.rpc.tables.connect", "virtlxc.rpc.tables.domain"
    ]  # fmt: skip
