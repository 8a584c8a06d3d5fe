"""Our documents of devices and interfaces against those of libvirt's own drivers, on this host.

They run without udevd: they look at sysfs when they start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests import peers
from tests.harness import Instance, wait_for
from tests.namespaces import Result

pytestmark = pytest.mark.interop

LINKS = (
    "link add near0 address 52:54:00:99:00:01 type veth peer name far0 address 52:54:00:99:00:02",
    "link add br0 address 52:54:00:99:00:03 type bridge",
    "link set far0 master br0",
    "link set near0 up",
    "link set far0 up",
)
Ask = Callable[[str], Result]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    daemon = peers.Libvirtd(tmp_path_factory.mktemp("libvirtd"))
    try:
        for words in LINKS:
            daemon.spaces.run("ip", *words.split()).ok()
        daemon.restart()

        def ask(words: str) -> Result:
            return daemon.spaces.run("virsh", "-c", "lxc:///system", *words.split())

        wait_for("its list", lambda: "near0" in ask("nodedev-list").stdout)
        yield ask
    finally:
        daemon.close()


@pytest.fixture(scope="module")
def ours(shared_instance: Instance) -> Iterator[Ask]:
    for words in LINKS:
        shared_instance.run("ip", *words.split()).ok()
    yield lambda words: shared_instance.virtlxc(*words.split())
    for name in ("near0", "br0"):
        shared_instance.run("ip", "link", "del", name).ok()


def test_the_same_devices(theirs: Ask, ours: Ask) -> None:
    for words in ("nodedev-list", "nodedev-list --tree", "nodedev-list --cap pci,storage"):
        assert ours(words).ok().split() == theirs(words).ok().split()


def test_the_same_documents(theirs: Ask, ours: Ask) -> None:
    for name in ours("nodedev-list").ok().split():
        words = f"nodedev-dumpxml {name}"
        assert same(ours(words).ok()) == same(theirs(words).ok()), name


def same(document: str) -> str:
    """Without firmware's tables libvirt gives the machine no UUID; ours is the host's own."""
    return re.sub(r"<uuid>[0-9a-f-]{36}</uuid>", "<uuid/>", document).strip()


def test_the_same_interfaces(theirs: Ask, ours: Ask) -> None:
    for words in ("iface-list", "iface-list --all", "iface-list --inactive"):
        assert ours(words).ok().split() == theirs(words).ok().split()
    for name in ("lo", "br0", "near0", "far0"):
        words = f"iface-dumpxml {name}"
        assert ours(words).ok().split() == theirs(words).ok().split()
