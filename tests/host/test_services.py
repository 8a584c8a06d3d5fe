"""A host with systemd, as a container of ours: what needs neither another kernel nor a reboot.

The checks are those that the virtual machine makes (tests/vm/systemd_inside.py), at the speed of
this machine; virtlxc in there is a virtlxc inside of virtlxc.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import distributions
from tests.harness import Instance
from tests.host.guestlab import BOOT_S, Guest
from tests.vm import host_image, systemd_inside, systemd_tools

pytestmark = [pytest.mark.host, pytest.mark.systemd, pytest.mark.guests]
# They need a controller on cgroup v2, or half a minute.
ELSEWHERE = {
    systemd_inside.controllers_that_systemd_does_not_delegate_are_one_clear_error,
    systemd_inside.the_watchdog_is_fed,
}
CHECKS = [check.__name__ for check in systemd_inside.FIRST if check not in ELSEWHERE]
DOMAIN = """\
<domain type='lxc'>
  <name>host</name>
  <metadata>
    <virtlxc:container xmlns:virtlxc='urn:virtlxc:domain:1' nesting='yes'/>
  </metadata>
  <memory unit='GiB'>2</memory>
  <os><type>exe</type><init>/sbin/init</init></os>
  <features><privnet/><capabilities policy='allow'/></features>
  <devices>
    <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    <console type='pty'/>
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def problems() -> Iterator[dict[str, str]]:
    """What each check has to say, empty when all is well."""
    instance = Instance()
    try:
        root = instance.root / "host"
        make(root)
        instance.define(DOMAIN.format(root=root))
        host = Guest(instance, "host", root).start().up()
        program = f"{host_image.CODE}/tests/vm/systemd_inside.py"
        environment = f"PYTHONPATH={host_image.CODE}"
        host.run("env", environment, "python3", program, *CHECKS, timeout=4 * BOOT_S).ok()
        lines = (root / str(systemd_tools.RESULTS).lstrip("/") / "results").read_text()
        yield {row["name"]: row["problem"] for row in map(json.loads, lines.splitlines())}
    finally:
        instance.close()


def make(root: Path) -> None:
    root.mkdir()
    distributions.unpack("host", root)
    host_image.add_code(root)
    host_image.add_guest(root)
    host_image.mask(root)
    (root / "results").mkdir()


@pytest.mark.parametrize("check", CHECKS)
def test_holds_in_a_container(check: str, problems: dict[str, str]) -> None:
    assert problems[check] == ""
