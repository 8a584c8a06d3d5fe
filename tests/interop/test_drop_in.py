"""With ``libvirt_socket = true``, libvirt's clients reach us as plain ``lxc:///system``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.conftest import tell_of_calls
from tests.interop.virsh import DOMAIN
from tests.namespaces import Result

pytestmark = pytest.mark.interop

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


def test_what_pacemakers_agent_asks(dropped_in: Instance) -> None:
    """The command lines of ocf:heartbeat:VirtualDomain."""
    root = dropped_in.busybox()
    file = dropped_in.write("d.xml", DOMAIN.format(name="ha", root=root, init="/sbin/init"))
    ask = ("--connect=lxc:///system",)
    virsh(dropped_in, *ask, "create", file).ok()
    assert "running" in virsh(dropped_in, *ask, "domstate", "ha").ok()
    virsh(dropped_in, *ask, "destroy", "ha").ok()
    assert "failed to get domain" in virsh(dropped_in, *ask, "domstate", "ha").failed()
