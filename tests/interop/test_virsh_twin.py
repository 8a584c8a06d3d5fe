"""``virtlxc`` is virsh's twin: the real virsh and ours, same daemon, same words, same bytes.

Each row of the table is a command line. It is run by virsh and by virtlxc from the same state;
standard output, standard error and exit status must be the same. What may differ stands in
EXCEPTIONS, each with its reason.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.namespaces import Result

pytestmark = [pytest.mark.interop]

VIRSH_COMMANDS = Path(__file__).parent.parent / "data" / "cli" / "virsh-9.0.0-commands.txt"

UUID_IDLE = "11111111-2222-4333-8444-555555555555"
UUID_RUN = "66666666-7777-4888-8999-aaaaaaaaaaaa"
UUID_LAB = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"

DOMAIN = """<domain type='lxc'>
  <name>{name}</name>
  {uuid}
  <title>a title of {name}</title>
  <description>two lines
of text</description>
  <metadata><app:note xmlns:app='http://example.org/app'>kept</app:note></metadata>
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type>exe</type><init>/bin/sh</init><initarg>-c</initarg>
    <initarg>trap 'exit 0' TERM; while :; do sleep 1 &amp; wait $!; done</initarg></os>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <interface type='bridge'>
      <mac address='52:54:00:11:22:{mac}'/><source bridge='br0'/><target dev='tw{mac}'/>
    </interface>
    <console type='pty'/>
  </devices>
</domain>
"""

NETWORK = """<network>
  <name>lab</name>
  <uuid>{uuid}</uuid>
  <bridge name='virbr77' stp='on' delay='0'/>
  <ip address='10.77.0.1' netmask='255.255.255.0'/>
