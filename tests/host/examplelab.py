"""The host of the examples: a mount namespace with empty /srv, /run and /var/lib, a /dev that test
devices can be put into, and bridges and cards in a network namespace.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests import peers, rootfs
from tests.harness import Instance
from tests.host.blocklab import ext4, image
from tests.host.lifelab import Lab
from tests.host.switchlab import WithSwitch
from virtlxc.model import Domain

ACCOUNTS = {"runner": 1000, "user": 1001}

# The host of the examples; "$1" is a folder with images for devices, "$2" one for its own folders.
HOST = r"""
set -e
mkdir -p /tmp/olddev
mount --rbind /dev /tmp/olddev
mount -t tmpfs -o mode=755 dev /dev
for name in pts shm mqueue hugepages; do
    [ -d /tmp/olddev/$name ] || continue
    mkdir /dev/$name
    mount --rbind /tmp/olddev/$name /dev/$name
done
find /tmp/olddev -mindepth 1 -maxdepth 1 ! -name pts ! -name shm ! -name mqueue \
    ! -name hugepages -exec cp -a -t /dev {} +
umount -R -l /tmp/olddev
rmdir /tmp/olddev
mount -t tmpfs -o mode=755 host /run
# On a disk: a tmpfs takes idmapped mounts from Linux 6.3 on only.
for place in /srv /var/lib; do
    mkdir -p "$2$place"
    mount --bind "$2$place" $place
done
mkdir /run/netns /dev/vg0
for name in mysql broken backup; do
    cp -a $(losetup --find --show $1/$name) /dev/vg0/$name
done
for bridge in br0 br-inner virbr0; do
    ip link add $bridge type bridge
    ip link set $bridge up
done
ip address add 192.0.2.1/24 dev br0
for card in lan0 wan0; do
    ip link add $card type veth peer name $card-far
    ip link set $card up
    ip link set $card-far up
done
ip address add 198.51.100.1/24 dev wan0-far
ip netns add vpn
ip netns exec vpn ip link add tunnel7 type veth peer name tunnel8
"""


class Host(Lab):
    """The instance, and what the tests ask it."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.helpers: list[subprocess.Popen[bytes]] = []

    def root(self, domain: Domain) -> Path:
        """Where the example's root is, for us; filled by the first that asks."""
        source = domain.root.source if domain.root is not None else None
        assert source
        folder = self.instance.seen(Path(source))
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            rootfs.make_busybox(folder)
            passwd = folder / "etc/passwd"
            group = folder / "etc/group"
            for name, number in ACCOUNTS.items():
                passwd.write_text(passwd.read_text() + f"{name}:x:{number}:{number}::/:/bin/sh\n")
                group.write_text(group.read_text() + f"{name}:x:{number}:\n")
        return folder

    def put(self, domain: Domain, script: str) -> None:
        """The program that the example names, as a script."""
        root, init = self.root(domain), domain.os.init or ""
        path = root / init.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        for filesystem in domain.filesystems:  # a root that is read-only must have its places
            (root / filesystem.target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        rootfs.script(root, init, program(script))


def program(script: str) -> str:
    """What stands in the place of an example's program: it tells, and waits."""
    return f"#!/bin/sh\n{script}\necho END\nexec sleep 1000\n"


def _instance() -> Instance:
    """With a switch, where that can be had."""
    try:
        return WithSwitch(start=False)
    except peers.Unavailable:
        return Instance(start=False)


@contextlib.contextmanager
def example_host() -> Iterator[Host]:
    """A host with all that the examples name, but for their roots."""
    instance = _instance()
    try:
        images = instance.root / "images"
        images.mkdir()
        for name in ("mysql", "broken", "backup"):
            made = image(images / name)
            if name == "mysql":
                ext4(made)
        disk = instance.root / "disk"
        instance.run("sh", "-c", HOST, "sh", str(images), str(disk)).ok()
        if isinstance(instance, WithSwitch):
            instance.begin()
        instance.own_links |= set(instance.links())
        for place in ("/srv/www", "/srv/data/db1", "/srv/data/nested", "/srv/ci/cache"):
            instance.seen(Path(place)).mkdir(parents=True)
        for place in ("in", "out"):
            instance.seen(Path("/srv/jobs", place)).mkdir(parents=True)
        instance.start_daemon()
        host = Host(instance)
        yield host
        for helper in host.helpers:
            helper.terminate()
            helper.wait()
    finally:
        try:
            instance.run("sh", "-c", "losetup -d /dev/vg0/* 2>/dev/null; ip netns del vpn")
        finally:
            instance.close()
