"""Boot Debian's kernel in QEMU with the host's tree as its root, and run host tests inside.

Software emulation always: hosts of this project may have no KVM, and results must not depend on
it. What comes back are files in a folder that is mapped read-write: the JUnit report, the output
for people, and each test's end as soon as it is known, for a machine that does not come to its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.harness import CHECKOUT
from tests.peers import Tree, cache_folder, qemu
from tests.vm.told import RESULTS

HERE = Path(__file__).resolve().parent
Progress = Callable[[str], None]
BOOT_TIMEOUT_S = 1500.0
FULL_TIMEOUT_S = 4 * 3600.0
CPUS = 2
# Emulation pays for page tables that are changed at every system call and for wide registers:
# without either, the same tests take three quarters of the time.
KERNEL_OPTIONS = ("mitigations=off", "nopti")
PROCESSOR = "Nehalem"
_BAD = ("failed", "error")
SHARED = "/virtlxc-results"  # inside; compose.sh makes the folder


@dataclass(frozen=True, slots=True)
class Size:
    """What a machine has: ``files`` is the hard limit of descriptors."""

    memory: str
    cpus: str
    files: int


SMALL = Size("2G", str(CPUS), 4096)
# Each example can start in it: processors that could be plugged in are allowed in a cpuset, and
# systemd gives its services so many files. Each emulated possibility costs time. One processor, as
# it is beside others: two wait for each other's locks.
LARGE = Size("4G", "1,maxcpus=4", 524288)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended inside."""

    result: str  # passed, failed, error or skipped
    text: str


@dataclass(slots=True)
class Run:
    """One boot, or several beside each other: what came back.

    ``told``: how each test ended, as soon as it had.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    output: str = ""
    console: str = ""
    told: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def explain(self) -> str:
        """What had failed by then, and the end of what the tests and the machine wrote."""
        failed = [f"{one['node']}\n{one['text']}" for one in self.told if one["result"] in _BAD]
        return "\n".join(
            [
                *("--- failed", *failed, "--- tests", self.output[-6000:]),
                *("--- console", self.console[-3000:]),
            ]
        )


def reporter(config: pytest.Config) -> Progress:
    """Writes a line to whoever watches the tests run."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    assert terminal is not None and capture is not None

    lock = threading.Lock()

    def progress(line: str) -> None:
        with lock, capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)
            # Into a file or a pipe as well: these lines are for who waits.
            terminal.flush()

    return progress


def choose(*, full: bool) -> list[str]:
    """Node ids of the host ring: nearly all of it, or the tests marked ``kernel``."""
    # What a host with systemd shows has a machine of its own.
    marks = ["-m", "not systemd" if full else "kernel"]
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/host"]
    listed = subprocess.run([*collect, *marks], cwd=CHECKOUT, capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if "::" in line]


def junit_name(node: str) -> tuple[str, str]:
    """``tests/host/test_x.py::TestY::test_z[1]`` -> ``tests.host.test_x.TestY``, ``test_z[1]``."""
    head, bracket, parameters = node.partition("[")
    path, *classes, name = head.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *classes]), (
        name + bracket + parameters
    )


def boot_beside(tests: Sequence[str], machines: int, progress: Progress, timeout_s: float) -> Run:
    """As :func:`boot`, by several machines: each file's tests are run by one of them.

    An emulated machine keeps one core busy, whatever it has itself.
    """
    files = sorted({test.partition("::")[0] for test in tests})
    shares = [
        [test for test in tests if test.partition("::")[0] in files[number::machines]]
        for number in range(machines)
    ]
    given_up = threading.Event()
    with ThreadPoolExecutor(machines) as pool:
        run = partial(
            boot, progress=progress, timeout_s=timeout_s, size=LARGE, given_up=given_up.is_set
        )
        try:
            runs = list(pool.map(run, filter(None, shares)))
        except BaseException:
            given_up.set()
            raise
    return Run(
        outcomes={test: outcome for run in runs for test, outcome in run.outcomes.items()},
        output="".join(run.output for run in runs),
        console="".join(run.console for run in runs),
        told=[one for run in runs for one in run.told],
        seconds=max((run.seconds for run in runs), default=0.0),
    )


def boot(
    tests: Sequence[str],
    progress: Progress,
    timeout_s: float,
    size: Size = SMALL,
    given_up: Callable[[], bool] = lambda: False,
) -> Run:
    """Run ``tests`` (node ids) in one boot; ``progress`` gets a line now and then.

    After ``timeout_s``, or when it is ``given_up``, the machine is killed, and no result has come
    back.
    """
    with tempfile.TemporaryDirectory(prefix="vm", dir="/tmp") as folder:
        results, scratch = Path(folder, "results"), Path(folder, "scratch")
        results.mkdir()
        scratch.mkdir()
        # Each command of a clean clone would compile what it imports, which an emulator feels.
        subprocess.run([sys.executable, "-m", "compileall", "-q", "virtlxc"], cwd=CHECKOUT)
        (results / "tests").write_text("".join(f"{test}\n" for test in tests))
        began = time.monotonic()
        with (results / "console.txt").open("wb") as console:
            machine = subprocess.Popen(
                _command(qemu(), scratch, results, size),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=_environment(qemu()),
            )
            summary = partial(_progress, results, len(tests))
            watch(machine, summary, progress, timeout_s, given_up)
        run = collect(results, tests)
        run.seconds = time.monotonic() - began
        return run


