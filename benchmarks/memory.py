"""Where the memory of an idle container lies: python -m benchmarks.memory [--count N] [--alone]

Ours and LXC's, in KiB per container, from the accounts of the kernel's memory controller: those of
the container's own groups, and what grew in the group of whoever started it. Other programs on the
host do not disturb that, as they do what benchmarks.run finds in /proc/meminfo. The first container
is not counted: it makes what all share.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import below, page_tables_kib, private_kib
from benchmarks.run import settings_for
from benchmarks.subjects import mounts_of
from tests.harness import Instance, host_facts

Account = dict[str, float]
#: After a start, before the accounts are read: late work of daemon, init and kernel.
REST = 3.0
#: A row of the table -> the field of memory.stat, of cgroup2 and of v1.
FIELDS = {"anonymous": ("anon", "total_rss"), "shared": ("shmem", "total_shmem")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", default=20, type=int, help="how many containers of each")
    parser.add_argument("--alone", action="store_true", help="without LXC")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root")
    options.peers = [] if options.alone else ["lxc"]
    with own_group() as group, ExitStack() as stack:
        instance = Instance()
        stack.callback(instance.close)
        instance.bridge("br0", "10.9.0.1/24")
        settings = settings_for(instance, options)
        subjects = ("ours", *options.peers)
        found = {name: measure(instance, settings, name, group) for name in subjects}
    print(f"\n{host_facts()}\n{options.count} of each, KiB per container\n\n{table(found)}")


def hierarchy() -> Path:
    """Where the memory controller is mounted: v1's own hierarchy, or cgroup2."""
    return Path((mounts_of("memory") or mounts_of(""))[0])


def place(pid: int) -> str:
    """Where in that hierarchy a process is."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    rows = [line.split(":", 2) for line in lines]
    return next(path for _, names, path in rows if "memory" in names.split(",") or not names)[1:]


@contextmanager
def own_group() -> Iterator[Path]:
    """A group of the memory controller for this process and all that it starts."""
    home = hierarchy() / place(os.getpid()) / "cgroup.procs"
    group = hierarchy() / f"virtlxc-benchmark-{os.getpid()}"
    group.mkdir()
    (group / "cgroup.procs").write_text("0")
    try:
        yield group
    finally:
        home.write_text("0")
        time.sleep(REST)
        group.rmdir()


def measure(
    instance: Instance, settings: dict[str, Any], subject: str, group: Path
) -> dict[str, float]:
    """Start all containers of one kind; what one costs, by account."""
    worker = instance.spaces.popen(
        [sys.executable, "-m", "benchmarks.worker", f"many-{subject}"],
        env=instance.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdin is not None and worker.stdout is not None
    if subject == "ours":
        settings = {**settings, "lxc": None}
    worker.stdin.write(json.dumps(settings).encode() + b"\n")
    worker.stdin.flush()
    rests = []
    keepers: list[int] = []
    for _ in ("the first one", "all"):
        keepers = json.loads(worker.stdout.readline())
        time.sleep(REST)
        rests.append(account(group))
        if len(rests) == 1:
            worker.stdin.write(b"\n")
            worker.stdin.flush()
    count = len(keepers) - 1
    grown = {name: (rests[1][name] - rests[0][name]) / count for name in rests[0]}
    found = {f"{name}, starter's group": value for name, value in grown.items()}
    own = [accounts_of(keeper) for keeper in keepers[1:]]
    for name in grown:
        found[f"{name}, own groups"] = statistics.mean(each[name] for each in own)
    found = {"all": sum(found.values()), **found}
    found |= processes(keepers[1:])
    worker.communicate(b"\n")
    return found


def processes(keepers: list[int]) -> dict[str, float]:
    """Parts of the above, as the processes themselves tell."""
    inside = [[pid for pid in below(keeper) if pid != keeper] for keeper in keepers]
    return {
        "private memory of the keeper": statistics.mean(map(private_kib, keepers)),
        "private memory inside": statistics.mean(sum(map(private_kib, p)) for p in inside),
        "page tables of the keeper": statistics.mean(map(page_tables_kib, keepers)),
        "page tables inside": statistics.mean(sum(map(page_tables_kib, p)) for p in inside),
    }


def account(group: Path) -> Account:
    """The kernel's own memory, and pages of processes, that a group and those below it use."""
    rows = (line.split() for line in (group / "memory.stat").read_text().splitlines())
    stat = {name: int(value) / 1024 for name, value in rows}
    v1 = group / "memory.kmem.usage_in_bytes"
    kernel = int(v1.read_text()) / 1024 if v1.exists() else stat["kernel"]
    found = {"kernel": kernel}
    for name, fields in FIELDS.items():
        found[name] = next(stat[field] for field in fields if field in stat)
    return found


def accounts_of(keeper: int) -> Account:
    """Those of the outermost groups that were made for one container."""
    tops = set()
    for pid in below(keeper):
        parts = place(pid).split("/")
        if not parts[0].startswith("virtlxc-benchmark"):
            tops.add(hierarchy().joinpath(*parts[: 2 if parts[0].startswith("machine") else 1]))
    found: Account = {}
    for top in tops:
        for name, value in account(top).items():
            found[name] = found.get(name, 0) + value
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    lines = [f"{'':34}" + "".join(f" {name:>9}" for name in found)]
    for name in found["ours"]:
        lines.append(f"{name:34}" + "".join(f" {each[name]:9.0f}" for each in found.values()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
