"""The twin test for the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, check_same_events, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

MAC = "52:54:00:99:00:01"
# Values of the moment: everything that runs uses ordinary pages.
MASKS = ((r"(?m)^(\d{1,2}KiB): \d+$", r"\1: N"),)

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


PAGES = rows(
    "freepages --all",
    "freepages --all --pagesize 2048",
    "freepages --all --pagesize 2M",
    "freepages --cellno 0 --pagesize 2048",
    "freepages --cellno 0 --pagesize 1G",
    "freepages --cellno -1 --pagesize 2048",
    "freepages --cellno 0 --pagesize 3",
    "freepages --cellno 77 --pagesize 4",
    "freepages --cellno -2 --pagesize 4",
    "freepages --cellno 0",
    "freepages",
    "freepages --all --cellno 0",
    "freepages --all --pagesize nonsense",
    "allocpages 4 1",
    "allocpages 3 1",
    "allocpages 2M 0 --add",
    "allocpages 2M 0 --add --all",
    "allocpages 2M 0 --add --cellno 0",
    "allocpages 2M 0 --cellno 77",
    "allocpages 2M nonsense",
    "allocpages 2M",
    "allocpages 2M 1 --all --cellno 0",
    "node-memory-tune",
    "node-memory-tune --shm-pages-to-scan nonsense",
    "node-memory-tune --shm-merge-across-nodes 7",
    "nodesuspend mem 60",
    "nodesuspend nonsense 60",
    "nodesuspend disk -3",
    "nodesuspend disk nonsense",
    "-r nodesuspend mem 60",
)

ABSENT = rows(
    "domblkerror run",
    "domblkerror idle",
    "domblkerror nobody",
    "domdisplay run",
    "domdisplay run --type vnc",
    "domdisplay run --all --type vnc",
    "domdisplay idle",
    "nwfilter-list",
    "nwfilter-binding-list",
    "secret-list",
    "secret-list --private",
    "net-port-list lab",
    "net-port-list lab --uuid",
    "net-port-list lab --uuid --table",
    "net-port-list nothing",
    "find-storage-pool-sources dir",
    "find-storage-pool-sources netfs {missing}",
    "find-storage-pool-sources netfs {idle}",
    "find-storage-pool-sources nonsense",
    "find-storage-pool-sources-as netfs",
    "find-storage-pool-sources-as iscsi localhost 3260 iqn",
)

NODE_DEVICES = rows(
    "nodedev-list",
    "nodedev-list --all",
    "nodedev-list --inactive",
    "nodedev-list --tree",
    "nodedev-list --cap pci",
    "nodedev-list --cap net,storage",
    "nodedev-list --cap nonsense",
    "nodedev-list --all --inactive",
    "nodedev-list --tree --cap pci",
    "nodedev-dumpxml computer",
    "nodedev-dumpxml {device}",
    "nodedev-dumpxml {device} --xpath /device/capability/link",
    "nodedev-dumpxml nope",
    "nodedev-dumpxml 20000000c9831b4b,10000000c9831b4b",
    "nodedev-dumpxml a,b,c",
    "nodedev-info computer",
    "nodedev-info {device}",
    "nodedev-info nope",
    "nodedev-event",
    "nodedev-event --list",
    "nodedev-event --event nonsense",
    "nodedev-event --event lifecycle --device nope",
    "nodedev-event --event lifecycle --timeout 1",
    # What only other daemons can: the words are libvirt's.
    "nodedev-autostart computer",
    "nodedev-autostart computer --disable",
    "nodedev-create {idle}",
    "nodedev-define {idle}",
    "nodedev-define {missing}",
    "nodedev-destroy {device}",
    "nodedev-destroy --name {device}",
    "nodedev-detach {device}",
    "nodedev-detach {device} --driver vfio",
    "nodedev-reattach {device}",
    "nodedev-reset {device}",
    "nodedev-reset nope",
    "nodedev-start {device}",
    "nodedev-undefine {device}",
    "-r nodedev-reset {device}",
)

INTERFACES = rows(
    "iface-list",
    "iface-list --all",
    "iface-list --inactive",
    "iface-list --all --inactive",
    "iface-dumpxml br0",
    "iface-dumpxml lo",
    "iface-dumpxml {mac}",
    "iface-dumpxml lo --inactive",
    "iface-dumpxml br0 --xpath /interface/bridge",
    "iface-dumpxml nope0",
    "iface-dumpxml 52:54:00:00:00:99",
    "iface-name {mac}",
    "iface-name lo",
    "iface-name 52:54:00:00:00:99",
    "iface-mac lo",
    "iface-mac nope0",
    "iface-mac {mac}",
    "iface-begin",
    "iface-commit",
    "iface-rollback",
    "iface-define {idle}",
    "iface-define {missing}",
    "iface-undefine lo",
    "iface-start lo",
    "iface-start nope0",
    "iface-destroy lo",
)


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    shared_instance.run("ip", "link", "add", "near0", "address", MAC, "type", "veth",
                        "peer", "name", "far0").ok()
    with state(shared_instance) as found:
        yield {**found, "device": f"net_near0_{MAC.replace(':', '_')}", "mac": MAC}
    shared_instance.run("ip", "link", "del", "near0").ok()


@pytest.mark.parametrize("row", [*READING, *PAGES, *ABSENT, *NODE_DEVICES, *INTERFACES], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values, MASKS)


HAPPENINGS = ("new", "gone")


def test_same_events(
    shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    """A pair of links that comes and goes."""

    def happen(what: str) -> None:
        words = ("add", "c0", "type", "veth", "peer", "name", "c1")
        shared_instance.run("ip", "link", *(words if what == "new" else ("del", "c0"))).ok()

    check_same_events(
        "nodedev-event --event lifecycle --loop", HAPPENINGS, shared_instance, virsh, values,
        happen=happen,
    )  # fmt: skip
