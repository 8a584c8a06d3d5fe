"""The twin test for virtual networks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, check_same_events, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

READING = rows(
    "net-list",
    "net-list --all",
    "net-list --all --name",
    "net-list --all --uuid",
    "net-list --inactive",
    "net-list --all --autostart",
    "net-list --all --persistent",
    "net-info lab",
    "net-dumpxml lab",
    "net-dumpxml lab --inactive",
    "net-dumpxml lab --xpath /network/name",
    "net-name {uuid_lab}",
    "net-uuid lab",
    "net-dhcp-leases lab",
    "net-event --list",
    "-q net-list --all",
)

ERRORS = rows(
    "net-info nothing",
    "net-start nothing",
    "net-name lab",
    "net-uuid {uuid_lab}",
    "net-define {garbage}",
    "net-start lab2",
    "net-destroy lab",
    "net-event",
    "net-list --name --uuid",
    "net-update lab",
)

CHANGING = [
    Row("-r net-define {lab}"),
    Row("-r net-start lab"),
    Row("net-define {lab}"),
    Row("net-start lab", after="net-destroy lab"),
    Row("net-destroy lab", before="net-start lab"),
    Row("net-list", before="net-start lab", after="net-destroy lab"),
    Row("net-info lab", before="net-start lab", after="net-destroy lab"),
    Row("net-start lab", before="net-start lab", after="net-destroy lab"),
    Row("net-autostart lab", after="net-autostart lab --disable"),
    Row("net-autostart lab --disable"),
    Row("net-undefine lab", after="net-define {lab}"),
    Row("net-create {lab}", before="net-undefine lab",
        after="'net-destroy lab; net-define {lab}'"),
    Row("net-edit lab", editor="true"),
    Row("net-edit lab", editor="sed -i s/10.77/10.78/", after="net-define {lab}"),
]  # fmt: skip


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    with state(shared_instance) as found:
        yield found


@pytest.mark.parametrize("row", [*READING, *ERRORS, *CHANGING], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values)


HAPPENINGS = (
    "define {extra}", "undefine extra", "net-start lab", "net-destroy lab", "net-undefine lab",
    "net-define {lab}",
)  # fmt: skip


@pytest.mark.parametrize("words", [
    "net-event --event lifecycle --loop", "net-event lab --event lifecycle",
])  # fmt: skip
def test_same_events(
    words: str, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_events(words, HAPPENINGS, shared_instance, virsh, values)
