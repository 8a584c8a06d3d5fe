"""What libvirt's own compatibility suite asks, by the same library, on every run of ours.

The suite itself is not ours to keep: ``tox -e tck`` runs it from a checkout.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import Instance
from tests.interop.virsh import DOMAIN, Virsh

pytestmark = pytest.mark.interop

PROGRAM = Path(__file__).parent / "clients" / "behaviours.pl"
CARD = "<interface type='bridge'><source bridge='br0'/></interface><console"
SAME = (
    "transient: runs", "transient: no autostart", "transient: gone", "persistent: rests",
    "persistent: runs", "persistent: not twice", "persistent: rests again",
    "inactive: no destroy", "autostart on", "autostart off", "persistent: gone",
    "a transient one becomes persistent", "define: other uuid", "define: other name",
    "make: other uuid", "make: other name", "the first one stays",
)  # fmt: skip
NAMES = (
    *(f"{kind}: {name}" for kind in ("domain", "network", "pool") for name in SAME),
    *(f"domain: inactive: no {call}" for call in ("suspend", "resume", "shutdown", "reboot")),
    *(
        f"interface parameters: {way}bound.{rate}"
        for way in ("in", "out")
        for rate in ("average", "burst", "peak")
    ),
)


@pytest.fixture(scope="module")
def seen(shared_instance: Instance) -> Iterator[dict[str, str]]:
    """Name of each check -> ``ok`` or ``not ok``."""
    shared_instance.bridge("br0")
    folder = shared_instance.root / "pools"
    folder.mkdir()
    xml = DOMAIN.format(name="tck", root=shared_instance.busybox(), init="/sbin/init")
    file = shared_instance.write("tck.xml", xml.replace("<console", CARD))
    environment = peers.virsh().environment()
    words = [f"{name}={environment[name]}" for name in ("LD_LIBRARY_PATH", "PERL5LIB")]
    uri = Virsh(shared_instance).uri
    ran = shared_instance.run("env", *words, "perl", str(PROGRAM), uri, file, str(folder))
    rows = [line.partition("ok ") for line in ran.ok().splitlines()]
    yield {name: before + "ok" for before, _, name in rows}


@pytest.mark.parametrize("name", NAMES)
def test_a_behaviour(seen: dict[str, str], name: str) -> None:
    assert seen.get(name) == "ok"


def test_no_check_is_left_out(seen: dict[str, str]) -> None:
    assert sorted(seen) == sorted(NAMES)
