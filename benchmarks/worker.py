"""The measuring process: runs inside the instance's namespaces, prints samples as JSON.

usage: python -m benchmarks.worker PHASE < SETTINGS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    namespaces_held,
    private_kib,
    quiet_interpreter,
    run_program,
    used_kib,
    wait_until,
)
from benchmarks.subjects import Lxc, Ours, Subject

Samples = dict[str, dict[str, list[float]]]  # work -> subject -> samples
IDLE = 20
GROUP = 4
SETTLE_TRIES = 4
SETTLED_KIB = 256
#: Deleting a network namespace takes 25 ms, in the background.
KERNEL_REST = 0.05


class Bench:
    """The subjects of one run, and what was sampled so far."""

    def __init__(self, settings: dict[str, Any]) -> None:
        scratch = Path(settings["scratch"])
        self.count: int = settings["count"]
        self.ours = Ours(
            scratch, Path(settings["ours_root"]), settings["socket"], settings["program"]
        )
        self.subjects: dict[str, Subject] = {"ours": self.ours}
        if settings["lxc"]:
            self.subjects["lxc"] = Lxc(scratch, Path(settings["lxc_root"]), settings["lxc"])
        self.daemon: int = settings["daemon"]
        self.virsh: list[str] = settings["virsh"]
        self.virsh_environment: dict[str, str] = settings["virsh_environment"]
        self.output = str(scratch / "virsh.output")
        self.samples: Samples = {}

    def add(self, work: str, subject: str, value: float) -> None:
        self.samples.setdefault(work, {}).setdefault(subject, []).append(value)

    def rest(self) -> None:
        """Until the kernel has done with what was killed: the next one is not to wait for that."""
        wait_until("namespaces let go", lambda: not namespaces_held(self.daemon))
        time.sleep(KERNEL_REST)


def starts_and_kills(bench: Bench) -> None:
    """Turn by turn, so that whatever else the machine does falls on all alike."""
    for subject in bench.subjects.values():
        subject.define("plain", veth=False)
        subject.define("veth", veth=True)
    warm_up(bench)
    for _ in range(bench.count):
        for name, suffix in (("plain", ""), ("veth", "-veth")):
            for key, subject in bench.subjects.items():
                bench.add(f"start{suffix}", key, subject.start(name))
                bench.add(f"kill{suffix}", key, subject.kill(name))
                bench.rest()
    for _ in range(bench.count):
        for key, subject in bench.subjects.items():
            subject.start("veth")
            subject.kill("veth")
            bench.add("start-after-kill", key, subject.start("veth"))
            subject.kill("veth")
            bench.rest()


def warm_up(bench: Bench) -> None:
    for subject in bench.subjects.values():
        for name in ("plain", "veth"):
            subject.start(name)
            subject.kill(name)


def command_line(bench: Bench) -> None:
    """``virtlxc start`` as a whole process, beside the other's."""
    for _ in range(bench.count):
        for key, subject in bench.subjects.items():
            start: Callable[[], float] = (
                (lambda: bench.ours.command("start", "veth"))
                if key == "ours"
                else (lambda subject=subject: subject.start("veth"))  # type: ignore[misc]
            )
            bench.add("cli-start", key, start())
            subject.kill("veth")
            bench.rest()


def idle(bench: Bench) -> None:
    """Memory of the whole system per idle container, and of each one's own process, in KiB."""
    names = [f"idle{i}" for i in range(IDLE)]
    for key, subject in reversed(bench.subjects.items()):
        for name in names:
            subject.define(name, veth=True)
        # In groups, of which the median counts: other programs' memory comes and goes too.
        before = settled()
        for group in range(0, IDLE, GROUP):
            for name in names[group : group + GROUP]:
                subject.start(name)
            after = settled()
            bench.add("memory", key, (after - before) / GROUP)
            before = after
        for name in names:
            bench.add("controller-memory", key, private_kib(subject.keeper(name)))
        if key != "ours":  # ours stay for the next phase
            for name in names:
                subject.kill(name)


def settled() -> int:
    """Memory in use once what was ended before is really gone, and without what is only cached."""
    last = -1
    for _ in range(SETTLE_TRIES):
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
        now = used_kib()
        if abs(now - last) < SETTLED_KIB:
            break
        last = now
        time.sleep(1)
    return now


def adopted(bench: Bench) -> None:
    """What a new daemon finds: the same controllers; and how long its list takes."""
    names = [f"idle{i}" for i in range(IDLE)]
    for name in names:
        bench.add("controller-memory-adopted", "ours", private_kib(bench.ours.keeper(name)))
    for _ in range(bench.count):
        bench.add("cli-list", "ours", bench.ours.command("list"))
        if bench.virsh:
            taken = run_program([*bench.virsh, "list"], bench.virsh_environment, bench.output)
            bench.add("cli-list", "virsh", taken)
    for name in names:
        bench.ours.kill(name)


def many(bench: Bench, key: str) -> None:
    """Start one container, then all; tell their keepers, and wait until memory.py has looked."""
    subject = bench.subjects[key]
    names = [f"many{i}" for i in range(bench.count)]
    for name in names:
        subject.define(name, veth=True)
    started: list[str] = []
    for group in (names[:1], names[1:]):
        for name in group:
            subject.start(name)
        started += group
        print(json.dumps([subject.keeper(name) for name in started]), flush=True)
        sys.stdin.readline()
    for name in names:
        subject.kill(name)


def many_ours(bench: Bench) -> None:
    many(bench, "ours")


def many_lxc(bench: Bench) -> None:
    many(bench, "lxc")


PHASES: dict[str, tuple[Callable[[Bench], None], ...]] = {
    "running": (starts_and_kills, command_line, idle),
    "adopted": (adopted,),
    "many-ours": (many_ours,),
    "many-lxc": (many_lxc,),
}


def main() -> None:
    bench = Bench(json.loads(sys.stdin.readline()))
    with quiet_interpreter():
        for part in PHASES[sys.argv[1]]:
            print(f"  {part.__name__.replace('_', ' ')} ...", file=sys.stderr, flush=True)
            part(bench)
    json.dump(bench.samples, sys.stdout)


if __name__ == "__main__":
    main()
