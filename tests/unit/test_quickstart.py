"""What quickstart would do on a fresh system, for every package manager that it knows."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import CHECKOUT


def quickstart(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(CHECKOUT / "quickstart"), *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("manager", ["apt", "dnf", "zypper", "apk"])
@pytest.mark.parametrize("word", ["run", "test"])
def test_the_commands_it_would_run(
    word: str, manager: str, golden: Callable[[str, str], None]
) -> None:
    result = quickstart(word, f"--dry-run={manager}")
    assert result.returncode == 0, result.stderr
    golden(f"quickstart/{word}-{manager}.txt", result.stdout)


def test_every_row_names_a_package_or_says_that_none_is_needed() -> None:
    text = (CHECKOUT / "quickstart").read_text()
    table = text.split("word  check")[1].split("EOF")[0].splitlines()[1:]
    assert table
    for row in table:
        assert len(row.split()) == 6, row
        assert row.split()[0] in ("run", "test"), row


@pytest.mark.parametrize("arguments", [[], ["destroy"], ["run", "--dry-run=pacman"]])
def test_a_word_it_does_not_know_prints_the_usage(arguments: list[str]) -> None:
    result = quickstart(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ./quickstart run | test | remove")
    for argument in arguments[-1:]:
        assert result.stderr.endswith(f"quickstart: '{argument}' is none of these\n")


# Programs that the script uses, for a PATH where nothing else is found.
TOOLS = [
    "awk",
    "cat",
    "cksum",
    "comm",
    "cut",
    "date",
    "dirname",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "ln",
    "mkdir",
    "printf",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sleep",
    "sort",
    "tail",
    "touch",
    "tr",
    "true",
]
LOCKED = """#!/bin/sh
echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (aptitude)"
exit 100
"""


@pytest.fixture
def bare() -> Iterator[Path]:
    """A copy of the script that waits 2 s for locks, and a folder of tools for its PATH."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)  # a plain user must reach it
    script = (CHECKOUT / "quickstart").read_text()
    script = script.replace("lock_patience_s=60", "lock_patience_s=2")
    # What this host has must not be touched, and not be found.
    for path in ("/usr/local/bin/virtlxc", "/run/virtlxc", "/var/lib/virtlxc", "/etc/virtlxc"):
        script = script.replace(path, str(folder / "host") + path)
    script = script.replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n", "")
    copy = folder / "quickstart"
    copy.write_text(script)
    copy.chmod(0o755)
    tools = folder / "tools"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    yield folder
    shutil.rmtree(folder)


def program(folder: Path, name: str, text: str) -> None:
    (folder / "tools" / name).write_text(text)
    (folder / "tools" / name).chmod(0o755)


def run_bare(
    folder: Path, *before: str, words: tuple[str, ...] = ("run",)
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, str(folder / "quickstart"), *words],
        capture_output=True,
        text=True,
        env={"PATH": str(folder / "tools")},
    )


@pytest.mark.host
def test_a_locked_package_manager_is_waited_for_then_named(bare: Path) -> None:
    program(bare, "apt-get", LOCKED)
    program(bare, "dpkg-query", "#!/bin/sh\n")
    result = run_bare(bare)
    assert result.returncode == 1
    assert "waiting up to 2 s for another program" in result.stdout
    assert "quickstart: install packages: the package manager is locked since 2 s" in result.stderr
    assert "held by process 4711 (aptitude)" in result.stderr
    assert "quickstart: mend: wait until the other program has ended" in result.stderr


@pytest.mark.host
def test_without_a_package_manager_it_names_what_to_install(bare: Path) -> None:
    result = run_bare(bare)
    assert result.returncode == 1
    assert "found none of apt-get, dnf, zypper, apk" in result.stderr
    assert "mend: install by hand: python3 >= 3.11 with venv" in result.stderr


@pytest.mark.host
@pytest.mark.parametrize("tool", ["sudo", "doas", "su"])
def test_a_plain_user_is_sent_through(tool: str, bare: Path) -> None:
    program(bare, tool, f'#!/bin/sh\necho "{tool}:" "$@"\n')
    drop = shutil.which("setpriv")
    assert drop
    result = run_bare(bare, drop, "--reuid=65534", "--regid=65534", "--clear-groups")
    assert f"This needs root: running again through {tool}" in result.stdout
    assert f"{tool}:" in result.stdout
    assert f"{bare}/quickstart" in result.stdout
    assert result.returncode == 0


@pytest.mark.host
def test_a_plain_user_without_any_of_them_is_told(bare: Path) -> None:
    drop = shutil.which("setpriv")
    assert drop
    result = run_bare(bare, drop, "--reuid=65534", "--regid=65534", "--clear-groups")
    assert result.returncode == 1
    assert "quickstart: become root: found none of sudo, doas, su" in result.stderr


