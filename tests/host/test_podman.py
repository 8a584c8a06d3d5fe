"""podman with crun inside of a container in a user namespace, without any network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import rootfs
from tests.harness import Instance, wait_for
from tests.host.guestlab import FIRST_ID, Guest, guest
from tests.host.nestlab import Nest, group_of, uid_of

pytestmark = [pytest.mark.host, pytest.mark.guests]

BOX = "/srv/box"


@pytest.fixture(scope="module")
def pod() -> Iterator[Guest]:
    instance = Instance()
    try:
        found = guest(instance, "pod", of="podman", nesting=True, memory=1024)
        rootfs.make_busybox(found.files / BOX[1:])
        yield found.start().up()
    finally:
        instance.close()


def podman(pod: Guest, *words: str) -> str:
    return pod.run("podman", *words, timeout=120).ok()


def run(pod: Guest, *words: str) -> str:
    """``podman run``; a guest on a host of cgroup v1 has no controller for podman's own limit."""
    limited = "pids" in pod.run("cat", "/sys/fs/cgroup/cgroup.controllers").ok().split()
    return podman(pod, "run", *([] if limited else ["--pids-limit=0"]), *words)


def test_a_root_folder_runs(pod: Guest) -> None:
    script = "echo pid $$ of $(hostname); id -u; touch /made; echo x > /dev/null && echo nodes"
    words = ("--rm", "--network=none", "--hostname=inner", "--rootfs", BOX)
    assert run(pod, *words, "sh", "-c", script) == "pid 1 of inner\n0\nnodes\n"
    assert (pod.files / BOX[1:] / "made").stat().st_uid == 0, "seen by its mount's own ids"


def test_an_image_runs_from_podmans_own_storage(pod: Guest) -> None:
    """On the kernel's overlay: neither /dev/fuse nor the driver vfs is needed."""
    pod.run("sh", "-c", f"tar -C {BOX} -c . | podman import - box").ok()
    script = "rm -r /root && mkdir /root && touch /root/new && ls /root"
    assert run(pod, "--rm", "--network=none", "box", "sh", "-c", script) == "new\n"
    assert "graphDriverName: overlay\n" in podman(pod, "info")
    podman(pod, "rmi", "box")


def test_a_container_in_the_background_is_entered_and_ended(pod: Guest) -> None:
    nest = Nest(pod, ())
    run(pod, "-d", "--name", "bg", "--network=none", "--rootfs", BOX, "sleep", "1000")
    shown = podman(pod, "inspect", "--format", "{{.State.Status}} {{.State.Pid}}", "bg").split()
    assert shown[0] == "running"
    pid = nest.outside(int(shown[1]))
    assert uid_of(pid) == FIRST_ID, "podman's root is the guest's"
    assert group_of(pid).startswith(f"{nest.payload}/")
    assert "sleep 1000" in podman(pod, "exec", "bg", "ps")
    podman(pod, "stop", "-t", "1", "bg")
    wait_for("its end", lambda: not group_of(pid))
    podman(pod, "rm", "bg")


def test_a_container_has_podmans_network(pod: Guest) -> None:
    """A bridge and its rules, in the guest's own network."""
    said = run(pod, "--rm", "--rootfs", BOX, "ip", "-o", "-4", "address", "show", "eth0")
    assert "inet 10.88." in said
    assert pod.instance.links() == [], "nothing of it is on the host"
