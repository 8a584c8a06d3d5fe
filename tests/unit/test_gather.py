"""What lies where a domain points: read in folders made for it, hostile links included."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.plan_scenes import domain
from virtlxc.host import gather, inits
from virtlxc.host.facts import Init, Network
from virtlxc.host.gather import Surroundings, start_facts
from virtlxc.model import Domain, Filesystem, IdMap, IdRange, Interface, Os, Share


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("sbin", "bin", "usr/lib/systemd", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def _program(path: Path, content: bytes = b"#!/bin/sh\n", mode: int = 0o755) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def _domain(root: Path, init: str = "/sbin/init", *more: Filesystem) -> Domain:
    rooted = Filesystem(source=str(root), target="/")
    return domain(filesystems=(rooted, *more), os=Os(init=init), interfaces=())


def _init(root: Path, init: str = "/sbin/init", *more: Filesystem) -> Init:
    return start_facts(_domain(root, init, *more)).init


def test_a_missing_init(root: Path) -> None:
    found = _init(root)
    assert (found.found, found.executable) == ("no", False)


def test_an_init_that_cannot_be_executed(root: Path) -> None:
    _program(root / "sbin/init", mode=0o644)
    assert (_init(root).found, _init(root).executable) == ("yes", False)
    (root / "sbin/folder").mkdir()
    assert not _init(root, "/sbin/folder").executable


def test_a_link_stays_in_the_root(root: Path) -> None:
    (root / "sbin/init").symlink_to("/bin/init")
    _program(root / "bin/init")
    assert _init(root).executable
    (root / "sbin/escape").symlink_to("../../../../../../../../bin/sh")
    assert _init(root, "/sbin/escape").found == "no", "the host's shell is not in this root"


def test_busybox_and_systemd_by_name(root: Path) -> None:
    _program(root / "bin/busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    assert _init(root).kind == "busybox"
    _program(root / "usr/lib/systemd/systemd")
    (root / "sbin/init").unlink()
    (root / "sbin/init").symlink_to("/usr/lib/systemd/systemd")
    (root / "usr/lib/systemd/libsystemd-shared-252.17-1.so").touch()
    found = _init(root)
    assert (found.kind, found.systemd) == ("systemd", 252)


def test_an_old_systemd_by_its_public_library(root: Path) -> None:
    _program(root / "usr/lib/systemd/systemd")
    (root / "usr/lib64").mkdir()
    (root / "usr/lib64/libsystemd.so.0.6.0").touch()
    assert _init(root, "/usr/lib/systemd/systemd").systemd == 219


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x7fELF..sysvinit 2.96", "sysvinit"),
        (b"\x7fELF..upstart-udev", "upstart"),
        (b"\x7fELF..BusyBox v1.35", "busybox"),
        (b"#!/bin/sh\n", "other"),
    ],
)
def test_an_init_by_its_content(root: Path, content: bytes, kind: str) -> None:
    _program(root / "sbin/init", content)
    assert _init(root).kind == kind


def test_a_loop_of_links_ends(root: Path) -> None:
    (root / "sbin/init").symlink_to("other")
    (root / "sbin/other").symlink_to("init")
    assert _init(root).found == "no"
    tree = os.open(root, os.O_PATH)
    assert inits.resolve(tree, "/sbin/init").startswith("/sbin/")
    os.close(tree)


def test_an_init_on_another_file_system(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("app")
    _program(other / "run")
    app = Filesystem(source=str(other), target="/app")
    assert _init(root, "/app/run", app).executable
    assert _init(root, "/app/gone", app).found == "no"
    ram = Filesystem(type="ram", target="/app", usage_kib=10)
    assert _init(root, "/app/run", ram).found == "unknown"


def test_folders_that_are_none(root: Path) -> None:
    (root / "dev").symlink_to("/etc")
    (root / "proc").touch()
    (root / "sys").mkdir()
    facts = start_facts(_domain(root))
    assert facts.no_folders == {"/dev": "link", "/proc": "file"}


def test_sources(root: Path) -> None:
    (root / "file").touch()
    more = (
        Filesystem(source=str(root / "file"), target="/f"),
        Filesystem(source=str(root / "gone"), target="/g"),
        Filesystem(source="/dev/null", target="/n"),
    )
    facts = start_facts(_domain(root, "/sbin/init", *more))
    kinds = {source.path: source.kind for source in facts.sources}
    assert kinds == {
        str(root): "dir",
        str(root / "file"): "file",
        str(root / "gone"): "missing",
        "/dev/null": "char",
    }
    assert facts.source("/dev/null").device == (1, 3)
    assert facts.source(str(root)).uid == os.getuid()
    assert facts.source(str(root)).fstype


def test_kinds_inside(root: Path) -> None:
    (root / "etc/hosts").touch()
    more = tuple(
        Filesystem(type="bind", source=path, target=f"/x{n}")
        for n, path in enumerate(("/etc/hosts", "/etc", "/gone"))
    )
    facts = start_facts(_domain(root, "/sbin/init", *more))
    assert facts.inside == {"/etc/hosts": "file", "/etc": "dir", "/gone": "missing"}


def test_shared_namespaces(root: Path) -> None:
    shares = (
        Share(kind="net", type="netns", value="no-such-name"),
        Share(kind="ipc", type="name", value="db1"),
        Share(kind="uts", type="pid", value=str(os.getpid())),
    )
    what = domain(interfaces=(), shares=shares)
    facts = start_facts(what, Surroundings(running={"db1": 4711}))
    assert facts.shared["net"].problem == "there is no /run/netns/no-such-name"
    assert facts.shared["ipc"].path == "/proc/4711/ns/ipc"
    assert facts.shared["uts"].path == f"/proc/{os.getpid()}/ns/uts"
    assert start_facts(what).shared["ipc"].problem == "domain 'db1' is not running"


def test_networks_and_links() -> None:
    cards = (
        Interface(type="network", source="default"),
        Interface(type="bridge", source="lo", target="no-such-link"),
    )
    known = {"default": Network(active=True, bridge="lo"), "other": Network(active=True)}
    facts = start_facts(domain(interfaces=cards), Surroundings(networks=known))
    assert set(facts.networks) == {"default"}
    assert facts.links == ("lo",)
    assert facts.bridges == (), "lo is a link, but no bridge"


def test_the_hosts_root() -> None:
    found = start_facts(domain(filesystems=())).host_root
    assert "/usr" not in found.covered and "/etc" not in found.covered
    assert "/var/tmp" not in found.covered
    for path in found.covered:
        assert path.count("/") in (1, 2)
    assert start_facts(domain()).host_root.covered == (), "only where it is needed"


def test_the_type_of_a_file_system() -> None:
    assert gather.look("/proc").fstype == "proc"


def test_secrets_of_the_host_are_what_others_may_not_read() -> None:
    found = start_facts(domain(filesystems=())).host_root.secrets
    assert "/etc/passwd" not in found and "/etc" not in found
    for path in found:
        mode = Path(path).lstat().st_mode
        assert mode & 0o005 != 0o005 or stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode), path
        assert not any(path.startswith(other + "/") for other in found), "the folder stands for it"


@pytest.mark.parametrize(("target", "name"), [(0, "root"), (3 << 20, "")])
def test_the_account_behind_the_containers_root(root: Path, target: int, name: str) -> None:
    rows = (IdRange(start=0, target=target, count=1),)
    mapped = replace(_domain(root), idmap=IdMap(uids=rows, gids=rows))
    assert start_facts(mapped).root_account == name
    assert start_facts(_domain(root)).root_account == ""
