"""Debians that boot with sysvinit, alone and with OpenRC: login, lease, reboot and end."""

from __future__ import annotations

import pytest

from tests.harness import Instance, wait_for
from tests.host.guestlab import BOOT_S, PASSWORD, Guest, guest
from tests.terminal import Terminal

pytestmark = [pytest.mark.host, pytest.mark.guests]


@pytest.mark.parametrize("of", ["sysvinit", "openrc"])
def test_login_lease_reboot_and_end(instance: Instance, of: str) -> None:
    found = guest(instance, "old", of=of, network=True).start()
    assert found.address() in found.run("ip", "-4", "address", "show", "eth0").ok()
    found.wait_log("old login: ")
    assert found.run("readlink", "/proc/1/exe").ok().endswith("/sbin/init\n")
    if of == "openrc":
        _runs_services(found)
    _log_in(instance)
    first = instance.virtlxc("domid", "old").ok()
    prompts = _prompts(found)
    instance.virtlxc("reboot", "old").ok()
    wait_for("another init", lambda: instance.virtlxc("domid", "old").ok() not in (first, "-\n\n"))
    # Until it has booted, init takes no requests.
    wait_for("the next prompt", lambda: _prompts(found) > prompts, BOOT_S)
    found.address()
    instance.virtlxc("shutdown", "old", "--wait").ok()
    assert found.state() == "shut off"
    prompts = _prompts(found)
    found.start().address()
    wait_for("the prompt of another start", lambda: _prompts(found) > prompts, BOOT_S)
    found.run("poweroff")
    wait_for("its end from inside", lambda: found.state() == "shut off", BOOT_S)
    instance.virtlxc("net-destroy", "default").ok()


def _prompts(found: Guest) -> int:
    """How often it has asked for a login, in all of its boots."""
    return found.log().count("old login: ")


def _runs_services(found: Guest) -> None:
    """OpenRC has brought up what belongs to its runlevel, in a container of libvirt's kind."""
    said = found.run("rc-status", "--all", "--nocolor").ok()
    assert "Runlevel: default" in said
    assert " crashed " not in said
    assert "started" in next(line for line in said.splitlines() if "networking" in line)


def _log_in(instance: Instance) -> None:
    console = Terminal(instance.spaces, instance.argv("console", "old"), instance.environment())
    try:
        console.expect("old login: ")
        console.type("root\r")
        console.expect("Password: ")
        console.type(f"{PASSWORD}\r")
        console.expect("root@old:~# ", 30)
        console.type("exit\r\x1d")
        assert console.end() == 0
    finally:
        console.close()
