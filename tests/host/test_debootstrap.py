"""A Debian where the host has debootstrap, and no mmdebstrap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import distributions, peers
from tests.harness import Instance
from tests.host.guestlab import Guest
from tests.host.mirrorlab import MIRROR, mirror

pytestmark = [pytest.mark.host, pytest.mark.guests]

PLACE = "/usr/local/sbin"


@pytest.fixture(autouse=True)
def builder(instance: Instance) -> None:
    """debootstrap alone, unpacked, and seen by this instance alone."""
    found = shutil.which("mmdebstrap")
    if found:
        instance.run("mount", "--bind", "/dev/null", found).ok()
    tree = peers.fetch("debootstrap")
    instance.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", PLACE).ok()
    script = instance.seen(Path(PLACE)) / "debootstrap"
    script.write_text(
        f"#!/bin/sh\nDEBOOTSTRAP_DIR={tree.root}/usr/share/debootstrap "
        f'exec {tree.program("debootstrap")} "$@"\n'
    )
    script.chmod(0o755)


@pytest.mark.installs
@pytest.mark.timeout(900)
def test_a_debian_by_debootstrap(instance: Instance) -> None:
    words = ("new", "web", "--template", "debian", "--mirror", MIRROR, "--no-network", "--start")
    with mirror(instance, distributions.mirror_folder()):
        instance.virtlxc(*words, timeout=800).ok()
    web = Guest(instance, "web", Path(instance.paths.lib) / "guests/web/rootfs").up()
    assert 'VERSION_CODENAME=bookworm' in web.run("cat", "/etc/os-release").ok()
    assert web.run("cat", "/proc/self/uid_map").ok().split()[:2] != ["0", "0"]
    assert web.run("stat", "-c", "%U", "/etc/shadow").ok() == "root\n"
    instance.virtlxc("shutdown", "web", "--wait").ok()
    instance.virtlxc("delete", "web").ok()


def test_an_index_that_debian_did_not_sign_is_refused(instance: Instance, tmp_path: Path) -> None:
    real = distributions.mirror_folder() / "debian/dists/bookworm/InRelease"
    false = tmp_path / "false/debian/dists/bookworm"
    false.mkdir(parents=True)
    text = real.read_text()
    (false / "InRelease").write_text(text.replace("Origin: Debian", "Origin: Nobody"))
    with mirror(instance, tmp_path / "false"):
        words = ("new", "g", "--template", "debian", "--mirror", MIRROR)
        said = instance.virtlxc(*words).failed()
        assert "the signature of the mirror's index is not good (if the mirror is right" in said
        said = instance.virtlxc(*words, "--suite", "trixie").failed()
        assert "the mirror cannot be reached, or has no such suite" in said
    assert instance.domains("--all") == []
    assert not list((Path(instance.paths.lib) / "guests").iterdir())
