"""What a scope of systemd's adds to a start, printed: ``python -m benchmarks.scope [STARTS]``.

Not a test: a busy machine gives other numbers. The host is a container with systemd as its first
process; two daemons run in it, one of which finds no D-Bus and makes its groups itself.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

STARTS = 40
PROGRAM = Path("/opt/virtlxc/benchmarks/scope.py")
NO_DBUS = "/opt/no-dbus"  # a folder with a module jeepney that cannot be imported
XML = """<domain type='lxc'><name>box</name><memory unit='KiB'>9007199254740991</memory>
<os><type>exe</type><init>/init</init></os><features><privnet/></features>
<devices><filesystem type='mount'><source dir='/srv/guest'/><target dir='/'/></filesystem>
<console type='pty'/></devices></domain>"""


def shown(what: str, seconds: list[float]) -> None:
    best, middle = min(seconds) * 1000, statistics.median(seconds) * 1000
    print(f"{what:34}{best:8.1f} ms at best{middle:8.1f} ms in the middle", flush=True)


def timed(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


# Inside


def scopes_alone(count: int) -> list[float]:
    """The call alone, for a process that does nothing."""
    import subprocess

    from virtlxc.host import dbus, systemd

    bus, found = dbus.Bus(), []
    for number in range(count):
        with subprocess.Popen(["sleep", "60"]) as other:
            unit = f"machine-alone{number}.scope"
            work = partial(systemd.start_scope, bus, unit, "machine.slice", other.pid, "alone")
            found.append(timed(work))
            other.kill()
        time.sleep(0.02)
    bus.close()
    return found


def starts(count: int) -> dict[str, list[float]]:
    """The start call of both daemons in turn."""
    import os
    import subprocess

    from virtlxc.rpc.client import Connection

    found: dict[str, list[float]] = {"with a scope": [], "without": []}
    roots = dict(zip(found, ("/srv/with", "/srv/without"), strict=True))
    paths = dict(zip(found, (sys.path[0], f"{NO_DBUS}:{sys.path[0]}"), strict=True))
    daemons = [
        subprocess.Popen(
            ["python3", "-m", "virtlxc", "--root", root, "daemon"],
            env=os.environ | {"PYTHONPATH": paths[what]},
        )
        for what, root in roots.items()
    ]
    try:
        links = {}
        for (what, root), daemon in zip(roots.items(), daemons, strict=True):
            path = f"{root}/run/virtlxc/virtlxc-sock"
            while not os.path.exists(path):
                assert daemon.poll() is None, f"the daemon {what} has ended"
                time.sleep(0.1)
            links[what] = Connection(path)
            links[what].call("DOMAIN_DEFINE_XML", xml=XML.replace("box", f"box{len(links)}"))
        for _ in range(count):
            for what, link in links.items():
                name = f"box{1 + list(links).index(what)}"
                dom = link.call("DOMAIN_LOOKUP_BY_NAME", name=name)["dom"]
                found[what].append(timed(partial(link.call, "DOMAIN_CREATE", dom=dom)))
                link.call("DOMAIN_DESTROY", dom=dom)
                time.sleep(0.4)  # systemd still tidies up after the last one
    finally:
        for daemon in daemons:
            daemon.terminate()
            daemon.wait()
    return found


def inside(count: int) -> None:
    shown("the scope alone", scopes_alone(count))
    found = starts(count)
    for what, seconds in found.items():
        shown(f"start {what}", seconds)
    middle = [statistics.median(seconds) for seconds in found.values()]
    best = [min(seconds) for seconds in found.values()]
    print(
        f"it adds {(best[0] - best[1]) * 1000:.1f} ms at best,"
        f" {(middle[0] - middle[1]) * 1000:.1f} ms in the middle"
    )


# Outside


def main(count: int) -> None:
    from tests.harness import Instance
    from tests.host.guestlab import Guest
    from tests.host.test_services import DOMAIN, make
    from tests.rootfs import script

    instance = Instance()
    try:
        root = instance.root / "host"
        make(root)
        script(root / "srv/guest", "/init", "#!/bin/sh\nexec sleep 3600\n")
        program = root / str(PROGRAM).lstrip("/")
        program.parent.mkdir()
        shutil.copy(__file__, program)
        folder = root / NO_DBUS.lstrip("/")
        folder.mkdir()
        (folder / "jeepney.py").write_text("raise ModuleNotFoundError('not here')\n")
        instance.define(DOMAIN.format(root=root))
        host = Guest(instance, "host", root).start().up()
        words = ("env", "PYTHONPATH=/opt/virtlxc", "python3", str(PROGRAM), "--inside", str(count))
        print(host.run(*words, timeout=600).ok(), end="")
        print("load: " + Path("/proc/loadavg").read_text().strip())
    finally:
        instance.close()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--inside"]
    wanted = int(words[0]) if words else STARTS
    if "--inside" in sys.argv:
        sys.path[0] = "/opt/virtlxc"
        inside(wanted)
    else:
        main(wanted)
