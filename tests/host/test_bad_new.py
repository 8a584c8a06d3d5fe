"""``new`` refuses in exact words, and leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Instance
from tests.host.badlab import furnish, refuse

pytestmark = pytest.mark.host

NEW = {
    "a name in use": (
        ("taken",),
        "Failed to make domain 'taken'\nerror: cannot make 'taken': there is a domain of that name"
        " (choose another, or remove that one: virtlxc delete, or undefine)",
    ),
    "a forbidden name": (
        ("b/x",),
        "Failed to make domain 'b/x'\nerror: cannot make 'b/x': a name has 1 to 200 bytes, no '/'"
        " and no leading '.'",
    ),
    "no such template": (
        ("box", "--template", "none"),
        "Failed to make domain 'box'\nerror: there is no template 'none' (there is: busybox, copy,"
        " debian, tarball)",
    ),
    "no such network": (
        ("box", "--network", "lab"),
        "Failed to make domain 'box'\nerror: cannot make 'box': there is no network 'lab' (there"
        " is: default; name one: --network NAME, or leave it without: --no-network)",
    ),
    "multicast MAC": (
        ("box", "--mac", "01:00:5e:00:00:01"),
        "Failed to make domain 'box'\nerror: cannot make 'box': 01:00:5e:00:00:01 is a multicast"
        " address (the second digit must be even)",
    ),
    "negative memory": (
        ("box", "--memory", "-3"),
        "'-3' is not a size; write for example 512M or 2G",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    made = Instance()
    try:
        furnish(made)
        yield made
    finally:
        made.close()


@pytest.fixture
def still() -> Iterator[Instance]:
    """An instance of a test's own, without a daemon yet."""
    made = Instance(start=False)
    yield made
    made.close()


@pytest.mark.parametrize("what", list(NEW))
def test_new_refuses(instance: Instance, what: str) -> None:
    arguments, words = NEW[what]
    template = () if "--template" in arguments else ("--template", "busybox")
    said = refuse(instance, lambda: instance.virtlxc("new", *arguments, *template))
    assert said == f"error: {words}\n"


def test_new_on_a_full_disk(still: Instance) -> None:
    still.start_daemon()
    guests = f"{still.paths.lib}/guests"
    still.run("mkdir", "-p", guests).ok()
    still.run("mount", "-t", "tmpfs", "-o", "size=600k", "none", guests).ok()
    try:
        said = still.virtlxc("new", "box", "--template", "busybox").failed().lstrip("\n")
        assert said == (
            "error: Failed to make domain 'box'\n"
            f"error: cannot make 'box': write {guests}/box: No space left on device (free some"
            " space on its filesystem; nothing was changed)\n"
        )
        assert still.run("ls", "-A", guests).ok() == ""
        assert still.domains("--all") == []
        assert still.id_ranges() == []
    finally:
        still.run("umount", guests).ok()
    still.virtlxc("new", "box", "--template", "busybox").ok()
    assert len(still.id_ranges()) == 1
    still.virtlxc("delete", "box").ok()
    assert still.id_ranges() == []


def test_new_that_does_not_start(instance: Instance) -> None:
    """The domain is there then, and what failed is called by its name."""
    lab = "<network><name>lab</name><forward mode='bridge'/><bridge name='no0'/></network>"
    instance.virtlxc("net-define", instance.write("lab.xml", lab)).ok()
    result = instance.virtlxc(
        "new", "box", "--template", "busybox", "--network", "lab", "--start"
    )
    assert result.code == 1
    assert result.stdout.endswith("Domain 'box' made\n\n")
    assert result.stderr.lstrip("\n") == (
        "error: Failed to start domain 'box'\n"
        "error: cannot start domain 'box': attach its interfaces: cannot start network 'lab': there"
        " is no bridge 'no0' (create it: ip link add no0 type bridge)\n"
    )
    assert "box" in instance.domains("--all")
    instance.virtlxc("delete", "box").ok()
    instance.virtlxc("net-undefine", "lab").ok()
