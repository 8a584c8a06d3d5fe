"""virtlxc beside its peers, in one run: python -m benchmarks.run --peers lxc,floor --json FILE

Prints a table; the file is a list of rows {"work", "unit", "ours", "peers": {name: value},
"ratio": {name: value}}, where a ratio is ours through theirs. Times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests import peers
from tests.harness import CHECKOUT, Instance, host_facts

Samples = dict[str, dict[str, list[float]]]
KNOWN_PEERS = ("lxc", "floor")
FLOOR_WORKS = {"start": "0", "start-veth": "1"}
# work -> unit, whose samples are seconds or KiB
WORKS = {
    "start-veth": "ms",
    "start": "ms",
    "start-after-kill": "ms",
    "kill-veth": "ms",
    "kill": "ms",
    "memory": "KiB",
    "controller-memory": "KiB",
    "controller-memory-adopted": "KiB",
    "cli-start": "ms",
    "cli-list": "ms",
}


def main() -> None:
    options = parse()
    with ExitStack() as stack:
        instance = Instance()
        stack.callback(instance.close)
        instance.bridge("br0", "10.9.0.1/24")
        samples = measure(instance, options)
    if "floor" in options.peers:
        add_floor(samples, options.count)
    rows = [row(work, unit, samples[work]) for work, unit in WORKS.items() if work in samples]
    print(f"\n{host_facts()}\n{options.count} times each\n\n{table(rows)}")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", default="lxc,floor", type=lambda text: text.split(","))
    parser.add_argument("--count", default=200, type=int, help="how often each start and kill")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    options = parser.parse_args()
    unknown = set(options.peers) - set(KNOWN_PEERS) - {""}
    if unknown:
        parser.error(f"no peer {', '.join(sorted(unknown))}; known: {', '.join(KNOWN_PEERS)}")
    if os.geteuid() != 0:
        parser.error("needs root")
    return options


def measure(instance: Instance, options: argparse.Namespace) -> Samples:
    """Both phases of the worker, with the daemon and its spawner killed in between."""
    settings = settings_for(instance, options)
    samples = work(instance, "running", settings)
    kill_daemon_and_spawner(instance)
    instance.start_daemon()
    for name, more in work(instance, "adopted", {**settings, "lxc": None}).items():
        samples.setdefault(name, {}).update(more)
    return samples


def settings_for(instance: Instance, options: argparse.Namespace) -> dict[str, Any]:
    virsh = peers.virsh()
    lxc = None
    if "lxc" in options.peers:
        tree = peers.lxc()
        lxc = {name: tree.program(name) for name in ("lxc-start", "lxc-stop", "lxc-info")}
        lxc |= {f"environment:{key}": value for key, value in tree.environment().items()}
    return {
        "scratch": str(instance.root),
        "count": options.count,
        "daemon": instance.daemon_pid,
        "socket": instance.paths.socket,
        "program": command_line(instance.root),
        "ours_root": str(instance.busybox("ours")),
        "lxc_root": str(instance.busybox("lxc-root")),
        "lxc": lxc,
        "virsh": [virsh.program("virsh"), "-c", instance.paths.uri()],
        "virsh_environment": virsh.environment(),
    }


def command_line(scratch: Path) -> list[str]:
    """``virtlxc`` as quickstart installs it: an own launcher, without site."""
    launcher = CHECKOUT / ".venv/bin/virtlxc"
    if launcher.exists():
        return [str(launcher)]
    own = scratch / "virtlxc"
    own.write_text(
        f"#!{sys.executable} -IS\nimport sys\n\nsys.path[:0] = [{str(CHECKOUT)!r}]\n"
        "from virtlxc.cli.main import main\n\nsys.exit(main())\n"
    )
    own.chmod(0o755)
    return [str(own)]


def work(instance: Instance, phase: str, settings: dict[str, Any]) -> Samples:
    worker = instance.spaces.popen(
        [sys.executable, "-m", "benchmarks.worker", phase],
        env=instance.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    out, _ = worker.communicate(json.dumps(settings).encode())
    if worker.returncode != 0:
        raise SystemExit(f"benchmarks: phase {phase} failed\n{instance.facts()}")
    samples: Samples = json.loads(out)
    return samples


def kill_daemon_and_spawner(instance: Instance) -> None:
    children = Path(f"/proc/{instance.daemon_pid}/task/{instance.daemon_pid}/children")
    spawners = [int(pid) for pid in children.read_text().split()]
    instance.kill_daemon()
    for pid in spawners:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)


def add_floor(samples: Samples, count: int) -> None:
    """What the same kernel needs at least, by a C program compiled here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("benchmarks: no C compiler, so no floor", file=sys.stderr)
        return
    with ExitStack() as stack:
        instance = Instance(start=False)
        stack.callback(instance.close)
        program = instance.root / "floor"
        source = Path(__file__).with_name("floor.c")
        subprocess.run([compiler, "-O2", "-o", program, source], check=True)
        root = instance.busybox()
        for name, net in FLOOR_WORKS.items():
            lines = instance.run(str(program), str(count), str(root), "/bin/true", net).ok()
            samples[name]["floor"] = [int(line) / 1e9 for line in lines.split()]


def row(name: str, unit: str, by_subject: dict[str, list[float]]) -> dict[str, Any]:
    factor = 1000 if unit == "ms" else 1
    values = {key: statistics.median(them) * factor for key, them in by_subject.items()}
    ours = values.pop("ours")
    return {
        "work": name,
        "unit": unit,
        "ours": round(ours, 3),
        "peers": {key: round(value, 3) for key, value in values.items()},
        "ratio": {key: round(ours / value, 3) for key, value in values.items() if value},
    }


def table(rows: list[dict[str, Any]]) -> str:
    names = sorted({name for each in rows for name in each["peers"]})
    lines = [f"{'work':26} {'unit':4} {'ours':>9}" + "".join(f" {n:>9} {'x':>6}" for n in names)]
    for each in rows:
        cells = "".join(
            f" {each['peers'][n]:9.2f} {each['ratio'].get(n, 0):6.2f}"
            if n in each["peers"]
            else " " * 17
            for n in names
        )
        lines.append(f"{each['work']:26} {each['unit']:4} {each['ours']:9.2f}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
