"""What tests of bad input share: a good definition, a host to try it on, and what is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.namespaces import Result

TAKEN = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
IDMAP = (
    "<idmap><uid start='{first}' target='100000' count='10'/>{more}"
    "<gid start='0' target='100000' count='10'/></idmap>"
)
CARD = "<interface type='{type}'><mac address='{mac}'/><source {type}='{source}'/></interface>"


def document(
    *,
    name: str = "bad",
    uuid: str = "",
    memory: str = "<memory unit='MiB'>64</memory>",
    init: str = "<init>/sbin/init</init>",
    more: str = "",
    root: str = "{root}/rootfs",
    devices: str = "",
) -> str:
    """A good definition, but for what a row makes bad."""
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    return f"""<domain type='lxc'>
  <name>{name}</name>{identity}
  {memory}
  <os><type>exe</type>{init}</os>
  {more}
  <features><privnet/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    {devices}
    <console type='pty'/>
  </devices>
</domain>
"""


def furnish(made: Instance) -> None:
    """Puts files, a bridge, and a running domain 'taken' there for bad definitions to name."""
    root = made.busybox("rootfs")
    rootfs.script(root, "/flat", "#!/bin/sh\n")
    (root / "flat").chmod(0o644)
    rootfs.script(root, "/lost", "#!/no/such/shell\n")
    rootfs.script(root, "/junk", "neither here nor there")
    (root / "outside").symlink_to("/../../../../../../bin/bash")
    (made.root / "foreign").mkdir()
    os.chown(made.root / "foreign", 5000, 5000)
    for name in ("dev", "proc", "sys"):
        hostile = rootfs.make_busybox(made.root / f"hostile-{name}")
        shutil.rmtree(hostile / name)
        (hostile / name).symlink_to("/etc")
    made.bridge("br0")
    card = CARD.format(type="bridge", mac="52:54:00:00:00:77", source="br0")
    text = document(name="taken", uuid=TAKEN, devices=card).format(root=made.root)
    made.define(text)
    made.virtlxc("start", "taken").ok()


def everything(instance: Instance) -> dict[str, object]:
    """All that a refused command could have changed, on disk and in the kernel."""
    files = {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for folder in ("etc", "run", "var/lib")
        for path in sorted((instance.root / folder).rglob("*"))
        # A command locks this, and connects.
        if path.is_file()
    }
    return {
        "files": files,
        "cgroups": instance.cgroups(),
        "links": sorted(instance.links()),
        "mounts": instance.spaces.mounts_below(instance.root),
        "domains": instance.domains("--all"),
    }


def refuse(instance: Instance, run: Callable[[], Result]) -> str:
    """The standard error of a command that must fail and change nothing."""
    before = everything(instance)
    result = run()
    assert (result.code, result.stdout.strip()) == (1, ""), str(result)
    wait_for("no change", lambda: everything(instance) == before)
    return result.stderr.lstrip("\n")