def _command(tree: Tree, scratch: Path, results: Path, size: Size) -> list[str]:
    modules = next((tree.root / "usr/lib/modules").iterdir())
    if not (modules / "modules.dep").exists():
        depmod = _tool("depmod", tree)
        subprocess.run([depmod, "-b", tree.root, modules.name], check=True)
    # What Python reads comes by a second share, which the guest may cache: the first may not be.
    cached = sorted({"/usr", str(CHECKOUT), sys.prefix, sys.base_prefix})
    words = [f"{HERE}/inside.sh", SHARED, str(CHECKOUT), sys.executable, *cached]
    given = f"VIRTLXC_CACHE={cache_folder()} VIRTLXC_FILES={size.files}"
    inside = f"{given} sh {' '.join(words)}"
    machine = {
        "--kimg": f"{tree.root}/boot/vmlinuz-{modules.name}",
        "--mods": "auto",
        "--root": f"{scratch}/root",
        "--qemu-bin": tree.program("qemu-system-x86_64"),
        "--memory": size.memory,
        "--cpus": size.cpus,
        "--rwdir": f"{SHARED}={results}",
        "--name": "virtlxc-vm",
        "--script-sh": inside,
    }
    switches = ["--rw", "--disable-kvm", "--force-9p", "--no-virtme-ng-init", "--verbose"]
    options = [word for option in KERNEL_OPTIONS for word in ("--kopt", option)]
    firmware = ["-L", f"{tree.root}/usr/share/qemu", "-L", f"{tree.root}/usr/share/seabios"]
    share = [
        *("-fsdev", f"local,id=cached,path={scratch}/root,security_model=none,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=cached,mount_tag=cached"),
    ]
    plugged = ["-device", "qemu-xhci", "-device", "usb-mouse"]
    return [
        # Whatever ends this process ends the machine: it is the tree of a process namespace.
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
        *("sh", str(HERE / "compose.sh"), str(scratch), str(modules), str(CHECKOUT)),
        *(sys.executable, "-c", "from virtme.commands.run import main; raise SystemExit(main())"),
        *(word for pair in machine.items() for word in pair),
        *(*switches, *options, "--show-boot-console"),
        *("--qemu-opts", *firmware, *share, *plugged, "-cpu", PROCESSOR),
    ]


def _tool(name: str, tree: Tree) -> str:
    """A program of the host, else of the unpacked packages."""
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        if Path(folder, name).exists():
            return f"{folder}/{name}"
    return tree.program(name)


def _environment(tree: Tree) -> dict[str, str]:
    more = tree.environment()
    path = f"{more['PATH']}:{tree.root}/usr/sbin:{tree.root}/usr/bin"
    return {**more, "PATH": path, "HOME": os.environ.get("HOME", "/root"), "PYTHONPATH": ""}


def watch(
    machine: subprocess.Popen[bytes],
    summary: Callable[[], str],
    progress: Progress,
    timeout_s: float,
    given_up: Callable[[], bool] = lambda: False,
) -> None:
    """Wait for the machine's end; every half a minute ``progress`` gets the summary.

    At the bound, or given up, it is killed.
    """
    began = told = time.monotonic()
    while machine.poll() is None:
        now = time.monotonic()
        if now - began > timeout_s or given_up():
            machine.kill()
            machine.wait()
            return
        if now - told > 30:
            told = now
            progress(f"virtual machine: {summary()}, {now - began:.0f} s")
        time.sleep(0.2)


def _progress(results: Path, count: int) -> str:
    return f"{len({told['node'] for told in _told(results)})} of {count} tests"


def _told(results: Path) -> list[dict[str, str]]:
    """The lines that are whole."""
    whole, _, _ = read(results / RESULTS).rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def collect(results: Path, tests: Sequence[str]) -> Run:
    """What is in the folder that came back; a test without a line in the report has no outcome."""
    run = Run(
        output=read(results / "output.txt"),
        console=read(results / "console.txt"),
        told=_told(results),
    )
    report = results / "junit.xml"
    if not report.exists():
        return run
    found = {
        (case.get("classname", ""), case.get("name", "")): _outcome(case)
        for case in ElementTree.parse(report).iter("testcase")
    }
    run.outcomes = {t: found[junit_name(t)] for t in tests if junit_name(t) in found}
    return run


def _outcome(case: ElementTree.Element) -> Outcome:
    for tag, result in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        child = case.find(tag)
        if child is not None:
            text = "\n".join(filter(None, (child.get("message"), child.text)))
            return Outcome(result, text)
    return Outcome("passed", "")


def read(path: Path) -> str:
    """The file's text; empty when it is not there."""
    return path.read_text("utf-8", "replace") if path.exists() else ""
