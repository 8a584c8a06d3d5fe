"""The twin test for what goes wrong: things that are not there, and misuse of the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

VIRSH_COMMANDS = Path(__file__).parent.parent / "data" / "cli" / "virsh-9.0.0-commands.txt"

ERRORS = rows(
    "dominfo nobody",
    "dumpxml nobody",
    "start nobody",
    "destroy nobody",
    "domid nobody",
    "domname nobody",
    "domname idle",
    "domuuid {uuid}",
    "dominfo 99999999",
    "dominfo 00000000-0000-4000-8000-000000000000",
    "dominfo ''",
    "start run",
    "destroy idle",
    "shutdown idle",
    "reboot idle",
    "suspend idle",
    "resume idle",
    "resume run",
    "undefine nobody",
    "console idle",
    "console run",
    "define {missing}",
    "create {missing}",
    "define {garbage}",
    "shutdown run --mode nonsense",
    "reboot run --mode acpi,nonsense",
    "domifstat run nosuch",
    "domifstat idle tw01",
    "domifaddr run --source nonsense",
    "domif-getlink idle nosuch",
    "domif-getlink idle 52:54:00:00:00:99",
    "dommemstat idle",
    "send-process-signal run 1 nonsense",
    "send-process-signal run one term",
    "metadata idle http://example.org/none",
    "metadata idle http://example.org/app --set <a/>",
    "setmem run nonsense",
    "memtune idle --hard-limit nonsense",
    "schedinfo idle --set nonsense",
    "schedinfo idle --set nonsense=1",
    "event",
    "event --event nonsense",
    "event --list --all",
    "desc idle --live --current",
    "attach-device idle {missing}",
    "list --bogus",
    "list extra",
    "dominfo",
    "dominfo --domain",
    "dominfo idle run",
    "dominfo idle --domain run",
    "list --all=yes",
    "start",
    "setmem run",
    "cpu-stats run --start nonsense",
    "cpu-stats run --start 9999",
    "nocommand",
    "cd /tmp",
    "domxml-to-native lxc-tools",
    "domxml-from-native nonsense {garbage}",
    "-r destroy run",
    "-r start idle",
    "--bogus list",
    "-e abc list",
    "-c",
)

# Whole strings: quotes, batches, comments.
STRINGS = rows(
    "'list --all; net-list --all'",
    "'domid run; domuuid run; domname {uuid}'",
    "'dominfo nobody; domid idle'",
    "'domid idle; dominfo nobody'",
    "'nocommand; list'",
    "'list --all # and more'",
    "'echo a\\ b \"c d\"'",
    "'echo \"open'",
    "'domid idle; quit; domid run'",
    "''",
    "'   '",
)


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    with state(shared_instance) as found:
        yield found


def test_the_list_of_virshs_commands_is_true(virsh: peers.Tree, shared_instance: Instance) -> None:
    text = shared_instance.run(*virsh.argv("virsh", "help")).ok()
    names = set(re.findall(r"(?m)^    (\S+)", text))
    assert names == set(VIRSH_COMMANDS.read_text().split())



@pytest.mark.parametrize("row", [*ERRORS, *STRINGS], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values)
