"""What templates share: passwords, identities, the cache, what mmdebstrap says."""

from __future__ import annotations

import contextlib
import os
import re
import struct
from pathlib import Path

import pytest

from virtlxc.errors import VirtlxcError
from virtlxc.host.idmapped import bound_capability, shift
from virtlxc.images import bootstrap, identity, passwords
from virtlxc.images.cache import AGE_S, Cache
from virtlxc.images.debian import Debian, root_password
from virtlxc.images.duplicate import duplicate, unowned_capability
from virtlxc.images.progress import Progress
from virtlxc.images.template import Request
from virtlxc.images.tree import Tree


def request(**options: str) -> Request:
    return Request(
        name="web", uuid="0", root="/r", network="", mac="", memory=None, first_id=1 << 20,
        options=options,
    )  # fmt: skip


# Made by crypt(3) of glibc.
@pytest.mark.parametrize(
    ("password", "salt", "field"),
    [
        (
            "secret",
            "virtlxc",
            "$6$virtlxc$vXE2k8UXD27mPdZ1IDUMEreMUlR5H0paLjQVgfj9.JnWcO0lseCynzXJ"
            "weire/igF.bb2gqps8BJGxhjhPcNc.",
        ),
    ],
)
def test_passwords_are_those_of_crypt(password: str, salt: str, field: str) -> None:
    assert passwords.hashed(password, salt) == field


def test_a_generated_password_is_told_once_and_fits() -> None:
    asked = request()
    field = root_password(asked)
    (note,) = asked.notes
    found = re.fullmatch(r"root's password is (\w{14}) \(it is not kept anywhere\)", note)
    assert found and passwords.hashed(found[1], field.split("$")[2]) == field
    keyed = request(**{"ssh-key": "ssh-ed25519 AAAA me"})
    assert root_password(keyed) == "*" and keyed.notes == []


class TestIdentity:
    def put(self, root: Path, **what: object) -> None:
        with Tree.at(str(root)) as tree:
            identity.put(tree, identity.Identity(hostname="web", **what))  # type: ignore[arg-type]

    def test_a_copy_is_another_machine(self, tmp_path: Path) -> None:
        for path, text in (
            ("etc/hostname", "old\n"),
            ("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 old.lan old\n10.0.0.1 db\n"),
            ("etc/machine-id", "0123\n"),
            ("etc/shadow", "root:*:1:0:99999:7:::\nbin:*:1:::::\n"),
            ("etc/ssh/ssh_host_rsa_key", "key"),
            ("etc/ssh/sshd_config", "kept"),
            ("usr/lib/systemd/systemd", ""),
            ("usr/sbin/sshd", ""),
        ):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        self.put(tmp_path, password="$6$x", ssh_key="ssh-ed25519 AAAA me\n")
        assert (tmp_path / "etc/hostname").read_text() == "web\n"
        hosts = (tmp_path / "etc/hosts").read_text()
        assert "old" not in hosts and "10.0.0.1 db" in hosts and "127.0.1.1\tweb\n" in hosts
        assert (tmp_path / "etc/machine-id").read_text() == ""
        assert (tmp_path / "etc/shadow").read_text().startswith("root:$6$x:1:0:")
        assert sorted(os.listdir(tmp_path / "etc/ssh")) == ["sshd_config"]
        unit = tmp_path / "etc/systemd/system/multi-user.target.wants/virtlxc-host-keys.service"
        assert os.readlink(unit) == "/etc/systemd/system/virtlxc-host-keys.service"
        keys = tmp_path / "root/.ssh/authorized_keys"
        assert keys.read_text() == "ssh-ed25519 AAAA me\n"
        assert keys.stat().st_mode & 0o777 == 0o600 and keys.parent.stat().st_mode & 0o777 == 0o700

    def test_without_something_to_make_new_ones_keys_stay(self, tmp_path: Path) -> None:
        (tmp_path / "etc/ssh").mkdir(parents=True)
        (tmp_path / "etc/ssh/ssh_host_rsa_key").touch()
        self.put(tmp_path)
        assert (tmp_path / "etc/ssh/ssh_host_rsa_key").exists()

    def test_links_of_a_hostile_root_lead_nowhere(self, tmp_path: Path) -> None:
        outside, root = tmp_path / "outside", tmp_path / "root"
        outside.mkdir()
        (outside / "shadow").write_text("root:host:\n")
        (root / "etc").mkdir(parents=True)
        (root / "etc/shadow").symlink_to(outside / "shadow")
        (root / "etc/hostname").symlink_to("../../outside/name")
        (root / "root").symlink_to(outside)
        (root / "outside").mkdir()
        with contextlib.suppress(OSError):
            self.put(root, password="$6$x", ssh_key="key")
        assert (outside / "shadow").read_text() == "root:host:\n"
        assert os.listdir(outside) == ["shadow"]


