"""What service managers read about us, and how it gets to its place and away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import CHECKOUT
from virtlxc.errors import VirtlxcError
from virtlxc.host.services import install, texts

PROGRAM = texts.Program(
    argv=("/opt/virtlxc/.venv/bin/python", "-m", "virtlxc"),
    environment={"PYTHONPATH": "/opt/virtlxc"},
)
ODD = texts.Program(
    argv=("/opt/50% off/py'thon", "-m", "a $b \"c\""), environment={"PYTHONPATH": "/opt/50% off"}
)
Golden = Callable[[str, str], None]


@pytest.mark.parametrize("file", texts.systemd_files(PROGRAM, "virtlxc"), ids=lambda f: f.path)
def test_units(file: texts.File, golden: Golden) -> None:
    golden(f"services/{Path(file.path).name}", file.text)


@pytest.mark.parametrize("file", texts.openrc_files(PROGRAM), ids=lambda f: f.path)
def test_scripts(file: texts.File, golden: Golden) -> None:
    golden(f"services/{Path(file.path).name}.openrc", file.text)
    assert file.mode == 0o755


@pytest.mark.parametrize("program", [PROGRAM, ODD], ids=["plain", "odd"])
def test_scripts_are_shell(program: texts.Program, tmp_path: Path) -> None:
    for file in texts.openrc_files(program):
        script = tmp_path / "script"
        script.write_text(file.text)
        subprocess.run(["sh", "-n", str(script)], check=True)
        # What openrc-run would see of the variables.
        shown = subprocess.run(
            ["sh", "-c", '. "$1"; printf "%s|%s" "$command" "$PYTHONPATH"', "-", str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        ).stdout
        first = program.argv[0] if file.path.endswith("/virtlxc") else ""
        assert shown == f"{first}|{program.environment['PYTHONPATH']}"


@pytest.mark.parametrize("program", [PROGRAM, ODD], ids=["plain", "odd"])
def test_systemd_understands_its_units(program: texts.Program, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here; the machine of the tests has a whole systemd")
    root = _image(tmp_path)
    python = root / program.argv[0].lstrip("/")
    python.parent.mkdir(parents=True)
    shutil.copy("/bin/true", python)
    (root / "usr/bin").mkdir()
    shutil.copy("/bin/true", root / "usr/bin/env")
    install.install(install.files_of("systemd", program, str(root), "virtlxc"), str(root), _quiet)
    units = [
        file.path for file in texts.systemd_files(program, "") if file.path.startswith("/etc")
    ]
    done = subprocess.run(
        [analyze, "verify", f"--root={root}", "--recursive-errors=no", "--man=no", *units],
        capture_output=True,
        text=True,
    )
    ours = [line for line in done.stderr.splitlines() if "virtlxc" in line]
    assert not ours, done.stderr


def _quiet(line: str) -> None:
    pass


def _image(folder: Path) -> Path:
    root = folder / "image"
    for part in ("usr/lib/systemd/system", "usr/share/polkit-1/actions", "etc"):
        (root / part).mkdir(parents=True)
    (root / "usr/lib/systemd/systemd").write_text("")
    (root / "etc/group").write_text("root:x:0:\nvirtlxc:x:990:\n")
    return root


def test_install_and_remove_below_a_root(tmp_path: Path) -> None:
    root = _image(tmp_path)
    before = _tree(root)
    assert install.manager_of(str(root)) == "systemd"
    files = install.files_of("systemd", PROGRAM, str(root), "virtlxc")
    said: list[str] = []
    for _ in range(2):
        install.install(files, str(root), said.append)
    units = root / "etc/systemd/system"
    for name in ("virtlxc.service", "virtlxc.socket", "virtlxc-guests.service"):
        assert f"Made {units}/{name}" in said
    enabled = {str(path.relative_to(units)): os.readlink(path) for path in units.glob("*.wants/*")}
    assert enabled == {
        "multi-user.target.wants/virtlxc.service": "/etc/systemd/system/virtlxc.service",
        "multi-user.target.wants/virtlxc-guests.service":
            "/etc/systemd/system/virtlxc-guests.service",
        "sockets.target.wants/virtlxc.socket": "/etc/systemd/system/virtlxc.socket",
        "sockets.target.wants/virtlxc-ro.socket": "/etc/systemd/system/virtlxc-ro.socket",
    }  # fmt: skip
    policy = root / "usr/share/polkit-1/actions/org.virtlxc.policy"
    assert "org.virtlxc.manage" in policy.read_text()
    assert (units / "virtlxc.service").stat().st_mode & 0o777 == 0o644
    install.remove(files, str(root), said.append)
    assert f"Removed {units}/virtlxc.service" in said
    assert _tree(root) == before


def _tree(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if not path.is_dir()}


def test_a_group_that_is_not_there_is_not_asked_for(tmp_path: Path) -> None:
    root = _image(tmp_path)
    with_group = install.files_of("systemd", PROGRAM, str(root), "virtlxc")
    without = install.files_of("systemd", PROGRAM, str(root), "others")
    assert "SocketGroup=virtlxc\n" in with_group[1].text
    assert "SocketGroup=root\n" in without[1].text


@pytest.mark.parametrize("work", [install.install, install.remove])
def test_somebody_else_s_file_is_never_touched(
    tmp_path: Path, work: Callable[[tuple[texts.File, ...], str, install.Say], None]
) -> None:
    root = _image(tmp_path)
    theirs = root / "etc/systemd/system/virtlxc-guests.service"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\nDescription=mine\n")
    before = _tree(root)
    files = install.files_of("systemd", PROGRAM, str(root), "virtlxc")
    with pytest.raises(VirtlxcError, match=r"virtlxc-guests\.service was not made by virtlxc"):
        work(files, str(root), _quiet)
    assert _tree(root) == before
    assert theirs.read_text() == "[Unit]\nDescription=mine\n"


def test_a_masked_unit_is_somebody_else_s(tmp_path: Path) -> None:
    root = _image(tmp_path)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/systemd/system/virtlxc.service").symlink_to("/dev/null")
    files = install.files_of("systemd", PROGRAM, str(root), "virtlxc")
    with pytest.raises(VirtlxcError, match=r"virtlxc\.service was not made by virtlxc"):
        install.install(files, str(root), _quiet)


def test_a_host_without_a_service_manager_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(VirtlxcError, match=r"neither systemd nor OpenRC manages .*--manager"):
        install.manager_of(str(tmp_path))


def test_openrc_is_found(tmp_path: Path) -> None:
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/openrc-run").write_text("")
    assert install.manager_of(str(tmp_path)) == "openrc"
    files = install.files_of("openrc", PROGRAM, str(tmp_path), "virtlxc")
    install.install(files, str(tmp_path), _quiet)
    script = tmp_path / "etc/init.d/virtlxc"
    assert script.stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / "etc/runlevels/default/virtlxc") == "/etc/init.d/virtlxc"


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtlxc", *words],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **environment},
    )


def test_the_command_installs_into_an_image_and_out_again(tmp_path: Path) -> None:
    root = _image(tmp_path)
    before = _tree(root)
    done = command("install-units", "--root", str(root), "--python", "/usr/bin/python3")
    assert done.returncode == 0, done.stderr
    unit = (root / "etc/systemd/system/virtlxc.service").read_text()
    assert "ExecStart=/usr/bin/python3 -m virtlxc daemon\n" in unit
    assert f"Environment=PYTHONPATH={CHECKOUT}\n" in unit
    for said in (f"Removed {root}/etc/systemd/system/virtlxc.service", "There are no units of vi"):
        done = command("remove-units", "--root", str(root))
        assert done.returncode == 0 and said in done.stdout, done
    assert _tree(root) == before


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--root", "/none"], {}, "error: there is no folder '/none'"),
        (["--root", "/usr", "--manager", "upstart"], {}, "'upstart' is none of systemd, openrc"),
        (["--root", "/usr"], {"VIRTLXC_ROOT": "/x"}, "runs the instance of /, not that of /x"),
    ],
)
def test_what_the_command_refuses(
    words: list[str], environment: dict[str, str], said: str
) -> None:
    done = command("install-units", *words, **environment)
    assert done.returncode == 1
    assert said in done.stderr
