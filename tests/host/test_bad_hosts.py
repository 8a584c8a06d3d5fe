"""What a host lacks: one error that names it, and how to mend it; nothing changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, cgroup_mounts
from tests.host.badlab import CARD, document, refuse

pytestmark = pytest.mark.host


@pytest.fixture
def still() -> Iterator[Instance]:
    """An instance of a test's own, without a daemon yet."""
    made = Instance(start=False)
    yield made
    made.close()


def hide(instance: Instance, program: str) -> None:
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path is not None
    instance.run("mount", "--bind", "/dev/null", str(Path(path).resolve())).ok()


def test_no_dnsmasq(still: Instance) -> None:
    hide(still, "dnsmasq")
    still.start_daemon()
    still.busybox("rootfs")
    card = CARD.format(type="network", mac="52:54:00:00:00:01", source="default")
    still.define(document(devices=card).replace("{root}", str(still.root)))
    cause = (
        "there is no program 'dnsmasq' (install it: apt install dnsmasq-base, dnf install dnsmasq,"
        " zypper install dnsmasq, apk add dnsmasq)\n"
    )
    said = refuse(still, lambda: still.virtlxc("net-start", "default"))
    assert said == (
        "error: Failed to start network default\n"
        f"error: cannot start network 'default': DHCP and DNS: {cause}"
    )
    said = refuse(still, lambda: still.virtlxc("start", "bad"))
    assert said == (
        "error: Failed to start domain 'bad'\n"
        "error: cannot start domain 'bad': attach its interfaces: cannot start network 'default':"
        f" DHCP and DNS: {cause}"
    )


def test_a_bridge_needs_neither_dnsmasq_nor_nft(still: Instance) -> None:
    for program in ("dnsmasq", "nft"):
        hide(still, program)
    still.start_daemon()
    still.busybox("rootfs")
    bridge = still.bridge("br0", "10.9.0.1/24")
    mac = "52:54:00:00:00:01"
    card = CARD.format(type="bridge", mac=mac, source=bridge)
    card = card.replace("</interface>", "<ip address='10.9.0.2' prefix='24'/></interface>")
    still.define(document(devices=card).replace("{root}", str(still.root)))
    still.virtlxc("start", "bad").ok()
    ports = json.loads(still.run("ip", "-j", "link", "show", "master", bridge).ok())
    (cards,) = still.virtlxc("domiflist", "bad").ok().splitlines()[2:-1]
    assert cards.split() == [ports[0]["ifname"], "bridge", bridge, "-", mac]
    assert len(ports) == 1
    still.run("busybox", "ping", "-c", "1", "-W", "5", "10.9.0.2").ok()
    assert mac in still.run("ip", "neighbour", "show", "10.9.0.2").ok()
    # What needs them says so, beside a domain that runs.
    assert refuse(still, lambda: still.virtlxc("net-start", "default")) == (
        "error: Failed to start network default\n"
        "error: cannot start network 'default': firewall rules: there is no program 'nft' (install"
        " it: apt install nftables, dnf install nftables, zypper install nftables, apk add"
        " nftables)\n"
    )
    still.virtlxc("destroy", "bad").ok()


def test_a_hidden_cgroup2(still: Instance) -> None:
    """The kernel's table still has it: what lies there now must not be taken for it."""
    (point,) = (mount for mount in cgroup_mounts() if (mount / "cgroup.controllers").exists())
    still.run("mount", "-t", "tmpfs", "none", str(point)).ok()
    still.start_daemon()
    still.busybox("rootfs")
    still.define(document().replace("{root}", str(still.root)))
    cause = f"cgroup2 is mounted at {point}, where something else is mounted over it"
    mend = "unmount what hides it, or run the daemon in the host's mount namespace"
    said = refuse(still, lambda: still.virtlxc("start", "bad"))
    assert f"cannot start domain 'bad': look at the host: {cause}" in said and mend in said
    said = still.virtlxc("host-validate").stdout
    assert f"FAIL mounted at {point}, and hidden by what is mounted over it" in said
    assert mend in said
    still.run("umount", str(point)).ok()


def test_no_free_subnet(still: Instance) -> None:
    still.bridge("all0")
    for net in ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"):
        still.run("ip", "route", "add", net, "dev", "all0").ok()
    still.start_daemon()
    said = refuse(still, lambda: still.virtlxc("net-start", "default"))
    assert said == (
        "error: failed to get network 'default'\n"
        "error: Network not found: no network with matching name 'default'; none could be made: no"
        " free subnet for a new network: 192.168.122-254.0/24, 10.122-254.122.0/24 and"
        " 172.16-31.122.0/24 are all taken by the route to 192.168.0.0/16 by interface 'all0', the"
        " route to 10.0.0.0/8 by interface 'all0', the route to 172.16.0.0/12 by interface 'all0'"
        " (define the network with an <ip> of its own)\n"
    )


class Hidden(Instance):
    """Its folder of live state is a mount that only its own namespace has."""

    def _daemon_answers(self) -> bool:
        return self.run("test", "-S", self.paths.socket).code == 0


def test_no_space_for_live_state() -> None:
    still = Hidden(start=False)
    run = still.paths.run
    Path(run).mkdir(parents=True)
    try:
        still.run("mount", "-t", "tmpfs", "-o", "size=256k", "none", run).ok()
        still.start_daemon()
        still.busybox("rootfs")
        still.define(document().replace("{root}", str(still.root)))
        still.run("dd", "if=/dev/zero", f"of={run}/fill", "bs=4k").failed()
        before = still.run("ls", "-AR", run).ok()
        said = still.virtlxc("start", "bad").failed().lstrip("\n")
        (uuid,) = still.virtlxc("domuuid", "bad").ok().split()
        assert said == (
            "error: Failed to start domain 'bad'\n"
            f"error: cannot start domain 'bad': write the journal: {run}/{uuid}/journal: No space"
            " left on device (free some space on its filesystem; nothing was changed)\n"
        )
        assert still.run("ls", "-AR", run).ok() == before
        assert still.cgroups() == []
        still.run("rm", f"{run}/fill").ok()
        still.virtlxc("start", "bad").ok()
        still.virtlxc("destroy", "bad").ok()
        still.stop_daemon()
    finally:
        still.run("umount", "-l", run)
        still.close()


def test_a_socket_that_another_daemon_has(still: Instance) -> None:
    """Another program answers at the socket's path: not our lock, but somebody's daemon."""
    still.start_daemon()
    other = Instance(start=False)
    try:
        folder = Path(other.paths.run)
        folder.mkdir(parents=True)
        (folder / "virtlxc-sock").symlink_to(still.paths.socket)
        result = other.virtlxc("daemon")
        title = " ".join(
            ("virtlxc", "daemon", "--root", str(still.root))
        )
        assert result.code == 1
        assert result.stderr.splitlines()[-1] == (
            f"error: cannot listen at {other.paths.socket}: process {still.daemon_pid} ({title})"
            " answers there (stop it, or use another --root)"
        )
        assert still.domains() == []
        # The same root twice: the lock tells.
        said = refuse(still, lambda: still.virtlxc("daemon"))
        assert said == (
            f"error: cannot run the daemon: process {still.daemon_pid} is the daemon of"
            f" {still.root} already (use it, stop it, or give another --root)\n"
        )
    finally:
        other.close()
