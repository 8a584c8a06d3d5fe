"""With ``libvirt_socket = true``, libvirt's clients reach us as plain ``lxc:///system``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.interop.conftest import tell_of_calls
from tests.interop.virsh import DOMAIN
from tests.namespaces import Result

pytestmark = pytest.mark.interop

CLIENTS = Path(__file__).parent / "clients"
# In the instance's own mount namespace, its folder stands where libvirt's clients look.
SHOW = """mount -t tmpfs show /run && mkdir /run/libvirt
mount --bind {root}/run/libvirt /run/libvirt"""


@pytest.fixture
def dropped_in() -> Iterator[Instance]:
    made = Instance(start=False)
    tell_of_calls(made, "libvirt_socket = true\n")
    made.start_daemon()
    made.spaces.run("sh", "-c", SHOW.format(root=made.root)).ok()
    yield made
    made.spaces.run("sh", "-c", "umount /run/libvirt /run").ok()
    made.close()


def virsh(instance: Instance, *words: str) -> Result:
    argv = peers.virsh().argv("virsh", *words)
    return instance.run("env", "LC_ALL=C", *argv)


def test_a_plain_uri(dropped_in: Instance) -> None:
    root = dropped_in.busybox()
    file = dropped_in.write("d.xml", DOMAIN.format(name="plain", root=root, init="/sbin/init"))
    virsh(dropped_in, "-c", "lxc:///system", "define", file).ok()
    assert virsh(dropped_in, "-c", "lxc:///", "list", "--all", "--name").ok().split() == ["plain"]
    assert dropped_in.domains("--all") == ["plain"]


@pytest.mark.proves("CONNECT_GET_URI")
def test_no_uri_at_all(dropped_in: Instance) -> None:
    """The client looks which daemon is there, and asks it what it is."""
    root = dropped_in.busybox()
    file = dropped_in.write("d.xml", DOMAIN.format(name="plain", root=root, init="/sbin/init"))
    virsh(dropped_in, "define", file).ok()
    found = virsh(dropped_in, "uri").ok().strip()
    assert virsh(dropped_in, "-c", found, "list", "--all", "--name").ok().split() == ["plain"]


def test_a_plain_uri_that_only_reads(dropped_in: Instance) -> None:
    assert virsh(dropped_in, "-r", "-c", "lxc:///system", "list").ok()
    failed = virsh(dropped_in, "-r", "-c", "lxc:///system", "net-start", "default").failed()
    assert "read only access prevents" in failed


def test_libvirt_python_by_a_plain_uri(dropped_in: Instance) -> None:
    environment = peers.virsh().environment()
    words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PYTHONPATH")]
    root = dropped_in.busybox()
    pool = dropped_in.root / "pool"
    out = dropped_in.run(
        "env", *words, "/usr/bin/python3", str(CLIENTS / "ansible.py"), "lxc:///system",
        DOMAIN.format(name="play", root=root, init="/sbin/init"),
        "<network><name>play</name><bridge name='play0'/>"
        "<ip address='10.88.9.1' netmask='255.255.255.0'><dhcp>"
        "<range start='10.88.9.10' end='10.88.9.20'/></dhcp></ip></network>",
        f"<pool type='dir'><name>play</name><target><path>{pool}</path></target></pool>",
    ).ok()  # fmt: skip
    assert json.loads(out) == {
        "type": "LXC", "node": 8, "free": True, "defined": True, "running": 1, "vcpus": 1,
        "memory": 65536, "autostart": 1, "paused": 3, "off": 5, "xml": True, "gone": True,
        "networks": ["default", "play"], "bridge": "play0", "active": [1, 1], "host": True,
        "pools": ["play"], "pool": 2,
    }  # fmt: skip
    assert pool.is_dir()
    assert dropped_in.domains("--all") == []


def test_ansibles_connection_into_a_container(dropped_in: Instance) -> None:
    """Its plugin libvirt_lxc runs everything by one command of virsh's."""
    root = dropped_in.busybox()
    file = dropped_in.write("d.xml", DOMAIN.format(name="host1", root=root, init="/sbin/init"))
    dropped_in.virtlxc("create", file).ok()
    assert "host1" in virsh(dropped_in, "-q", "-c", "lxc:///", "dominfo", "host1").ok()
    enter = ("-q", "-c", "lxc:///", "lxc-enter-namespace", "host1", "--noseclabel", "--")
    ran = virsh(dropped_in, *enter, "/bin/sh", "-c", "echo $((6*7)); hostname")
    assert ran.ok().split() == ["42", "host1"]
    argv = peers.virsh().argv("virsh", *enter, "/bin/dd", "of=/tmp/put", "bs=65536")
    dropped_in.run("env", "LC_ALL=C", *argv, input="carried over").ok()
    assert virsh(dropped_in, *enter, "/bin/cat", "/tmp/put").ok().strip() == "carried over"


def agent(instance: Instance, action: str, name: str, config: str) -> int:
    script = CLIENTS / "virtualdomain.sh"
    folder = Path(peers.virsh().program("virsh")).parent
    library = peers.virsh().environment()["LD_LIBRARY_PATH"]
    words = [f"PATH={folder}:/usr/bin:/bin", f"LD_LIBRARY_PATH={library}", "LC_ALL=C"]
    return instance.run("env", *words, "sh", str(script), action, name, config).code


RUNS, DONE, NOT_RUNNING = 0, 0, 7


def test_pacemakers_agent(dropped_in: Instance) -> None:
    """Start, monitor and stop; and the truth while the daemon is down."""
    root = dropped_in.busybox()
    xml = DOMAIN.format(name="ha", root=root, init="/sbin/init").replace(
        "<devices>", "<devices><emulator>/usr/lib/libvirt/libvirt_lxc</emulator>"
    )
    config = dropped_in.write("ha.xml", xml)
    assert agent(dropped_in, "monitor", "ha", config) == NOT_RUNNING
    assert agent(dropped_in, "start", "ha", config) == DONE
    assert dropped_in.domains() == ["ha"]
    assert agent(dropped_in, "start", "ha", config) == DONE
    assert agent(dropped_in, "monitor", "ha", config) == RUNS
    dropped_in.kill_daemon()
    assert agent(dropped_in, "monitor", "ha", config) == RUNS
    assert agent(dropped_in, "monitor", "other", config) == NOT_RUNNING
    dropped_in.start_daemon()
    assert agent(dropped_in, "stop", "ha", config) == DONE
    assert agent(dropped_in, "monitor", "ha", config) == NOT_RUNNING
    assert dropped_in.domains("--all") == []


def test_where_libvirts_own_daemon_is(tmp_path: Path) -> None:
    """Its socket for containers is never taken away from a daemon that answers there."""
    instance = Instance(start=False)
    folder = instance.root / "run/libvirt"
    folder.mkdir(parents=True)
    Path(instance.paths.etc).mkdir(parents=True)
    Path(instance.paths.config).write_text("libvirt_socket = true\n")
    # Debian has no virtlxcd: its libvirtd, which serves containers too, stands for it.
    libvirtd = peers.Libvirtd(tmp_path / "libvirtd")
    try:
        wait_for("libvirtd's socket", libvirtd.socket.exists)
        (folder / "virtlxcd-sock").symlink_to(libvirtd.socket)
        ran = instance.virtlxc("daemon", timeout=30)
        assert f"cannot listen at {folder}/virtlxcd-sock: process " in ran.failed()
        assert "libvirtd" in ran.stderr
        assert "answers there (stop it, or use another --root)" in ran.stderr
        assert "Id" in libvirtd.virsh("list")
    finally:
        libvirtd.close()
        instance.close()
