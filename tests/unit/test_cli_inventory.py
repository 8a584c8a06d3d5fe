"""check, and the files of inventories: without root, without a daemon."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from tests.unit import domains
from tests.unit.cli_tool import run
from virtlxc.cli.failures import Failed
from virtlxc.cli.files import SIZE_MAX
from virtlxc.cli.inventories import Memory, libvirt_hooks, read_inventory, read_libvirt
from virtlxc.inventory.record import Entry, Record
from virtlxc.paths import Paths

ROOT = "<filesystem type='mount'><source dir='{}'/><target dir='/'/></filesystem>"
CARD = "<interface type='network'><source network='{}'/></interface>"
NETWORK = "<network><name>{}</name><ip address='10.7.0.1' prefix='24'/></network>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder in which an init is."""
    path = tmp_path / "rootfs"
    (path / "sbin").mkdir(parents=True)
    (path / "sbin/init").write_text("#!/bin/sh\n")
    (path / "sbin/init").chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "inventory"
    path.mkdir()
    return path


def write(folder: Path, name: str, devices: str, more: str = "") -> str:
    path = folder / f"{name}.xml"
    path.write_text(domains.xml(devices, more).replace("web1", name))
    return str(path)


def checked(tmp_path: Path, *paths: Path | str) -> tuple[int, dict[str, list[str]]]:
    """The exit status, and the causes by the names of files."""
    ran = run(["--root", str(tmp_path / "etc"), "--output", "json", "check", *map(str, paths)])
    assert ran.err == ""
    files = json.loads(ran.out)["files"]
    return ran.code, {os.path.basename(one["file"]): one["causes"] for one in files}


def test_what_runs_here_runs(tmp_path: Path, folder: Path, root: Path) -> None:
    write(folder, "a", ROOT.format(root) + CARD.format("inner"))
    (folder / "net.xml").write_text(NETWORK.format("inner"))
    assert checked(tmp_path, folder) == (0, {"a.xml": [], "net.xml": []})


def test_every_cause_is_found_and_grouped(tmp_path: Path, folder: Path, root: Path) -> None:
    bridge = "<interface type='bridge'><source bridge='br-nowhere'/></interface>"
    label = "<seclabel type='static'><label>x</label></seclabel>"
    write(folder, "a", ROOT.format("/nowhere/a") + bridge)
    write(folder, "b", ROOT.format("/nowhere/b") + bridge)
    write(folder, "c", ROOT.format(root) + CARD.format("gone"), label)
    write(folder, "d", ROOT.format(root) + CARD.format("default") + "<mystery/>")
    (folder / "e.xml").write_text("<domain type='lxc'><name>e</name></domain>")
    ran = run(["--root", str(tmp_path / "etc"), "check", str(folder)])
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "0 run as they are, 1 run with differences, 4 cannot"
    at = lines.index(
        "  there is no bridge 'br-nowhere' (create it, or use a network: virtlxc net-list --all)"
    )
    assert lines[at + 1 : at + 3] == [f"      {folder}/a.xml", f"      {folder}/b.xml"]
    assert f"      {folder}/b.xml: /nowhere/b" in lines
    assert any("there is no network 'gone'" in line for line in lines)
    assert any("seclabel has no effect" in line for line in lines)
    assert "  /domain/devices/mystery has no effect: virtlxc does not know it" in lines


def test_foreign_files_are_left_out_of_folders_only(
    tmp_path: Path, folder: Path, root: Path
) -> None:
    write(folder, "a", ROOT.format(root) + CARD.format("default"))
    volume, machine = folder / "volume.xml", folder / "vm.xml"
    volume.write_text("<volume/>")
    machine.write_text("<domain type='kvm'><name>vm</name></domain>")
    (folder / "notes.txt").write_text("hello")
    ran = run(["--root", str(tmp_path / "etc"), "check", str(folder)])
    assert ran.code == 0
    assert f"left out:\n  {machine}: a domain of type 'kvm'\n  {volume}: a <volume>\n" in ran.out
    code, causes = checked(tmp_path, volume, folder / "none.xml")
    assert code == 1
    assert causes["volume.xml"] == ["a <volume> is neither a <domain> nor a <network> nor a <pool>"]
    assert causes["none.xml"] == ["Failed to open file ...: No such file or directory"]


def test_the_same_name_twice_cannot_be(tmp_path: Path, folder: Path, root: Path) -> None:
    write(folder, "a", ROOT.format(root) + CARD.format("default"))
    (folder / "z.xml").write_text((folder / "a.xml").read_text())
    code, causes = checked(tmp_path, folder)
    assert (code, causes["a.xml"]) == (1, [])
    assert "with the name a already" in causes["z.xml"][0]


def test_autostart_is_a_folder_beside(folder: Path) -> None:
    (folder / "deep" / "autostart").mkdir(parents=True)
    write(folder, "a", "")
    write(folder / "deep", "b", "")
    write(folder / "deep", "c", "")
    (folder / "deep/autostart/c.xml").symlink_to("gone")
    (folder / ".hidden.xml").write_text("<domain/>")
    found = read_inventory([str(folder), str(folder / "a.xml")])
    assert [(one.name, one.autostart) for one in found.documents] == [
        ("a", None), ("b", False), ("c", True),
    ]  # fmt: skip


def test_libvirts_folders(tmp_path: Path) -> None:
    for name in ("lxc", "qemu/networks", "network", "hooks/lxc.d"):
        (tmp_path / name).mkdir(parents=True)
    write(tmp_path / "lxc", "a", "")
    (tmp_path / "qemu/vm.xml").write_text("<domain type='kvm'/>")
    (tmp_path / "qemu/networks/n1.xml").write_text(NETWORK.format("n1"))
    (tmp_path / "network/n2.xml").write_text(NETWORK.format("n2"))
    for name, mode in (("lxc", 0o755), ("lxc.d/10-x", 0o755), ("qemu", 0o755), ("network", 0o644)):
        (tmp_path / "hooks" / name).write_text("")
        (tmp_path / "hooks" / name).chmod(mode)
    found = read_libvirt(str(tmp_path))
    assert [one.name for one in found.documents] == ["a", "n1", "n2"]
    assert libvirt_hooks(str(tmp_path)) == [f"{tmp_path}/hooks/lxc", f"{tmp_path}/hooks/lxc.d/10-x"]
    with pytest.raises(Failed, match="there is no folder"):
        read_libvirt(str(tmp_path / "none"))


def test_memory_is_written_only_when_it_changes(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path))
    memory = Memory(paths, "applied")
    with pytest.raises(Failed, match="cannot remember anything in"), memory.locked():
        pass
    os.makedirs(paths.lib)
    one = Entry(kind="domain", uuid=domains.completed(domains.xml()).uuid, name="a", file="/a.xml")
    with memory.locked():
        memory.keep(Record())
        assert not os.path.exists(memory.path)
        memory.keep(Record((one,)))
        before = os.stat(memory.path)
        memory.keep(Record((one,)))
        after = os.stat(memory.path)
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
        other = Memory(paths, "imported")
        with pytest.raises(Failed, match="is under way"), other.locked():
            pass
    again = Memory(paths, "applied")
    again.read()
    assert again.record.entries == (one,)


@pytest.mark.parametrize("command", ["validate", "check", "diff", "apply --dry-run"])
def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, command: str) -> None:
    big = tmp_path / "big.xml"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    ran = run(["--root", str(tmp_path), *command.split(), str(big)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ran.code == 1
    assert "Value too large for defined data type" in ran.out + ran.err
    assert peak < 3 * SIZE_MAX
