"""Who else runs a container of ours: libvirt's LXC driver, by the files of its controllers."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtlxc.host.neighbours import conflict, running

UUID = "8369f1ac-7e46-e869-4ca5-759d51478066"
STATUS = """<!-- WARNING -->
<domstatus state='running' reason='booted' pid='{pid}'>
  <domain type='lxc' id='{pid}'>
    <name>{name}</name>
    <uuid>{uuid}</uuid>
    <devices>
      <filesystem type='mount'><source dir='/data'/><target dir='/data'/></filesystem>
      <filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
    </devices>
  </domain>
</domstatus>
"""


@pytest.fixture
def host(tmp_path: Path) -> tuple[str, str]:
    """libvirt's folder and a /proc: one that runs, one whose controller died, one of ours."""
    folder, proc = tmp_path / "lxc", tmp_path / "proc"
    folder.mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for pid, name, program in (
        (7, "web1", "/usr/lib/libvirt/libvirt_lxc (deleted)"), (8, "dead", ""),
        (9, "ours", "/usr/bin/python3.11"),
    ):  # fmt: skip
        status = STATUS.format(pid=pid, name=name, uuid=UUID, root=tmp_path / "real")
        (folder / f"{name}.xml").write_text(status)
        (proc / str(pid)).mkdir(parents=True)
        if program:
            (proc / str(pid) / "exe").symlink_to(program)
    (folder / "broken.xml").write_text("<domstatus")
    return str(folder), str(proc)


def test_only_what_runs_counts(host: tuple[str, str]) -> None:
    assert [one.name for one in running(*host)] == ["web1"]
    assert list(running("/nonexistent")) == []


def test_the_same_uuid_or_root_is_a_conflict(host: tuple[str, str], tmp_path: Path) -> None:
    mend = " as 'web1' (first: virsh -c lxc:/// shutdown web1)"
    other = "11111111-2222-4333-8444-555555555555"
    assert conflict(UUID, "", running(*host)) == f"libvirt's LXC driver runs this domain{mend}"
    root = f"{tmp_path}/link"
    expected = f"libvirt's LXC driver runs the root folder '{root}'{mend}"
    assert conflict(other, root, running(*host)) == expected
    assert conflict(other, "/data", running(*host)) == ""
    assert conflict(other, "", running(*host)) == ""
