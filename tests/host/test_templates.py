"""Guests from a Debian mirror, from archives and from other domains; and what goes wrong there.

The mirror is a part of Debian's own, served inside the test's network namespace.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests import distributions, peers, rootfs
from tests.harness import CHECKOUT, Instance, wait_for
from tests.host.guestlab import Guest
from tests.host.mirrorlab import ADDRESS, MIRROR, mirror
from tests.namespaces import Result

pytestmark = [pytest.mark.host, pytest.mark.guests]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZfZm9yIHRlc3RzIG9ubHkgICAgICAgICAgICAg test\n"


@pytest.fixture(autouse=True)
def builder(instance: Instance) -> None:
    """mmdebstrap, where the host has none: unpacked, and seen by this instance alone."""
    if not shutil.which("mmdebstrap"):
        place = "/usr/local/sbin"
        instance.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place).ok()
        instance.run("cp", peers.fetch("mmdebstrap").program("mmdebstrap"), place).ok()


def new(instance: Instance, name: str, template: str, *words: str, timeout: float = 120) -> Result:
    return instance.virtlxc("new", name, "--template", template, *words, timeout=timeout)


def nothing_of(instance: Instance, name: str) -> None:
    """No definition, no files, nothing in the cache, no builder that still runs."""
    assert name not in instance.domains("--all")
    lib = Path(instance.paths.lib)
    for folder in ("guests", "cache"):
        wait_for(f"nothing in {folder}", lambda f=folder: not any((lib / f).glob("*")))  # type: ignore[misc]
    assert not any("mmdebstrap" in title for title in instance.spaces.members().values())


def at(instance: Instance, name: str) -> Guest:
    return Guest(instance, name, Path(instance.paths.lib) / "guests" / name / "rootfs")


@pytest.mark.installs
@pytest.mark.timeout(900)
def test_a_debian_from_its_mirror(instance: Instance) -> None:
    """Once from the mirror, with Debian's own signatures; then, with no mirror, from the cache."""
    key = instance.write("key.pub", KEY)
    words = ("--mirror", MIRROR, "--ssh-key", key, "--start")
    with mirror(instance, distributions.mirror_folder()):
        said = new(instance, "web", "debian", *words, timeout=600).ok()
    assert "Domain 'web' made" in said and "started" in said
    web = at(instance, "web").up()
    assert web.address() in web.run("ip", "-4", "address", "show", "eth0").ok()
    assert web.run("hostname").ok() == "web\n"
    assert web.run("cat", "/root/.ssh/authorized_keys").ok() == KEY
    assert web.run("cat", "/proc/self/uid_map").ok().split()[:2] != ["0", "0"]
    assert web.run("getcap", "/usr/bin/ping").code in (0, 127)
    assert web.run("ping", "-c", "1", "-W", "5", "192.168.122.1").code == 0, "file capabilities"
    assert web.run("grep", "^root:", "/etc/shadow").ok().startswith("root:*:")
    said = new(instance, "two", "debian", "--mirror", MIRROR, "--start").ok()
    assert "root's password is " in said, "without a key there is a password, told once"
    two = at(instance, "two").up()
    keys = [guest.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").ok() for guest in (web, two)]
    assert keys[0] != keys[1], "host keys are each guest's own"
    ids = [guest.run("cat", "/etc/machine-id").ok() for guest in (web, two)]
    assert ids[0] != ids[1]
    for name in ("web", "two"):
        instance.virtlxc("shutdown", name, "--wait").ok()
    _copy_of(instance, web)
    for name in ("web", "two", "three"):
        instance.virtlxc("delete", name).ok()
    instance.virtlxc("net-destroy", "default").ok()


def _copy_of(instance: Instance, web: Guest) -> None:
    new(instance, "three", "copy", web.name, "--start").ok()
    three = at(instance, "three").up()
    assert three.run("hostname").ok() == "three\n"
    assert three.run("cat", "/root/.ssh/authorized_keys").ok() == KEY
    assert three.run("ping", "-c", "1", "-W", "5", "192.168.122.1").code == 0
    said = new(instance, "four", "copy", "three").failed()
    assert "cannot make 'four': 'three' is running, and its files change" in said
    instance.virtlxc("shutdown", "three", "--wait").ok()


def test_a_mirror_that_is_not_there_has_no_such_suite_or_lies(
    instance: Instance, tmp_path: Path
) -> None:
    said = new(instance, "g", "debian", "--mirror", f"http://{ADDRESS}:9/debian").failed()
    assert f"fetch suite 'bookworm' from http://{ADDRESS}:9/debian: the mirror cannot be" in said
    nothing_of(instance, "g")
    real = distributions.mirror_folder()
    index = real / "debian/dists/bookworm/InRelease"
    false = tmp_path / "false/debian/dists/bookworm"
    false.mkdir(parents=True)
    text = index.read_text()
    assert "Origin: Debian" in text
    (false / "InRelease").write_text(text.replace("Origin: Debian", "Origin: Nobody"))
    with mirror(instance, tmp_path / "false"):
        said = new(instance, "g", "debian", "--mirror", MIRROR).failed()
        assert "the signature of the mirror's index is not good (if the mirror is right" in said
        said = new(instance, "g", "debian", "--mirror", MIRROR, "--suite", "nosuch").failed()
        assert "the mirror has no such suite (name a suite that it has" in said
    nothing_of(instance, "g")


@pytest.mark.parametrize("end", ["interrupt", "kill the daemon"])
def test_given_up_halfway_it_leaves_nothing(instance: Instance, end: str) -> None:
    with mirror(instance, distributions.mirror_folder()):
        words = ("new", "g", "--template", "debian", "--mirror", MIRROR)
        making = instance.spaces.popen(
            instance.argv(*words), env=instance.environment(), stderr=subprocess.PIPE
        )
        cache = Path(instance.paths.lib) / "cache"
        wait_for("packages", lambda: any(cache.glob(".build-*/mmdebstrap.*/var/cache/apt")), 60)
        if end == "interrupt":
            making.send_signal(signal.SIGINT)
            _, said = making.communicate(timeout=60)
            assert b"it was given up; nothing was left" in said
        else:
            instance.kill_daemon()
            making.communicate(timeout=60)
            wait_for(
                "the end of the builder",
                lambda: not any("mmdebstrap" in t for t in instance.spaces.members().values()),
            )
            instance.start_daemon()
    nothing_of(instance, "g")


def busybox_archive(instance: Instance, *more: tarfile.TarInfo) -> str:
    root = rootfs.make_busybox(instance.root / "packed")
    path = instance.root / "box.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        tar.add(root, ".")
        for member in more:
            tar.addfile(member)
    return str(path)


def test_an_archive_becomes_a_guest(instance: Instance) -> None:
    path = busybox_archive(instance)
    new(instance, "box", "tarball", path, "--no-network", "--start").ok()
    box = at(instance, "box")
    assert box.run("hostname").ok() == "box\n"
    assert box.run("stat", "-c", "%u %a", "/tmp").ok() == "0 1777\n"
    instance.virtlxc("destroy", "box").ok()
    new(instance, "again", "copy", "box", "--start").ok()
    assert at(instance, "again").run("hostname").ok() == "again\n"


OTHERS = """
from virtlxc.images.busybox import Busybox

class Mine(Busybox):
    name = "mine"
    title = "busybox with a colour"
    options = ("colour",)

    def build(self, root, request):
        super().build(root, request)
        with open(f"{root}/etc/colour", "w") as file:
            file.write(request.options["colour"])
"""


class WithPackage(Instance):
    """An instance whose Python has a package of somebody else's."""

    def environment(self, **more: str) -> dict[str, str]:
        packages = self.root / "packages"
        about = packages / "mine-1.0.dist-info"
        if not about.exists():
            about.mkdir(parents=True)
            (packages / "mine.py").write_text(OTHERS)
            (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
            (about / "entry_points.txt").write_text("[virtlxc.templates]\nmine = mine:Mine\n")
        return super().environment(PYTHONPATH=f"{CHECKOUT}:{packages}", **more)


def test_a_package_of_others_brings_a_template() -> None:
    instance = WithPackage()
    try:
        assert "mine" in instance.virtlxc("complete", "--", "new", "box", "").ok().split()
        said = new(instance, "box", "mine", "--set", "smell=sweet").failed()
        assert "smell" in said and "colour" in said
        nothing_of(instance, "box")
        words = ("--set", "colour=red,green", "--no-network", "--start")
        new(instance, "box", "mine", *words).ok()
        assert at(instance, "box").run("cat", "/etc/colour").ok() == "red,green"
    finally:
        instance.close()


def test_a_hostile_archive_and_one_that_is_none(instance: Instance) -> None:
    evil = tarfile.TarInfo("../../../etc/cron.d/evil")
    said = new(instance, "g", "tarball", busybox_archive(instance, evil)).failed()
    assert "'../../../etc/cron.d/evil' in the archive has '..' in its name" in said
    assert not Path("/etc/cron.d/evil").exists()
    assert new(instance, "g", "tarball", "/etc/passwd").failed().count("it is broken") == 1
    assert "no archive was given" in new(instance, "g", "tarball").failed()
    with tarfile.open(instance.root / "empty.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    said = new(instance, "g", "tarball", str(instance.root / "empty.tar")).failed()
    assert "empty.tar has no init (none of /sbin/init" in said
    nothing_of(instance, "g")


def test_a_full_disk_leaves_nothing(instance: Instance) -> None:
    path = busybox_archive(instance)
    guests = Path(instance.paths.lib) / "guests"
    instance.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(guests)).ok()
    said = new(instance, "g", "tarball", path, "--no-network").failed()
    assert "No space left on device (free some space on its filesystem" in said
    inside = os.listdir(instance.seen(guests))
    assert inside == [] and "g" not in instance.domains("--all")
    instance.run("umount", str(guests)).ok()
