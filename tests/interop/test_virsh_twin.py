"""``virtlxc`` is virsh's twin: what is asked about domains and done with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.twin import Row, check_same_bytes, check_same_events, rows, state, virsh

pytestmark = [pytest.mark.interop]

__all__ = ["virsh"]

# Commands that only read, from the same state.
READING = rows(
    "list",
    "list --all",
    "list --inactive",
    "list --all --name",
    "list --all --uuid",
    "list --all --id",
    "list --id",
    "list --all --uuid --name",
    "list --all --uuid --id --name",
    "list --all --title",
    "list --all --managed-save",
    "list --state-running",
    "list --state-paused",
    "list --state-shutoff",
    "list --state-other --all",
    "list --all --autostart",
    "list --all --no-autostart",
    "list --all --persistent",
    "list --all --transient",
    "list --all --with-snapshot",
    "list --all --without-managed-save",
    "list --table --name",
    "list --table --all",
    "dominfo idle",
    "dominfo run",
    "dominfo {uuid}",
    "domstate idle",
    "domstate run",
    "domstate run --reason",
    "domstate idle --reason",
    "domid run",
    "domid idle",
    "domuuid run",
    "domuuid idle",
    "domname {uuid}",
    "dumpxml idle",
    "dumpxml run",
    "dumpxml run --inactive",
    "dumpxml --domain idle",
    "dumpxml --domain=idle",
    "dumpxml idle --xpath /domain/name",
    "dumpxml idle --xpath //interface --wrap",
    "dumpxml idle --security-info",
    "desc idle",
    "desc --title run",
    "desc idle --config",
    "metadata idle http://example.org/app",
    "domiflist idle",
    "domiflist run",
    "domiflist run --inactive",
    "domif-getlink idle 52:54:00:11:22:01",
    "domblklist idle",
    "domblklist idle --details",
    "domifaddr run --source arp",
    "domifstat run tw02",
    "domstats --state",
    "domstats --state run idle",
    "domcontrol run",
    "memtune idle",
    "blkiotune idle",
    "schedinfo idle",
    "schedinfo run",
    "dommemstat run",
    "cpu-stats run --total",
    "vcpucount idle",
    "vcpucount run --live",
    "event --list",
    "ttyconsole run",
    "pwd",
    "echo hello",
    "echo --shell 'a b' c",
    "echo --xml a<b",
    "-q list --all",
    "-q dominfo idle",
    "-q domifaddr run --source arp",
    "-r list --all",
)

# Commands that change something: the state is put again for each side.
CHANGING = [
    Row("define {idle}"),
    Row("define {idle} --validate"),
    Row("define {extra}", after="undefine extra"),
    Row("undefine extra", before="define {extra}"),
    Row("undefine --domain extra --nvram", before="define {extra}"),
    Row("start idle", after="destroy idle"),
    Row("start idle --paused", after="destroy idle"),
    Row("start {uuid_idle}", after="destroy idle"),
    Row("create {extra}", after="destroy extra"),
    Row("create {extra} --paused", after="destroy extra"),
    Row("destroy idle", before="start idle"),
    Row("destroy idle --graceful", before="start idle"),
    Row("shutdown idle", before="start idle"),
    Row("shutdown idle --mode signal", before="start idle"),
    Row("-r define {idle}"),
    Row("-r create {extra}"),
    Row("-r shutdown run"),
    Row("-r suspend run"),
    Row("-r autostart idle"),
    Row("suspend run", after="resume run"),
    Row("resume run", before="suspend run"),
    Row("list", before="suspend run", after="resume run"),
    Row("domstate run --reason", before="suspend run", after="resume run"),
    Row("domstate idle --reason", before="'start idle; destroy idle'"),
    Row("autostart idle", after="autostart idle --disable"),
    Row("autostart --disable idle", before="autostart idle"),
    Row("list --all --autostart", before="autostart idle", after="autostart --disable idle"),
    Row("set-lifecycle-action idle crash restart", after="define {idle}"),
    Row("set-lifecycle-action run poweroff preserve --live",
        after="set-lifecycle-action run poweroff destroy --live"),
    Row("set-lifecycle-action idle poweroff coredump-destroy"),
    Row("set-lifecycle-action run reboot destroy"),
    Row("set-lifecycle-action idle nonsense destroy"),
    Row("set-lifecycle-action idle crash nonsense"),
    Row("set-lifecycle-action nobody crash destroy"),
    Row("set-lifecycle-action idle crash destroy --live"),
    Row("set-lifecycle-action idle crash destroy --live --current"),
    Row("desc idle new words here", after="desc idle 'two lines\nof text'"),
    Row("desc idle --title --new-desc short", after="desc idle --title 'a title of idle'"),
    Row("metadata idle http://example.org/app --key app --set <note/>"),
    Row("metadata idle http://example.org/app --remove"),
    Row("domrename extra other", before="define {extra}", after="undefine other"),
    Row("domrename idle run"),
    Row("setmaxmem idle 131072 --config", after="setmaxmem idle 65536 --config"),
    Row("setmaxmem idle 128M --config", after="setmaxmem idle 65536 --config"),
    Row("setmem run 32768"),
    Row("memtune idle --hard-limit 131072 --config", after="memtune idle --hard-limit -1 --config"),
    Row("schedinfo idle --set cpu_shares=2048 --config"),
    Row("send-process-signal run 1 nop"),
    Row("send-process-signal run 1 SIGWINCH"),
    Row("attach-device idle {device} --config", after="detach-device idle {device} --config"),
    Row("attach-device run {device}", after="detach-device run {device}"),
    Row("update-device idle {device} --config", before="attach-device idle {device} --config",
        after="detach-device idle {device} --config"),
    Row("detach-device idle {device} --config", before="attach-device idle {device} --config"),
    Row("event --all --timeout 1"),
    Row("lxc-enter-namespace run --noseclabel /bin/sh -c 'echo inside'"),
    Row("'start idle; domstate idle; destroy idle; domstate idle'"),
    Row("edit idle", editor="true"),
    Row("edit idle", editor="sed -i s/65536/131072/", after="define {idle}"),
    Row("desc idle --edit", editor="true"),
    Row("desc idle --edit", editor="sed -i s/two/three/", after="desc idle 'two lines\nof text'"),
    Row("desc idle --edit --title", editor="sed -i s/title/word/",
        after="desc idle --title 'a title of idle'"),
    Row("", input="list --all\ndomid idle\nquit\n"),
    Row("", input="nocommand\ndominfo nobody\ndomid idle; domid run\n\n# no\n"),
    Row("-q", input="domid idle\n"),
    Row("-r", input="list\ndestroy run\n"),
]  # fmt: skip


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    with state(shared_instance) as found:
        yield found


@pytest.mark.parametrize("row", [*READING, *CHANGING], ids=str)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_bytes(row, shared_instance, virsh, values)


HAPPENINGS = (
    "start idle", "suspend idle", "resume idle", "desc idle changed", "destroy idle",
    "define {extra}", "undefine extra", "net-start lab", "net-destroy lab",
    "desc idle 'two lines\nof text'",
)  # fmt: skip


@pytest.mark.parametrize("words", [
    "event --all --loop", "event --event lifecycle --loop", "event idle --all --loop",
    "event --event lifecycle", "event --event metadata-change --loop",
])  # fmt: skip
def test_same_events(
    words: str, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    check_same_events(words, HAPPENINGS, shared_instance, virsh, values)
