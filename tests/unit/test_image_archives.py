"""Root file systems out of archives: what is kept, and what is refused before it does harm."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from virtlxc.errors import VirtlxcError
from virtlxc.host import idmapped
from virtlxc.images import archive
from virtlxc.images.archive import Refused
from virtlxc.images.progress import Progress
from virtlxc.images.removal import remove_tree

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.uid = member.gid = os.geteuid()
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def unpack(path: Path, root: Path) -> Path:
    root.mkdir()
    archive.unpack(str(path), str(root), Progress(), doing="cannot make 'g'")
    return root


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.tar",
        (entry("./", tarfile.DIRTYPE, mode=0o751), b""),
        (entry("./usr", tarfile.DIRTYPE, mtime=1000), b""),
        (entry("./usr/bin", tarfile.DIRTYPE), b""),
        (entry("bin", tarfile.SYMTYPE, linkname="usr/bin"), b""),
        (entry("bin/tool", mode=0o4755, mtime=2000), b"#!x"),
        (entry("usr/bin/other", tarfile.LNKTYPE, linkname="./bin/tool"), b""),
        (entry("etc/mtab", tarfile.SYMTYPE, linkname="../proc/self/mounts"), b""),
        (entry("etc/alt", tarfile.SYMTYPE, linkname="/etc/alternatives/alt"), b""),
        (entry("run/fifo", tarfile.FIFOTYPE), b""),
        (entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (entry("hole"), bytes(1 << 20) + b"end"),
    )
    root = unpack(path, tmp_path / "root")
    assert stat.S_IMODE(root.stat().st_mode) == 0o751
    assert (root / "usr").stat().st_mtime == 1000
    tool = root / "usr/bin/tool"
    assert tool.read_bytes() == b"#!x"
    assert stat.S_IMODE(tool.stat().st_mode) == 0o4755
    assert tool.stat().st_ino == (root / "usr/bin/other").stat().st_ino
    assert os.readlink(root / "etc/mtab") == "../proc/self/mounts"
    assert os.readlink(root / "etc/alt") == "/etc/alternatives/alt"
    assert stat.S_ISFIFO((root / "run/fifo").stat().st_mode)
    assert not (root / "dev/null").exists(), "a guest has a /dev of its own"
    assert (root / "hole").stat().st_size == (1 << 20) + 3
    assert (root / "hole").stat().st_blocks * 512 < 1 << 16, "a hole stays one"


@needs_root
def test_owners_and_attributes_come_back(tmp_path: Path) -> None:
    capability = b"\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    headers = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.security.selinux": "system_u:object_r:etc_t:s0",
    }
    path = packed(
        tmp_path / "a.tar", (entry("ping", uid=7, gid=8, mode=0o4755, pax_headers=headers), b"x")
    )
    ping = unpack(path, tmp_path / "root") / "ping"
    assert (ping.stat().st_uid, ping.stat().st_gid) == (7, 8)
    assert stat.S_IMODE(ping.stat().st_mode) == 0o4755
    assert os.getxattr(ping, "security.capability") == capability
    assert os.getxattr(ping, "user.note") == b"kept"
    assert "security.selinux" not in os.listxattr(ping)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_compression(tmp_path: Path, mode: str) -> None:
    path = packed(tmp_path / "a.tar", (entry("file"), b"text" * 999), mode=mode)
    assert (unpack(path, tmp_path / "root") / "file").read_bytes() == b"text" * 999


def test_zstd_by_its_program(tmp_path: Path) -> None:
    zstd = shutil.which("zstd")
    if zstd is None:
        (tmp_path / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd")
        with pytest.raises(VirtlxcError, match=r"there is no program 'zstd' .install it: apt"):
            unpack(tmp_path / "a.tar.zst", tmp_path / "root")
        return
    path = packed(tmp_path / "a.tar", (entry("file"), b"text" * 999))
    subprocess.run([zstd, "-q", path], check=True)
    root = unpack(Path(f"{path}.zst"), tmp_path / "root")
    assert (root / "file").read_bytes() == b"text" * 999


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (entry("/etc/passwd"), "has an absolute name"),
        (entry("a/../../etc/passwd"), "has '..' in its name"),
        (entry("a", tarfile.SYMTYPE, linkname="../etc"), "is a link out of the root, to '../etc'"),
        (entry("a/b", tarfile.SYMTYPE, linkname="../../x"), "is a link out of the root"),
        (entry("a", tarfile.LNKTYPE, linkname="/etc/shadow"), "has an absolute name"),
        (entry("a", tarfile.LNKTYPE, linkname="../shadow"), "has '..' in its name"),
        (entry("a", tarfile.LNKTYPE, linkname="none"), "is a link to 'none', which is not in it"),
        (entry("disk", tarfile.BLKTYPE, devmajor=8), "is a device"),
        (entry("file", uid=70000), "belongs to 70000:"),
        (entry("odd", b"V"), "is of a kind that no file is"),
        (entry("./"), "is no folder"),
    ],
)
def test_what_is_refused(tmp_path: Path, member: tarfile.TarInfo, why: str) -> None:
    path = packed(tmp_path / "a.tar", (member, b""))
    with pytest.raises(Refused, match=r"(?s)^cannot make 'g': unpack: .*do not trust") as caught:
        unpack(path, tmp_path / "root")
    assert why in caught.value.message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar", "root"]


def test_a_link_in_the_archive_leads_nowhere_else(tmp_path: Path) -> None:
    """The host's /etc is not written to through it: inside, it is the archive's own."""
    outside = tmp_path / "outside"
    outside.mkdir()
    path = packed(
        tmp_path / "a.tar",
        (entry("door", tarfile.SYMTYPE, linkname=str(outside)), b""),
        (entry("door/file"), b"harm"),
        (entry("up", tarfile.SYMTYPE, linkname="/"), b""),
        (entry("up/file"), b"harm"),
        (entry("twice", tarfile.SYMTYPE, linkname=str(outside / "file")), b""),
        (entry("twice"), b"harm"),
    )
    root = tmp_path / "root"
    # The folder that the link names does not exist inside: the kernel says so, or it is made there.
    try:
        unpack(path, root)
    except OSError:
        assert not (root / "file").exists()
    assert list(outside.iterdir()) == []


def test_broken_ones(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.tar", (entry("file"), os.urandom(1 << 16)), mode="w:gz")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:20000])
    text = tmp_path / "text"
    text.write_text("no archive\n" * 100)
    empty = tmp_path / "empty"
    empty.touch()
    for number, path in enumerate((cut, text, empty)):
        with pytest.raises(VirtlxcError, match=f"read the archive {path}: .*(fetch it again)"):
            unpack(path, tmp_path / f"root{number}")
    with pytest.raises(VirtlxcError, match=r"open the archive .*: No such file"):
        unpack(tmp_path / "none", tmp_path / "root9")


ODD: tuple[dict[str, str], ...] = (
    {"size": "9" * 20},
    {"path": "a\0b"},
    {"GNU.sparse.map": "0,x", "GNU.sparse.size": "5"},
    {"GNU.sparse.map": "0,9,5,9", "GNU.sparse.size": "12"},
    {"SCHILY.xattr.user.long": "x" * (5 << 20)},
)


@pytest.mark.parametrize("headers", ODD, ids=lambda headers: ",".join(headers))
def test_headers_that_make_no_sense_are_said(tmp_path: Path, headers: dict[str, str]) -> None:
    """And are not read to their end: what is compressed well may need any memory."""
    path = packed(tmp_path / "a.tar.gz", (entry("a", pax_headers=headers), b"data"), mode="w:gz")
    with pytest.raises(VirtlxcError, match=r"broken or no tar archive|do not trust"):
        unpack(path, tmp_path / "root")


@pytest.mark.parametrize("mtime", ["nan", "inf", "-1e300", "9" * 30])
def test_times_that_never_were_are_none(tmp_path: Path, mtime: str) -> None:
    headers = {"mtime": mtime}
    folder = entry("d", tarfile.DIRTYPE, pax_headers=headers)
    file = entry("d/f", pax_headers=headers)
    root = unpack(packed(tmp_path / "a.tar", (folder, b""), (file, b"")), tmp_path / "root")
    assert (root / "d/f").stat().st_mtime == (root / "d").stat().st_mtime == 0


def test_a_hole_of_any_size_is_nothing_to_read(tmp_path: Path) -> None:
    headers = {"GNU.sparse.map": f"{1 << 40},4", "GNU.sparse.size": str((1 << 40) + 4)}
    path = packed(tmp_path / "a.tar", (entry("hole", pax_headers=headers), b"data"))
    with open(unpack(path, tmp_path / "root") / "hole", "rb") as file:
        file.seek(1 << 40)
        assert file.read() == b"data"
    assert (tmp_path / "root/hole").stat().st_blocks <= 16


def test_deeper_than_python_calls_itself(tmp_path: Path) -> None:
    name = "d/" * 1900 + "f"
    root = unpack(packed(tmp_path / "a.tar", (entry(name), b"deep")), tmp_path / "root")
    fd = os.open(root, os.O_RDONLY)
    assert os.stat(name, dir_fd=fd).st_size == 4
    os.mkdir("d/" * 1900 + "x" * 200, dir_fd=fd)
    os.close(fd)
    with pytest.raises(OSError, match="nested too deep"):
        for _ in idmapped.walk(str(root)):
            pass
    (tmp_path / "elsewhere").write_text("stays")
    (root / "link").symlink_to(tmp_path)
    remove_tree(str(root))
    assert not root.exists()
    assert (tmp_path / "elsewhere").read_text() == "stays"


def test_who_gives_up_ends_it(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", (entry("file"), b""))
    (tmp_path / "root").mkdir()
    progress = Progress()
    progress.cancel()
    with pytest.raises(VirtlxcError, match="it was given up; nothing was left"):
        archive.unpack(str(path), str(tmp_path / "root"), progress, doing="x")
    progress.close()