@pytest.mark.host
def test_packages_that_are_not_found_come_with_the_warnings_of_the_update(bare: Path) -> None:
    text = """#!/bin/sh
case $1 in
update) echo "W: Failed to fetch: Temporary failure resolving 'mirror.test'" ;;
*) echo "E: Unable to locate package python3" && exit 100 ;;
esac
"""
    program(bare, "apt-get", text)
    program(bare, "dpkg-query", "#!/bin/sh\n")
    result = run_bare(bare)
    assert result.returncode == 1
    warned, said = result.stderr.splitlines()[:2]
    assert warned == "W: Failed to fetch: Temporary failure resolving 'mirror.test'"
    assert said == "E: Unable to locate package python3"
    assert "does the network reach the package mirrors?" in result.stderr


# A virtlxc that notes what it is asked; the daemon runs from its first question on.
COMMAND = """#!/bin/sh
echo "$*" >>'{folder}/calls'
case $* in
"list --all --name") cat '{folder}/domains' ;;
"delete quickstart") sed -i /quickstart/d '{folder}/domains' ;;
esac
"""


@pytest.fixture
def made(bare: Path) -> Path:
    """What ``run`` leaves behind; the daemon has ended since then, as after a reboot."""
    notes, folder = bare / ".quickstart", bare / "host/etc/virtlxc"
    for path in (notes, folder, bare / ".venv/bin", bare / "host/usr/local/bin"):
        path.mkdir(parents=True)
    (notes / "folders").write_text(f"{folder}\n{bare}/host/run/virtlxc\n")
    (notes / "made").write_text("link\ncontainer\n")
    (bare / "domains").write_text("quickstart\n\n")
    command = bare / ".venv/bin/virtlxc"
    command.write_text(COMMAND.format(folder=bare))
    command.chmod(0o755)
    (bare / "host/usr/local/bin/virtlxc").symlink_to(command)
    (bare / "tools/cp").symlink_to("/bin/cp")
    return bare


@pytest.mark.host
def test_remove_takes_containers_and_folders_when_no_daemon_runs(made: Path) -> None:
    planned = run_bare(made, words=("remove", "--dry-run")).stdout
    assert "would remove the container quickstart\n" in planned
    assert "would remove the daemon, its networks and its folders" in planned
    result = run_bare(made, words=("remove",))
    assert result.returncode == 0, result.stderr
    assert "delete quickstart" in (made / "calls").read_text()
    assert not (made / "host/etc/virtlxc").exists()
    assert not (made / ".venv").exists()
    assert not (made / "host/usr/local/bin/virtlxc").is_symlink()


@pytest.mark.host
def test_remove_touches_nothing_while_other_containers_are_there(made: Path) -> None:
    (made / "domains").write_text("busybox\nquickstart\nweb\n")
    (made / ".quickstart/made").write_text("link\ncontainer\nimage\n")
    image = made / "host/var/lib/virtlxc/images/busybox"
    image.mkdir(parents=True)
    result = run_bare(made, words=("remove",))
    assert result.returncode == 1
    assert "remove the daemon: other containers exist: busybox web\n" in result.stderr
    assert (made / "calls").read_text() == "list --all --name\n"
    assert image.exists()


@pytest.mark.host
def test_remove_does_not_forget_what_it_cannot_reach(made: Path) -> None:
    (made / ".venv/bin/virtlxc").unlink()
    result = run_bare(made, words=("remove",))
    assert result.returncode == 1
    assert "remove the containers:" in result.stderr
    assert "mend: ./quickstart run makes it again" in result.stderr
    assert (made / ".quickstart/folders").exists()


@pytest.mark.host
def test_remove_where_nothing_was_made_says_so(bare: Path) -> None:
    for words in (("remove", "--dry-run"), ("remove",)):
        result = run_bare(bare, words=words)
        assert result.returncode == 0, result.stderr
        assert "nothing was made from" in result.stdout
    assert not (bare / ".quickstart").exists()


@pytest.mark.parametrize("there", [True, False])
def test_removing_keeps_the_notes_of_other_instances(there: bool, tmp_path: Path) -> None:
    """Which ids their guests have: without the note the next guest could get the same."""
    lib, other = tmp_path / "lib", tmp_path / "other/guests"
    for folder in (lib / "ids", lib / "guests", lib / "cache", *([other] if there else [])):
        folder.mkdir(parents=True)
    (lib / "ids/524288").symlink_to(lib / "guests")
    (lib / "ids/589824").symlink_to(other)
    text = (CHECKOUT / "quickstart").read_text()
    functions = tmp_path / "functions"
    functions.write_text(text[: text.index('\nword=')])
    done = subprocess.run(
        ["sh", "-euc", f'. "{functions}"; remove_folder "{lib}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    left = sorted(str(path.relative_to(lib)) for path in lib.rglob("*")) if lib.exists() else None
    assert left == (["ids", "ids/589824"] if there else None)
    assert ("other instances have guests" in done.stdout) is there
