"""What the twin tests share: the real virsh and ours, same daemon, same words, same bytes.

Each row of a table is a command line. It is run by virsh and by virtlxc from the same state;
standard output, standard error and exit status must be the same. What may differ stands in
EXCEPTIONS, each with its reason.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.namespaces import Result
from virtlxc.cli.commands.events import EVENTS

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

    def __str__(self) -> str:
        return f"{self.before}>{self.words}"


def rows(*lines: str) -> list[Row]:
    return [Row(line) for line in lines]


# Pattern of the words -> why the bytes may differ, and what of them is still compared.
EXCEPTIONS: tuple[tuple[str, str, str], ...] = (
    (r"^nocommand|^'nocommand|^$", "ours names the nearest command", "stdout code"),
    (r"^capabilities$", "read twice: nothing to mask, kept here so that it is seen", "all"),
    (r"^list extra|^dominfo idle run", "ours adds the usage", "stdout code first"),
    (r"^-c$", "virsh asks getopt for its words in the same way", "all"),
    (r"^ttyconsole", "virsh fails without a word where the domain has no terminal", "stdout code"),
)

Masks = tuple[tuple[str, str], ...]

# Values of the moment.
MASKS: Masks = (
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


@contextmanager
def state(instance: Instance) -> Iterator[dict[str, str]]:
    """The state that every row about domains begins with, and the values for its placeholders."""
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


def masked(text: str, masks: Masks) -> str:
    for pattern, shown in (*MASKS, *masks):
        text = re.sub(pattern, shown, text)
    return text


def without_warnings(text: str) -> str:
    """libvirt's API has no warnings: what ours says beside the result is ours alone."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("warning: ")
    )


def compared(result: Result, what: str, masks: Masks) -> dict[str, object]:
    parts: dict[str, object] = {
        "stdout": masked(result.stdout, masks),
        "stderr": masked(without_warnings(result.stderr), masks),
        "code": result.code,
    }
    parts["first"] = str(parts["stderr"]).partition("\n")[0]
    return parts if what == "all" else {name: parts[name] for name in what.split()}


def put(instance: Instance, commands: str, values: dict[str, str]) -> None:
    if commands:
        instance.virtlxc(*split(commands, values)).ok()
    if "start idle" in commands and "idle" in instance.domains():
        pid = int(instance.virtlxc("domid", "idle").ok())
        wait_for("the init of idle minds SIGTERM", lambda: minds_signal(pid, signal.SIGTERM))


def minds_signal(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"(?m)^SigCgt:\s*([0-9a-f]+)$", status)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def check_same_bytes(
    row: Row, instance: Instance, virsh: peers.Tree, values: dict[str, str], masks: Masks = ()
) -> None:
    """Runs a row by virsh and by ours, each from the same state."""
    words = split(row.words, values)
    what = next((what for pattern, _, what in EXCEPTIONS if re.search(pattern, row.words)), "all")
    uri = instance.paths.uri()
    editor = ("env", f"EDITOR={row.editor}")
    found = []
    for argv in (virsh.argv("virsh", "-c", uri, *words), instance.argv("-c", uri, *words)):
        put(instance, row.before, values)
        result = instance.run(*editor, *argv, input=row.input or "")
        put_back(instance, row, values)
        found.append(compared(result, what, masks))
    theirs, ours = found
    assert ours == theirs


def put_back(instance: Instance, row: Row, values: dict[str, str]) -> None:
    """The state after a row is the state before it, whether the command did its work or not."""
    if row.after:
        instance.virtlxc(*split(row.after, values))
    if "shutdown" in row.words and "idle" in instance.domains():
        wait_for("the end of a shutdown", lambda: "idle" not in instance.domains())
    if "idle" in instance.domains():
        instance.virtlxc("destroy", "idle").ok()


_REGISTERED = re.compile(r" call=CONNECT_\w+_REGISTER_ANY .* result=ok$", re.MULTILINE)


def check_same_events(
    words: str,
    happenings: Sequence[str],
    instance: Instance,
    virsh: peers.Tree,
    values: dict[str, str],
    happen: Callable[[str], None] | None = None,
) -> None:
    """Lets both watch while things happen; they must tell the same.

    What happens is a command of ours, or what ``happen`` does.
    """
    uri = instance.paths.uri()
    start = len(instance.daemon_messages())
    watchers = [
        instance.spaces.popen(
            [*argv, *words.split(), "--timeout", "60"],
            env=instance.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for argv in (virsh.argv("virsh", "-c", uri), instance.argv("-c", uri))
    ]
    # The daemon tells of every call.
    calls = len(watchers) * (len(EVENTS) if "--all" in words else 1)
    wait_for(
        "both to be registered",
        lambda: len(_REGISTERED.findall(instance.daemon_messages(), start)) >= calls,
    )
    for happening in happenings:
        if happen is None:
            put(instance, happening, values)
        else:
            happen(happening)
            time.sleep(0.2)  # the daemon looks once for all that happens at the same time
    if "--loop" in words:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)  # as Ctrl-C: the only other end of a loop
    theirs, ours = [watcher.communicate(timeout=90) for watcher in watchers]
    assert ours == theirs
    assert b"events received: " in ours[0]
