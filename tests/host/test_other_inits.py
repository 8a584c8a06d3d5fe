"""A Debian that boots with sysvinit: login, lease, reboot and end."""

from __future__ import annotations

import pytest

from tests.harness import Instance, wait_for
from tests.host.guestlab import BOOT_S, PASSWORD, guest
from tests.terminal import Terminal

pytestmark = [pytest.mark.host, pytest.mark.guests]


def test_sysvinit(instance: Instance) -> None:
    found = guest(instance, "old", of="sysvinit", network=True).start()
    assert found.address() in found.run("ip", "-4", "address", "show", "eth0").ok()
    found.wait_log("old login: ")
    assert found.run("readlink", "/proc/1/exe").ok().endswith("/sbin/init\n")
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
    first = instance.virtlxc("domid", "old").ok()
    prompts = found.log().count("old login: ")
    instance.virtlxc("reboot", "old").ok()
    wait_for("another init", lambda: instance.virtlxc("domid", "old").ok() not in (first, "-\n\n"))
    # Until it has booted, init takes no requests.
    wait_for("the next prompt", lambda: found.log().count("old login: ") > prompts, BOOT_S)
    found.address()
    instance.virtlxc("shutdown", "old", "--wait").ok()
    assert found.state() == "shut off"
    instance.virtlxc("net-destroy", "default").ok()
