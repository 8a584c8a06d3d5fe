"""What a guest names, and the daemon reads in the kernel's files: processes, mounts, cgroups."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.test_attacks_escape import define, folder, inside

pytestmark = pytest.mark.host

#: A name of no encoding, with ends of lines and of fields of /proc/PID/stat in it.
NAMER = """\
#!/bin/sh
printf '\\377) Z \\r\\v' >/proc/$$/comm
trap 'exit 0' TERM
while :; do sleep 0.1; done
"""


def test_a_process_may_have_any_name(instance: Instance) -> None:
    root = instance.busybox()
    rootfs.script(root, "/sbin/rough", NAMER)
    (root / "sbin/init").unlink()
    (root / "sbin/init").symlink_to("rough")
    instance.define(document(root))
    instance.virtlxc("start", "named").ok()
    wait_for("the name", lambda: b"\xff" in comm(instance))
    assert inside(instance, "named", "echo entered") == "entered\n"
    # Another domain's start that fails in its middle looks at every process of the host.
    other = instance.busybox("other")
    (other / "sys").rmdir()
    (other / "sys").write_text("")
    instance.define(document(other).replace("named", "failing"))
    assert "/sys" in instance.virtlxc("start", "failing").failed()
    assert len(instance.cgroups()) == len({path.parent for path in instance.cgroups()})
    instance.stop_daemon()
    instance.start_daemon()
    instance.virtlxc("shutdown", "named").ok()
    wait_for("its end", lambda: not instance.domains())
    assert "a mistake" not in instance.daemon_messages()


def document(root: Path) -> str:
    return f"""\
<domain type='lxc'><name>named</name><memory unit='MiB'>64</memory>
<os><type>exe</type><init>/sbin/init</init></os><features><privnet/></features>
<devices>{folder(root, "/")}<console type='pty'/></devices></domain>"""


def comm(instance: Instance) -> bytes:
    pid = instance.virtlxc("domid", "named").ok().strip()
    with open(f"/proc/{pid}/comm", "rb") as file:
        return file.read()


def test_a_mount_may_have_any_name(instance: Instance) -> None:
    define(instance, "mounts", folder(instance.busybox(), "/"), idmap=True)
    script = 'd=$(printf "/tmp/a\\rb\\v\\377 - c"); mkdir "$d"; mount -t tmpfs x "$d"'
    assert inside(instance, "mounts", script) == ""
    shown = instance.virtlxc("domfsinfo", "mounts").ok()
    assert "tmpfs" in shown, shown
    assert "fs.count" in instance.virtlxc("guestinfo", "mounts").ok()


DEEP = "d" * 250


def test_cgroups_deeper_than_a_path_are_removed(instance: Instance) -> None:
    """A second tree is deeper than Python calls itself."""
    define(instance, "deep", folder(instance.busybox(), "/"), idmap=True)
    script = (
        "cd /sys/fs/cgroup; nest() { k=0; while [ $k -lt $2 ] && mkdir $1 && cd $1; do"
        f" k=$((k+1)); done; }}; (nest {DEEP} 30; sleep 99 >/dev/null 2>&1 &"
        " echo $! >cgroup.procs); (nest d 1100); echo made"
    )
    assert "made" in inside(instance, "deep", script)
    instance.virtlxc("destroy", "deep").ok()
    wait_for("its cgroups gone", lambda: not instance.cgroups(), 5.0)


def test_a_socket_of_anybody_may_have_any_name(instance: Instance) -> None:
    """A domain without a root folder looks for sockets among the host's programs."""
    script = (
        "import socket, time; s = socket.socket(1); s.bind('\\0a\\n\\n/usr/b'); time.sleep(60)"
    )
    rude = instance.spaces.popen([sys.executable, "-c", script], env=instance.environment())
    try:
        wait_for("the socket", lambda: "/usr/b" in instance.run("cat", "/proc/net/unix").stdout)
        define(instance, "rootless", "", idmap=True)
    finally:
        rude.kill()
        rude.wait()


def test_a_guests_folders_may_be_deeper_than_python_calls_itself() -> None:
    """A daemon that starts ends the removal of one that was undefined with its files."""
    instance = Instance(start=False)
    try:
        top = Path(instance.paths.lib, "guests", ".old-cut-off")
        top.mkdir(parents=True)
        at = os.open(top, os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        instance.start_daemon()
        assert not top.exists()
    finally:
        instance.close()
