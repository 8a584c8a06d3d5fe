"""What the kernel counts for each user it counts for each container apart."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Instance, wait_for

pytestmark = pytest.mark.host

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
NS_GET_OWNER_UID = 0xB704  # ioctl_ns(2)
# All that it can have, which it keeps.
GREEDY = """import ctypes, resource, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
libc = ctypes.CDLL(None)
count = 0
while libc.inotify_init1(0) >= 0:
    count += 1
print("has", count, flush=True)
time.sleep(3600)
"""
DOMAIN = """<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <os><type>exe</type><init>/usr/bin/python3</init><initarg>/mnt/it.py</initarg></os>
  <idmap><uid start='0' target='{root}' count='{count}'/>
    <gid start='0' target='{root}' count='{count}'/></idmap>
  {features}
  <devices>
    <filesystem type='mount'><source dir='{folder}'/><target dir='/mnt'/><readonly/></filesystem>
    <console type='pty'/>
  </devices>
  {more}
</domain>"""


@pytest.fixture
def instance() -> Iterator[Instance]:
    made = Instance()
    try:
        yield made
    finally:
        made.close()


def _start(
    instance: Instance, name: str, root: int, *, count: int = 65536, share: str = ""
) -> None:
    """A container of the host's programs, whose root is the host's id ``root``."""
    folder = instance.root / f"greedy-{name}"
    folder.mkdir()
    (folder / "it.py").write_text(GREEDY)
    os.chown(folder, root, root)
    more = f"<lxc:namespace><lxc:sharenet type='name' value='{share}'/></lxc:namespace>"
    instance.define(
        DOMAIN.format(
            name=name, root=root, count=count, folder=folder,
            features="" if share else "<features><privnet/></features>", more=more if share else "",
        )
    )  # fmt: skip
    instance.virtlxc("start", name).ok()


def _has(instance: Instance, name: str) -> int:
    """The inotify instances that the container has got."""
    log = wait_for(
        f"{name} to have what it can",
        lambda: said if "has " in (said := instance.virtlxc("logs", name).ok()) else "",
    )
    return int(log.partition("has ")[2].split()[0])


def _owner(instance: Instance, name: str) -> int:
    """Whose the container's user namespace is."""
    pid = instance.virtlxc("domid", name).ok().strip()
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    try:
        answer = fcntl.ioctl(fd, NS_GET_OWNER_UID, struct.pack("=I", 0))
    finally:
        os.close(fd)
    return int(struct.unpack("=I", answer)[0])


def test_one_guest_cannot_use_up_the_inotify_instances_of_another(instance: Instance) -> None:
    limit = int(LIMIT.read_text())
    _start(instance, "first", 3 << 20)
    assert _has(instance, "first") == limit
    _start(instance, "second", 4 << 20)
    assert _has(instance, "second") == limit
    assert (_owner(instance, "first"), _owner(instance, "second")) == (3 << 20, 4 << 20)


def test_a_guest_that_joins_anothers_network_counts_apart_too(instance: Instance) -> None:
    _start(instance, "first", 3 << 20)
    assert _has(instance, "first") > 0
    _start(instance, "second", 4 << 20, share="first")
    assert _has(instance, "second") == int(LIMIT.read_text())
    assert _owner(instance, "second") == 4 << 20


@pytest.mark.kernel
def test_no_account_of_the_host_owns_a_container(instance: Instance) -> None:
    """Its people would be root in there, with every capability."""
    nobody = next(
        int(line.split(":")[2])
        for line in Path("/etc/passwd").read_text().splitlines()
        if line.startswith("nobody:")
    )
    _start(instance, "borrowed", nobody, count=1)
    assert _owner(instance, "borrowed") == 0