class TestCache:
    def get(self, cache: Cache, made: list[str], *, fresh: bool = False, data: str = "x") -> str:
        def make(path: str) -> None:
            made.append(path)
            Path(path).write_text(data)

        return cache.get("recipe", make, Progress(), fresh=fresh)[0]

    def test_made_once_a_week(self, tmp_path: Path) -> None:
        now = [1e9]
        cache, made = Cache(str(tmp_path / "c"), lambda: now[0]), []  # type: ignore[var-annotated]
        path = self.get(cache, made)
        now[0] += AGE_S - 1
        assert self.get(cache, made) == path and len(made) == 1
        now[0] += 2
        self.get(cache, made)
        assert len(made) == 2
        self.get(cache, made, fresh=True)
        assert len(made) == 3
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700

    def test_a_broken_one_is_made_again(self, tmp_path: Path) -> None:
        cache, made = Cache(str(tmp_path)), []  # type: ignore[var-annotated]
        path = self.get(cache, made)
        Path(path).write_text("y")  # of the same size
        self.get(cache, made)
        assert len(made) == 2 and Path(path).read_text() == "x"

    def test_a_failure_leaves_nothing_and_the_old_one(self, tmp_path: Path) -> None:
        cache, made = Cache(str(tmp_path)), []  # type: ignore[var-annotated]
        path = self.get(cache, made)

        def fail(part: str) -> None:
            Path(part).write_text("half")
            raise VirtlxcError("no")

        with pytest.raises(VirtlxcError, match="no"):
            cache.get("recipe", fail, Progress(), fresh=True)
        assert Path(path).read_text() == "x"
        assert len(list(tmp_path.iterdir())) == 2
        (tmp_path / "other.tar.part").touch()
        (tmp_path / ".build-x").mkdir()
        cache.sweep()
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("E: ... The following signatures were invalid: BADSIG 6ED0", "signature of the mirror"),
        ("The repository 'x InRelease' is not signed.", "signature of the mirror"),
        ("E: Failed to fetch x  Hash Sum mismatch", "other data than it signed"),
        ("E: The repository 'x' does not have a Release file.", "no such suite"),
        ("E: Unable to locate package nosuch", "no such package"),
        ("  Could not connect to 10.9.9.9:80 (10.9.9.9). - connect (113)", "cannot be reached"),
        ("Temporary failure resolving 'mirror.example'", "cannot be reached"),
        ("dpkg: error: cannot copy: No space left on device", "no space is left"),
        ("E: Invalid Release signature (key id 6ED0E7B8)", "signature of the mirror"),
        ("E: Release signed by unknown key (key id 6ED0)", "signature of the mirror"),
        ("E: Keyring-based check was requested; aborting accordingly", "signature of the mirror"),
        ("E: Failed getting release file http://m/debian/dists/x/Release", "has no such suite"),
        ("E: something new", "ended with status 25: E: something new"),
    ],
)
def test_what_went_wrong_is_said(said: str, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "program", lambda: "mmdebstrap")
    recipe = bootstrap.Recipe(suite="bookworm", mirror="http://m/debian", packages=(), arch="amd64")
    error = bootstrap._failure(25, ["I: begun", said], recipe, "cannot make 'g'")
    assert error.message.startswith(
        "cannot make 'g': fetch suite 'bookworm' from http://m/debian: "
    )
    assert cause in error.message and "nothing was left" in error.message


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"suite": "../x"}, "'../x' is not a suite"),
        ({"suite": "-x"}, "'-x' is not a suite"),
        ({"mirror": "file:///etc"}, "'file:///etc' is not the address of a mirror"),
        ({"mirror": "http://m/ [trusted=yes]"}, "is not the address of a mirror"),
        ({"packages": "nano,--evil"}, "'--evil' is not the name of a package"),
    ],
)
def test_nothing_strange_reaches_a_command_line(options: dict[str, str], what: str) -> None:
    with pytest.raises(VirtlxcError) as caught:
        Debian().build("/nowhere", request(**options))
    assert what in caught.value.message


def test_a_capability_loses_its_namespace() -> None:
    bound = struct.pack("<IIIIII", 0x03000001, 0x2000, 0, 0, 0, 524288)
    assert unowned_capability(bound) == struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)
    free = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)
    assert unowned_capability(free) == free


def test_a_capability_gets_one_and_loses_it_again() -> None:
    free = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)
    bound = bound_capability(free, 524288)
    assert bound == struct.pack("<IIIIII", 0x03000001, 0x2000, 0, 0, 0, 524288)
    assert unowned_capability(bound) == free


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_shifted_files_keep_modes_links_and_capabilities(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.touch()
    os.link(tool, tmp_path / "again")
    free = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)
    os.setxattr(tool, "security.capability", free)
    tool.chmod(0o4755)
    shift(str(tmp_path), 1 << 20)
    assert (tool.stat().st_uid, tool.stat().st_gid) == (1 << 20, 1 << 20)
    assert tool.stat().st_mode & 0o7777 == 0o4755
    found = os.getxattr(tool, "security.capability")
    assert found == bound_capability(free, 1 << 20)


def test_a_duplicate_is_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/file").write_bytes(b"a" * 10)
    os.link(source / "sub/file", source / "again")
    (source / "link").symlink_to("/etc")
    (source / "folder-link").symlink_to("sub")
    with (source / "holes").open("wb") as file:
        file.seek(1 << 22)
        file.write(b"end")
    os.mkfifo(source / "fifo")
    (source / "sub").chmod(0o2750)
    os.utime(source / "sub", (5, 6))
    target = tmp_path / "target"
    target.mkdir()
    duplicate(str(source), str(target), (0, 0), Progress(), "cannot make 'g'")
    assert (target / "sub/file").read_bytes() == b"a" * 10
    assert (target / "again").stat().st_ino == (target / "sub/file").stat().st_ino
    assert os.readlink(target / "link") == "/etc" and os.readlink(target / "folder-link") == "sub"
    assert (target / "holes").read_bytes() == bytes(1 << 22) + b"end"
    assert (target / "holes").stat().st_blocks * 512 < 1 << 20
    assert (target / "sub").stat().st_mode & 0o7777 == 0o2750
    assert (target / "sub").stat().st_mtime == 6