</network>
"""


@dataclass(frozen=True)
class Row:
    """One command line for both; ``before`` puts the state that it needs, ``after`` takes it back.

    In each, ``{name}`` stands for a path or value of the test. ``input`` is standard input,
    ``editor`` what EDITOR is set to.
    """

    words: str
    before: str = ""
    after: str = ""
    input: str | None = None
    editor: str = "false"


def rows(*lines: str) -> list[Row]:
    return [Row(line) for line in lines]


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
    "hostname",
    "nodeinfo",
    "capabilities",
    "domcapabilities",
    "nodecpumap",
    "nodecpumap --pretty",
    "freecell --all",
    "maxvcpus",
    "sysinfo",
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
    "event --list",
    "net-event --list",
    "ttyconsole run",
    "pwd",
    "echo hello",
    "echo --shell 'a b' c",
    "echo --xml a<b",
    "-q list --all",
    "-q net-list --all",
    "-q dominfo idle",
    "-q domifaddr run --source arp",
    "-r list --all",
)

# What goes wrong in every command that takes a thing that is not there, and misuse of the grammar.
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
    "net-info nothing",
    "net-start nothing",
    "net-name lab",
    "net-uuid {uuid_lab}",
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
    "net-define {garbage}",
    "net-start lab2",
    "net-destroy lab",
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
    "net-event",
    "net-list --name --uuid",
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
    "net-update lab",
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
    Row("-r net-define {lab}"),
    Row("-r net-start lab"),
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
    Row("attach-device idle {device} --config"),
    Row("attach-device run {device}"),
    Row("update-device idle {device} --config"),
    Row("detach-device idle {device} --config"),
    Row("event --all --timeout 1"),
    Row("lxc-enter-namespace run --noseclabel /bin/sh -c 'echo inside'"),
    Row("'start idle; domstate idle; destroy idle; domstate idle'"),
    Row("edit idle", editor="true"),
    Row("edit idle", editor="sed -i s/65536/131072/", after="define {idle}"),
    Row("net-edit lab", editor="true"),
    Row("net-edit lab", editor="sed -i s/10.77/10.78/", after="net-define {lab}"),
    Row("desc idle --edit", editor="true"),
    Row("desc idle --edit", editor="sed -i s/two/three/", after="desc idle 'two lines\nof text'"),
    Row("desc idle --edit --title", editor="sed -i s/title/word/",
        after="desc idle --title 'a title of idle'"),
    Row("", input="list --all\ndomid idle\nquit\n"),
    Row("", input="nocommand\ndominfo nobody\ndomid idle; domid run\n\n# no\n"),
    Row("-q", input="domid idle\n"),
    Row("-r", input="list\ndestroy run\n"),
]  # fmt: skip

# Pattern of the words -> why the bytes may differ, and what of them is still compared.
EXCEPTIONS: tuple[tuple[str, str, str], ...] = (
    (r"^nocommand|^'nocommand|^$", "ours names the nearest command", "stdout code"),
    (r"^capabilities$", "read twice: nothing to mask, kept here so that it is seen", "all"),
    (r"^-c$", "virsh asks getopt for its words in the same way", "all"),
    (r"^ttyconsole", "virsh fails without a word where the domain has no terminal", "stdout code"),
)

# Values of the moment.
MASKS = (
    (r"(?m)^(CPU time: +)[\d.]+s$", r"\1Ns"),
    (r"(?m)^(\t(?:cpu|user|system)_time +)[\d.]+", r"\1N"),
    (r"(?m)^([a-z_]+ )\d+$", r"\1N"),
    (r"(?m)^(\w+ [rt]x_\w+) \d+", r"\1 N"),
    (r"(?m)^( *\d+|Total): +\d+ KiB", r"\1: N KiB"),
    (r"(?m)^( )\d{2,}( +\w+ +(?:running|paused))", r"\1N\2"),
    (r"(?m)^-{20,}$", "----"),
    (r"(?m)^ Id +Name +State", " Id Name State"),
    (r"id='\d+'", "id='N'"),
    (r"(?m)^(?:virsh|virtlxc) ([>#])", r"PROGRAM \1"),
    (r"(?m)^Welcome to (?:virsh|virtlxc),", "Welcome to PROGRAM,"),
    (r"(?m)^Id: +\d+", "Id: N"),
    (r"(?m)^\d{2,}$", "N"),
    (r"(?m)^Used memory: +\d+ KiB", "Used memory: N KiB"),
)


@pytest.fixture(scope="module")
def virsh() -> peers.Tree:
    try:
        return peers.virsh()
    except peers.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def values(shared_instance: Instance) -> Iterator[dict[str, str]]:
    """The state that every row begins with, and the values for its placeholders."""
    instance = shared_instance
    instance.bridge("br0")
    root = str(instance.busybox())
    idle = DOMAIN.format(name="idle", uuid=f"<uuid>{UUID_IDLE}</uuid>", root=root, mac="01")
    run = DOMAIN.format(name="run", uuid=f"<uuid>{UUID_RUN}</uuid>", root=root, mac="02")
    extra = DOMAIN.format(name="extra", uuid="", root=root, mac="03")
    lab = instance.write("lab.xml", NETWORK.format(uuid=UUID_LAB))
    instance.define(idle)
    instance.define(run)
    instance.virtlxc("net-define", lab).ok()
    instance.virtlxc("start", "run").ok()
    yield {
        "idle": instance.write("idle.xml", idle),
        "extra": instance.write("extra.xml", extra),
        "lab": lab,
        "device": instance.write(
            "device.xml",
            "<interface type='bridge'><mac address='52:54:00:11:22:09'/>"
            "<source bridge='br0'/></interface>",
        ),
        "garbage": instance.write("garbage.xml", "<domain"),
        "missing": str(instance.root / "missing.xml"),
        "uuid": UUID_RUN,
        "uuid_idle": UUID_IDLE,
        "uuid_lab": UUID_LAB,
    }
    instance.virtlxc("destroy", "run")


def split(words: str, values: dict[str, str]) -> list[str]:
    """Shell words, with the placeholders filled in."""
    for name, value in values.items():
        words = words.replace("{" + name + "}", value)
    return shlex.split(words)


def masked(text: str) -> str:
    for pattern, shown in MASKS:
        text = re.sub(pattern, shown, text)
    return text


def without_warnings(text: str) -> str:
    """libvirt's API has no warnings: what ours says beside the result is ours alone."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("warning: ")
    )


