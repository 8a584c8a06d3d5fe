"""An unmodified Debian with systemd as its init, in a container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.host.guestlab import PASSWORD, Guest, guest
from tests.terminal import Terminal

pytestmark = [pytest.mark.host, pytest.mark.guests]


@pytest.fixture(scope="module", params=["user namespace", "root"])
def booted(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A guest on a virtual network that has booted."""
    instance = Instance()
    try:
        found = guest(instance, "deb", userns=request.param == "user namespace", network=True)
        yield found.start().up()
    except BaseException:
        print(instance.facts())
        raise
    finally:
        instance.close()


def test_it_knows_that_it_is_a_container(booted: Guest) -> None:
    assert booted.run("systemd-detect-virt").ok() == "lxc-libvirt\n"
    assert booted.run("cat", "/run/host/container-manager").ok() == "lxc-libvirt\n"
    uuid = booted.instance.virtlxc("domuuid", "deb").ok().strip()
    assert booted.run("cat", "/etc/machine-id").ok().strip() == uuid.replace("-", "")


def test_nothing_failed(booted: Guest) -> None:
    failed = booted.run("systemctl", "--failed", "--plain", "--no-legend", "--no-pager").ok()
    assert failed == ""
    assert booted.run("systemctl", "is-system-running").ok() == "running\n"


def test_a_lease_and_its_name(booted: Guest) -> None:
    address = booted.address()
    inside = booted.run("ip", "-4", "-o", "address", "show", "eth0").ok()
    assert f"inet {address}/24" in inside
    assert re.search(
        rf"{address}.* deb ", booted.instance.virtlxc("net-dhcp-leases", "default").ok()
    )


def test_messages_of_its_journal_are_in_its_log(booted: Guest) -> None:
    """Not on its console, where they would be in the way of who works there."""
    booted.run("logger", "-t", "shop", "sold", "out").ok()
    log = booted.wait_log("shop: sold out")
    assert re.search(r"^\w{3} [ \d]\d [\d:]{8} shop: sold out$", log, re.M)
    assert "systemd-logind[" in log, "services speak there, too"


@pytest.mark.parametrize("device", ["console0", "console1"])
def test_login_on_both_consoles(booted: Guest, device: str) -> None:
    console = Terminal(
        booted.instance.spaces,
        booted.instance.argv("console", "deb", device),
        booted.instance.environment(),
    )
    try:
        console.expect("Escape character")
        console.type("\r")
        console.expect("deb login: ")
        console.type("root\r")
        console.expect("Password: ")
        console.type(f"{PASSWORD}\r")
        console.expect("root@deb:~# ", 30)
        console.type("tty; loginctl --no-legend list-sessions | wc -l\r")
        console.expect("/dev/console" if device == "console0" else "/dev/pts/1")
        console.type("exit\r")
        console.expect("deb login: ", 30)
        console.type("\x1d")
        assert console.end() == 0
    finally:
        console.close()


def test_the_host_reaches_its_sshd(booted: Guest) -> None:
    tree = peers.fetch("ssh")
    address = booted.address()
    key = booted.instance.root / "key"
    ssh_keygen = tree.argv("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    booted.instance.run(*ssh_keygen).ok()
    booted.run("mkdir", "-p", "-m", "700", "/root/.ssh").ok()
    public = key.with_suffix(".pub").read_text()
    booted.run("sh", "-c", "cat >/root/.ssh/authorized_keys", input=public).ok()
    options = (
        *("-i", str(key), "-F", "/dev/null", "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    )
    login = tree.argv(
        "ssh", *options, f"root@{address}", "hostname; id -u; cat /proc/self/loginuid"
    )
    said = booted.instance.run(*login).ok().split()
    assert said[:2] == ["deb", "0"]


def test_suspended_it_stands_still(booted: Guest) -> None:
    counting = "while :; do date +%N >/run/n.new; mv /run/n.new /run/n; done"
    booted.run("systemd-run", "--unit=count", "sh", "-c", counting).ok()
    wait_for("it counts", lambda: (booted.inside / "run/n").exists())
    booted.instance.virtlxc("suspend", "deb").ok()
    assert booted.state() == "paused"
    assert any("frozen 1" in path.read_text() for path in _cgroup_files(booted, "cgroup.events"))
    first = (booted.inside / "run/n").read_text()
    booted.instance.virtlxc("resume", "deb").ok()
    wait_for("it counts again", lambda: (booted.inside / "run/n").read_text() != first)
    booted.run("systemctl", "stop", "count").ok()


def _cgroup_files(booted: Guest, name: str) -> list[Path]:
    return [file for group in booted.instance.cgroups() for file in group.rglob(name)]


def test_reboot_and_poweroff(booted: Guest) -> None:
    """From outside and from inside, in order: services are stopped by systemd itself."""
    booted.run(
        "sh",
        "-c",
        "mkdir -p /run/systemd/system; printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n"
        'ExecStart=true\\nExecStop=sh -c "echo >>/root/stops stopped"\\n\''
        " >/etc/systemd/system/marks.service; systemctl daemon-reload; systemctl start marks",
    ).ok()
    for act in (_reboot_outside, _reboot_inside):
        before = _init(booted)
        act(booted)
        wait_for("another init", lambda: _init(booted) not in ("-", before))  # noqa: B023
        booted.up()
        assert (booted.files / "root/stops").read_text().splitlines() == ["stopped"]
        booted.run("rm", "/root/stops").ok()
        booted.run("systemctl", "start", "marks").ok()
    booted.instance.virtlxc("shutdown", "deb", "--wait").ok()
    assert (booted.files / "root/stops").read_text() == "stopped\n"
    booted.start().up()
    booted.run("systemctl", "poweroff")
    wait_for("it is off", lambda: booted.state() == "shut off")
    booted.start().up()


def _init(booted: Guest) -> str:
    """The domain's id: the pid of its init."""
    return booted.instance.virtlxc("domid", "deb").ok().strip()


def _reboot_outside(booted: Guest) -> None:
    booted.instance.virtlxc("reboot", "deb").ok()


def _reboot_inside(booted: Guest) -> None:
    booted.run("systemctl", "reboot")
