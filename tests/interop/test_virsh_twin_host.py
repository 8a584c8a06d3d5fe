"""The twin test for the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

READING = rows(
    "hostname",
    "nodeinfo",
    "capabilities",
    "domcapabilities",
    "nodecpumap",
    "nodecpumap --pretty",
    "freecell --all",
    "maxvcpus",
    "sysinfo",
)


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    with state(shared_instance) as found:
        yield found


@pytest.mark.parametrize("row", [*READING], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values)
