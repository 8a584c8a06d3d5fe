"""Calls of libvirt-python beside libvirt's own daemon, in one run: python -m benchmarks.wire

Both daemons have the same domains, none of which runs; the client is the same program, and the two
take turns. Prints medians, and ours through theirs; what must hold stands in ``BOUNDS``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests import peers
from tests.harness import Instance, host_facts, wait_for
from tests.namespaces import Namespaces

CLIENT = Path(__file__).parent / "wire_client.py"
LIST = ("virsh", "-c", "lxc:///system", "list")
Times = dict[str, list[float]]
# work of ours -> (work of theirs, the most that ours through theirs may be)
BOUNDS = {
    "hostname": ("hostname", 2.0),
    "state": ("state", 2.0),
    "info": ("info", 2.0),
    "list": ("list", 2.0),
    "bulk": ("list-and-states", 1.0),
}


def ask(spaces: Namespaces, uri: str, count: int, times: int) -> Times:
    """One turn of the client."""
    environment = peers.virsh().environment()
    words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PYTHONPATH")]
    out = spaces.run(
        "env", *words, "/usr/bin/python3", str(CLIENT), uri, str(count), str(times), timeout=600
    ).ok()
    found: Times = json.loads(out)
    return found


def compare(count: int, times: int, turns: int) -> tuple[Times, Times]:
    """(ours, theirs), each call's times of all turns together."""
    ours: Times = {}
    theirs: Times = {}
    with ExitStack() as stack:
        instance = Instance()
        stack.callback(instance.close)
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="vw"))
        libvirtd = peers.Libvirtd(Path(scratch))
        stack.callback(libvirtd.close)
        wait_for("libvirtd", lambda: libvirtd.spaces.run(*LIST).code == 0)
        uri = f"lxc+unix:///system?socket={instance.paths.socket}"
        for _ in range(turns):
            for into, spaces, where in (
                (theirs, libvirtd.spaces, "lxc:///system"),
                (ours, instance.spaces, uri),
            ):
                for work, found in ask(spaces, where, count, times).items():
                    into.setdefault(work, []).extend(found)
    return ours, theirs


def rows(ours: Times, theirs: Times) -> list[tuple[str, float, float, float]]:
    """(work, ours and theirs in microseconds, ours through theirs)."""
    found = []
    for work, (other, _bound) in BOUNDS.items():
        mine = statistics.median(ours[work]) * 1e6
        peer = statistics.median(theirs[other]) * 1e6
        found.append((work, mine, peer, mine / peer))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=1000, help="how many domains there are")
    parser.add_argument("--times", type=int, default=2000, help="how often a cheap call is made")
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    ours, theirs = compare(options.count, options.times, options.turns)
    print(host_facts())
    print(f"{options.count} domains, {options.times} times, {options.turns} turns\n")
    print(f"{'work':10} {'ours':>12} {'libvirtd':>12} {'ratio':>7}  bound")
    for work, mine, peer, ratio in rows(ours, theirs):
        print(f"{work:10} {mine:9.0f} us {peer:9.0f} us {ratio:7.2f}  {BOUNDS[work][1]:g}")


if __name__ == "__main__":
    main()
