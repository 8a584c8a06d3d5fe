"""How long a distribution takes, printed: ``python -m benchmarks.guests [COUNT]``.

Not a test: a busy machine gives other numbers. Boot to a login prompt; the start call beside
busybox's; COUNT (20) guests at once; what virtlxc costs while they idle.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.harness import Instance, wait_for
from tests.host.guestlab import DOMAIN, FIRST_ID, IDMAP, Guest, guest
from virtlxc.rpc.client import Connection

STARTS = 10
IDLE_S = 20.0
PROMPT = "login: "


def start_call(instance: Instance, name: str) -> float:
    """Seconds of DOMAIN_CREATE alone, the best of some."""
    best = 1e9
    with Connection(instance.paths.socket) as daemon:
        dom = daemon.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"]
        for _ in range(STARTS):
            begin = time.monotonic()
            daemon.call("DOMAIN_CREATE", dom=dom)
            best = min(best, time.monotonic() - begin)
            daemon.call("DOMAIN_DESTROY", dom=dom)
    return best


def boot(found: Guest) -> float:
    begin = time.monotonic()
    found.start()
    found.wait_log(PROMPT, 120)
    return time.monotonic() - begin


def cpu_seconds(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def ours(instance: Instance) -> list[int]:
    """The daemon, the spawner, and every controller."""
    titles = instance.spaces.members().items()
    found = [pid for pid, title in titles if title.startswith(("virtlxc", "libvirt_lxc --name"))]
    return [*found, *(pid for pid in [instance.daemon_pid] if pid not in found)]


def busybox(instance: Instance) -> str:
    xml = DOMAIN.format(
        name="box", memory=64, nesting="", extra="", idmap=IDMAP, features="<privnet/>",
        root=instance.busybox("box"), devices="", init="/sbin/init",
    )  # fmt: skip
    instance.define(xml)
    return "box"


def at_once(instance: Instance, first: Guest, count: int) -> list[Guest]:
    guests = []
    for number in range(count):
        root = instance.memory_folder(f"root{number}")
        instance.run("cp", "-a", f"{first.root}/.", str(root)).ok()
        ids = FIRST_ID + (number + 1 << 16)
        guests.append(guest(instance, f"deb{number}", root=root, first_id=ids))
    return guests


def main(count: int) -> None:
    instance = Instance()
    try:
        one = guest(instance, "deb")
        print(f"boot to login prompt       {boot(one):8.2f} s")
        one.stop()
        debian, box = start_call(instance, "deb"), start_call(instance, busybox(instance))
        print(f"start call, Debian         {debian * 1000:8.1f} ms")
        print(f"start call, busybox        {box * 1000:8.1f} ms   ratio {debian / box:.2f}")
        guests = at_once(instance, one, count)
        begin = time.monotonic()
        for found in guests:
            found.start()
        for found in guests:
            found.wait_log(PROMPT, 300)
        print(f"{count} at once               {time.monotonic() - begin:8.2f} s")
        wait_for("all of them", lambda: len(instance.domains()) == count)
        for found in guests:
            found.up()  # "running": no service of any failed
        time.sleep(IDLE_S)  # what a boot still does afterwards is not idling
        pids = ours(instance)
        before = cpu_seconds(pids)
        time.sleep(IDLE_S)
        spent = cpu_seconds(pids) - before
        print(f"idle cost of virtlxc       {spent / IDLE_S * 100:8.2f} % of a core")
    finally:
        instance.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
