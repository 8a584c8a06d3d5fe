"""The twin test for pools and volumes: same daemon, same words, same bytes as virsh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, check_same_events, rows, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

UUID = "cccccccc-dddd-4eee-8fff-000000000000"
POOL = """<pool type='dir'><name>{name}</name>{uuid}
<target><path>{path}</path></target></pool>"""
VOLUME = "<volume><name>{name}</name><capacity unit='KiB'>64</capacity></volume>"

READING = rows(
    "pool-list",
    "pool-list --all",
    "pool-list --all --details",
    "pool-list --details",
    "pool-list --inactive",
    "pool-list --name",
    "pool-list --all --uuid",
    "pool-list --all --uuid --name",
    "pool-list --all --transient",
    "pool-list --all --persistent",
    "pool-list --all --autostart",
    "pool-list --all --no-autostart",
    "pool-list --all --type dir",
    "pool-list --all --type netfs,dir",
    "pool-list --type netfs",
    "pool-list --type dir,foo",
    "pool-list --details --name",
    "pool-list --details --uuid",
    "pool-info p",
    "pool-info {uuid}",
    "pool-info p --bytes",
    "pool-info idle",
    "pool-info nope",
    "pool-dumpxml p",
    "pool-dumpxml p --inactive",
    "pool-dumpxml idle",
    "pool-dumpxml p --xpath /pool/name",
    "pool-uuid p",
    "pool-uuid nope",
    "pool-uuid {uuid}",
    "pool-name {uuid}",
    "pool-name p",
    "pool-capabilities",
    "pool-event --list",
    "pool-event",
    "pool-event --event x",
    "vol-list p",
    "vol-list p --details",
    "vol-list idle",
    "vol-list nope",
    "vol-info v p",
    "vol-info v p --bytes",
    "vol-info v p --physical",
    "vol-info d p",
    "vol-info nope p",
    "vol-info nope",
    "vol-info v --pool nope",
    "vol-dumpxml v p",
    "vol-dumpxml v p --xpath //format",
    "vol-dumpxml nope p",
    "vol-key v p",
    "vol-key {folder}/v",
    "vol-path v p",
    "vol-path nope",
    "vol-name {folder}/v",
    "vol-name v",
    "vol-name nope",
    "vol-pool {folder}/v",
    "vol-pool --uuid {folder}/v",
    "vol-pool nope",
    "vol-dumpxml {folder}//v",
)

ERRORS = rows(
    "pool-start p",
    "pool-start nope",
    "pool-define {missing}",
    "pool-define {garbage}",
    "pool-create {missing}",
    "pool-undefine p",
    "pool-destroy idle",
    "pool-refresh idle",
    "pool-refresh nope",
    "pool-build nope",
    "pool-delete p",
    "pool-build p --overwrite --no-overwrite",
    "pool-start idle --overwrite --no-overwrite",
    "pool-create {other} --build --overwrite --no-overwrite",
    "pool-define-as z dir",
    "pool-define-as p2 dir --target {folder}",
    "pool-create-as p dir --target /x",
    "pool-define-as q dir --target /tmp/qq --print-xml",
    "pool-create-as q dir --target /tmp/qq --print-xml",
    "vol-create p {missing}",
    "vol-create-as p v 1M",
    "vol-create-as p x",
    "vol-create-as p x 5Q",
    "vol-create-as p x zz",
    "vol-create-as p x 1M --allocation zz",
    "vol-create-as p x 5M --print-xml",
    "vol-create-as p x 5M --allocation 1M --format raw --print-xml",
    "vol-create-as idle x 1M",
    "vol-create-as nope x 1M",
    "vol-create-as p x 1M --prealloc-metadata",
    "vol-create-from p {volume} nope",
    "vol-create-from p {volume} v --inputpool nope",
    "vol-clone nope x",
    "vol-clone v v p",
    "vol-delete nope",
    "vol-delete nope p",
    "vol-resize v 1 p",
    "vol-resize v zz p",
    "vol-resize v 0 p",
    "vol-resize v -1 p",
    "vol-resize v 1M p --algorithm x",
    "vol-wipe v p --algorithm random",
    "vol-wipe d p",
    "vol-list",
    "vol-upload d {volume} p",
    "vol-create-as p a/b 1M --print-xml",
    "vol-wipe v p --algorithm foo",
    "vol-wipe nope p",
    "vol-upload v {missing} p",
    "vol-download nope /tmp/never",
)

CHANGING = [
    Row("pool-define {other}", after="pool-undefine other"),
    Row("pool-define {other} --validate", after="pool-undefine other"),
    Row("pool-define-as other dir --target {root}/o", after="pool-undefine other"),
    Row("pool-create-as other dir --target {root}", after="pool-destroy other"),
    Row("pool-create {other} --build",
        after="'pool-destroy other; pool-define {other}; pool-delete other; pool-undefine other'"),
    Row("pool-autostart idle", after="pool-autostart idle --disable"),
    Row("pool-autostart idle --disable", before="pool-autostart idle"),
    Row("pool-autostart t", before="pool-create-as t dir --target {root}", after="pool-destroy t"),
    Row("pool-build idle", after="pool-delete idle"),
    Row("pool-delete idle", before="pool-build idle"),
    Row("pool-delete idle"),
    Row("pool-start idle"),
    Row("pool-start idle", before="pool-build idle",
        after="'pool-destroy idle; pool-delete idle'"),
    Row("pool-destroy p", after="pool-start p"),
    Row("pool-destroy {uuid}", after="pool-start p"),
    Row("pool-autostart {uuid}", after="pool-autostart p --disable"),
    Row("pool-undefine other", before="pool-define {other}"),
    Row("pool-refresh p"),
    Row("pool-edit p", editor="true"),
    Row("vol-create p {volume}", after="vol-delete new p"),
    Row("vol-create p {volume} --validate", after="vol-delete new p"),
    Row("vol-create-as p new 1M", after="vol-delete new p"),
    Row("vol-create-as p new 1M --allocation 0 --format raw", after="vol-delete new p"),
    Row("vol-create-as p new 1M --format dir", after="vol-delete new p"),
    Row("vol-create-from p {volume} v --inputpool p", after="vol-delete new p"),
    Row("vol-clone v new p", after="vol-delete new p"),
    Row("vol-clone v new --pool p", after="vol-delete new p"),
    Row("vol-delete new p", before="vol-create-as p new 1M"),
    Row("vol-delete {folder}/new", before="vol-create-as p new 1M"),
    Row("vol-resize new 2M p", before="vol-create-as p new 1M", after="vol-delete new p"),
    Row("vol-resize new 1M p --delta", before="vol-create-as p new 1M", after="vol-delete new p"),
    Row("vol-resize new 1K p --shrink", before="vol-create-as p new 1M", after="vol-delete new p"),
    Row("vol-wipe new p", before="vol-create-as p new 1M", after="vol-delete new p"),
    Row("vol-wipe new p --algorithm zero", before="vol-create-as p new 1M",
        after="vol-delete new p"),
    Row("vol-upload v {volume} p"),
    Row("vol-download v {root}/out p"),
    Row("vol-download v {root}/out --pool p --offset 4 --length 9"),
]  # fmt: skip

HAPPENINGS = (
    "pool-define {other}", "pool-build other", "pool-start other", "pool-refresh other",
    "pool-destroy other", "pool-delete other", "pool-undefine other",
)  # fmt: skip

# Values of the moment: other programs write to the same disk.
MASKS = (
    (r"(?m)^((?:Allocation|Available): +)\S+( \wiB)?$", r"\1N"),
    (r"(?m)^ (p +running +\w+ +\w+ +[\d.]+ \wiB) .*$", r" \1"),
    (r"(?m)^( +<(?:allocation|available) unit='bytes'>)\d+", r"\1N"),
    (r"<([acm]time)>[^<]+", r"<\1>N"),
    (r"(?m)^ Name +State.*Available *$", " Name State"),
    (r"(?m)^(UUID: +|)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"\1UUID"),
)


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    instance = shared_instance
    folder = instance.root / "images"
    pool = POOL.format(name="p", uuid=f"<uuid>{UUID}</uuid>", path=folder)
    instance.virtlxc("pool-define", instance.write("p.xml", pool)).ok()
    instance.virtlxc("pool-start", "p", "--build").ok()
    instance.virtlxc("vol-create-as", "p", "v", "64K").ok()
    instance.virtlxc("vol-create-as", "p", "d", "0", "--format", "dir").ok()
    instance.virtlxc("pool-define-as", "idle", "dir", "--target", f"{instance.root}/idle").ok()
    other = POOL.format(name="other", uuid="", path=instance.root / "other")
    yield {
        "folder": str(folder),
        "root": str(instance.root),
        "uuid": UUID,
        "other": instance.write("other.xml", other),
        "volume": instance.write("volume.xml", VOLUME.format(name="new")),
        "garbage": instance.write("garbage.xml", "<pool"),
        "missing": str(instance.root / "missing.xml"),
    }
    instance.virtlxc("pool-destroy", "p")


@pytest.mark.parametrize("row", [*READING, *ERRORS, *CHANGING], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values, MASKS)


@pytest.mark.parametrize("words", [
    "pool-event --event lifecycle --loop", "pool-event --event refresh --loop",
    "pool-event p --event lifecycle --loop", "pool-event --event lifecycle",
])  # fmt: skip
def test_same_events(
    words: str, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_events(words, HAPPENINGS, shared_instance, virsh, values)