def compared(result: Result, what: str) -> dict[str, object]:
    parts: dict[str, object] = {
        "stdout": masked(result.stdout),
        "stderr": masked(without_warnings(result.stderr)),
        "code": result.code,
    }
    return parts if what == "all" else {name: parts[name] for name in what.split()}


def put(instance: Instance, commands: str, values: dict[str, str]) -> None:
    if commands:
        instance.virtlxc(*split(commands, values)).ok()
    if "start idle" in commands and "idle" in instance.domains():
        pid = int(instance.virtlxc("domid", "idle").ok())
        wait_for("the init of idle minds SIGTERM", lambda: _minds(pid, signal.SIGTERM))


def _minds(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"(?m)^SigCgt:\s*([0-9a-f]+)$", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_the_list_of_virshs_commands_is_true(virsh: peers.Tree, shared_instance: Instance) -> None:
    text = shared_instance.run(*virsh.argv("virsh", "help")).ok()
    names = set(re.findall(r"(?m)^    (\S+)", text))
    assert names == set(VIRSH_COMMANDS.read_text().split())


@pytest.mark.parametrize(
    "row", [*READING, *ERRORS, *STRINGS, *CHANGING], ids=lambda row: f"{row.before}>{row.words}"
)
def test_same_bytes(
    row: Row, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    instance = shared_instance
    words = split(row.words, values)
    what = next((what for pattern, _, what in EXCEPTIONS if re.search(pattern, row.words)), "all")
    uri = instance.paths.uri()

    put(instance, row.before, values)
    editor = ("env", f"EDITOR={row.editor}")
    theirs = instance.run(*editor, *virsh.argv("virsh", "-c", uri, *words), input=row.input or "")
    put_back(instance, row, values)
    put(instance, row.before, values)
    ours = instance.run(*editor, *instance.argv("-c", uri, *words), input=row.input or "")
    put_back(instance, row, values)

    assert compared(ours, what) == compared(theirs, what)


def put_back(instance: Instance, row: Row, values: dict[str, str]) -> None:
    """The state after a row is the state before it, whether the command did its work or not."""
    if row.after:
        instance.virtlxc(*split(row.after, values))
    if "shutdown" in row.words and "idle" in instance.domains():
        wait_for("the end of a shutdown", lambda: "idle" not in instance.domains())
    if "idle" in instance.domains():
        instance.virtlxc("destroy", "idle").ok()


HAPPENINGS = (
    "start idle", "suspend idle", "resume idle", "desc idle changed", "destroy idle",
    "define {extra}", "undefine extra", "net-start lab", "net-destroy lab", "net-undefine lab",
    "net-define {lab}", "desc idle 'two lines\nof text'",
)  # fmt: skip


REGISTER_S = 1.0  # 27 calls, one for each kind of event


def _connections(instance: Instance) -> int:
    """How many are connected to the daemon: state 03 in /proc/net/unix."""
    lines = instance.run("cat", "/proc/net/unix").ok().splitlines()
    return sum(" 03 " in line and "virtlxc-sock" in line for line in lines)


@pytest.mark.parametrize("words", [
    "event --all --loop", "event --event lifecycle --loop", "event idle --all --loop",
    "event --event lifecycle", "event --event metadata-change --loop",
    "net-event --event lifecycle --loop", "net-event lab --event lifecycle",
])  # fmt: skip
def test_same_events(
    words: str, shared_instance: Instance, virsh: peers.Tree, values: dict[str, str]
) -> None:
    instance, uri = shared_instance, shared_instance.paths.uri()
    watchers = [
        instance.spaces.popen(
            [*argv, *words.split(), "--timeout", "60"],
            env=instance.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for argv in (virsh.argv("virsh", "-c", uri), instance.argv("-c", uri))
    ]
    wait_for("both to be connected", lambda: _connections(instance) >= len(watchers))
    time.sleep(REGISTER_S)
    for happening in HAPPENINGS:
        instance.virtlxc(*split(happening, values)).ok()
    if "--loop" in words:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)  # as Ctrl-C: the only other end of a loop
    theirs, ours = [watcher.communicate(timeout=30) for watcher in watchers]
    assert ours == theirs
    assert b"events received: " in ours[0]
