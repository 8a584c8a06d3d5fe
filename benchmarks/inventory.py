"""Inventories: python -m benchmarks.inventory [--count N] [--json FILE]

How long a thousand definitions take to be applied, to be found unchanged, and to be loaded by a
daemon that starts; beside them what this disk takes for one fsync, and what one document costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.harness import CHECKOUT, Instance, host_facts

DOMAIN = """<domain type='lxc'>
  <name>{name}</name>
  <title>number {number} of many</title>
  <metadata><x:note xmlns:x='urn:x' number='{number}'/></metadata>
  <memory unit='MiB'>64</memory>
  <vcpu>2</vcpu>
  <cputune><shares>512</shares></cputune>
  <os><type>exe</type><init>/sbin/init</init><initarg>--verbose</initarg></os>
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='/srv/{name}'/><target dir='/'/></filesystem>
    <filesystem type='ram'><source usage='16' units='MiB'/><target dir='/tmp'/></filesystem>
    <interface type='network'><source network='default'/><ip address='10.0.0.9' prefix='24'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""  # noqa: E501
LINES_OF_THE_LONG_ONE = 100
FSYNCS = 50
ROUNDS = 200
# work -> seconds it may take
BOUNDS = {
    "apply": 5.0, "apply again": 2.0, "daemon start": 3.0, "document": 0.003, "schema load": 0.02,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="how many definitions")
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args()
    instance = Instance()
    try:
        rows = measure(instance, options.count)
    finally:
        instance.close()
    rows |= {"document": document(), "schema load": schema_load()}
    print(f"\n{host_facts()}\n{options.count} definitions\n")
    for work, seconds in rows.items():
        bound = f"   (bound: {BOUNDS[work] * 1000:.0f} ms)" if work in BOUNDS else ""
        print(f"{work:<24} {seconds * 1000:>10.2f} ms{bound}")
    if options.json:
        data = [{"work": work, "seconds": one, "bound": BOUNDS.get(work)} for work, one in
                rows.items()]  # fmt: skip
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n")


def measure(instance: Instance, count: int) -> dict[str, float]:
    """Seconds by work, in one daemon's life and the next one's beginning."""
    folder = instance.root / "inventory"
    folder.mkdir()
    for number in range(count):
        name = f"d{number:05}"
        (folder / f"{name}.xml").write_text(DOMAIN.format(name=name, number=number))
    rows = {"one fsync of this disk": fsync(instance.root)}

    def run(*words: str) -> Callable[[], object]:
        return lambda: instance.virtlxc(*words, str(folder), timeout=600).ok()

    rows["apply"] = seconds(run("apply"))
    kept = _files(instance)
    rows["apply again"] = seconds(run("apply"))
    assert _files(instance) == kept, "the second run wrote something"
    rows["diff"] = seconds(run("diff"))
    instance.stop_daemon()
    rows["daemon start"] = seconds(instance.start_daemon)
    assert len(instance.domains("--all")) == count
    return rows


def _files(instance: Instance) -> dict[str, tuple[int, int]]:
    paths = [*Path(instance.paths.domains).iterdir(), Path(instance.paths.lib, "applied.json")]
    return {str(one): (one.lstat().st_ino, one.lstat().st_mtime_ns) for one in paths}


def seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def fsync(folder: Path) -> float:
    """The median of small files written and waited for."""

    def once() -> None:
        fd = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, b"x" * 2000)
        os.fsync(fd)
        os.close(fd)

    return statistics.median(seconds(once) for _ in range(FSYNCS))


def document() -> float:
    """Parse, validate, model and check one long document, warm: the median."""
    from virtlxc import schema

    device = (
        "    <filesystem type='mount'><source dir='/a{0}'/><target dir='/b{0}'/></filesystem>\n"
    )
    short = DOMAIN.format(name="long", number=0)
    more = "".join(device.format(at) for at in range(LINES_OF_THE_LONG_ONE - short.count("\n")))
    text = short.replace("  </devices>", f"{more}  </devices>")
    assert text.count("\n") >= LINES_OF_THE_LONG_ONE

    def once() -> None:
        # What it accepts it has read into the model, and checked there.
        schema.require_valid(text, "domain")

    once()
    return statistics.median(seconds(once) for _ in range(ROUNDS))


def schema_load() -> float:
    """Reading and compiling the domain's schema, in a process that has lxml already: the best."""
    script = (
        "import time; from lxml import etree; from virtlxc.schema.grammar import folder\n"
        "begin = time.monotonic(); etree.RelaxNG(file=str(folder() / 'domain.rng'))\n"
        "print(time.monotonic() - begin)"
    )
    ran = [
        subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True,
                       text=True, check=True).stdout for _ in range(5)
    ]  # fmt: skip
    return min(map(float, ran))


if __name__ == "__main__":
    main()
