"""The command as a whole, with no daemon behind it: options, usage errors, help, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import cli_tool
from tests.unit.cli_tool import run
from virtlxc import __version__
from virtlxc.cli import completion, editing, main
from virtlxc.cli.failures import Failed, UsageError
from virtlxc.cli.options import read

BASH = Path(__file__).resolve().parents[2] / "completions" / "virtlxc.bash"
BASH_COMPLETES = """
source "$1"; COMP_CWORD=$2; shift 2; COMP_WORDS=("$@")
_virtlxc
echo ${COMPREPLY[*]}
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list"], "uri= rest=list"),
        (["-c", "x", "list"], "uri=x rest=list"),
        (["-cx", "list"], "uri=x rest=list"),
        (["--connect=x", "list", "-r"], "uri=x rest=list -r"),
        (["--conn", "x"], "uri=x rest="),
        (["-qrcx", "list"], "uri=x quiet readonly rest=list"),
        (["-q", "-t", "--", "-r"], "uri= quiet timing rest=-r"),
        (["--root", "/r", "--output=json", "list"], "uri= root=/r output=json rest=list"),
        (["-e", "^a", "console", "x"], "uri= escape=^a rest=console x"),
        (["-d", "0", "-k", "5", "-K6", "list"], "uri= rest=list"),
    ],
)
def test_options_before_the_command(words: list[str], expected: str) -> None:
    options, rest = read(words)
    shown = f"uri={options.uri}"
    shown += f" root={options.root}" if options.root else ""
    shown += f" output={options.output}" if options.output != "text" else ""
    shown += f" escape={options.escape}" if options.escape != "^]" else ""
    shown += "".join(
        f" {name}" for name in ("quiet", "readonly", "timing") if getattr(options, name)
    )
    assert f"{shown} rest={' '.join(rest)}" == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bogus", "list"], "unsupported option '--bogus'. See --help."),
        (["-x"], "unsupported option '-x'. See --help."),
        (["-c"], "option '-c'/'--connect' requires an argument"),
        (["--root"], "option '--root' requires an argument"),
        (["--quiet=yes"], "unsupported option '--quiet=yes'. See --help."),
        (["-e", "ab"], "Invalid string 'ab' for escape sequence"),
        (["--output", "xml"], "--output is one of text, json, yaml, not 'xml'"),
    ],
)
def test_misuse_of_options(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(words)
    assert caught.value.lines == (message,)


@pytest.mark.parametrize(
    ("words", "err"),
    [
        (["lst"], "error: unknown command: 'lst'\nerror: the nearest command is 'list'\n"),
        (["net-strat", "x"], "error: unknown command: 'net-strat'\n"
                             "error: the nearest command is 'net-start'\n"),
        (["zzzzzz"], "error: unknown command: 'zzzzzz'\n"),
        (["list", "--bogus"], "error: command 'list' doesn't support option --bogus\n"),
        (["list", "--al"], "error: command 'list' doesn't support option --al\n"
                           "error: the nearest option is --all\n"),
        (["list", "--output", "json"],
         "error: command 'list' doesn't support option --output\n"
         "error: --output goes before the command: virtlxc --output ... list\n"),
        (["stop", "x"], "error: unknown command: 'stop'\n"
                        "error: what you mean may be 'shutdown' or 'destroy'\n"),
        (["start"], "error: command 'start' requires <domain> option\n"),
        (["pwd", "extra"], "error: unexpected data 'extra'\nerror: usage: pwd\n"),
        (["start", "web1", "b", "c"],
         "error: unexpected data 'c'\n"
         "error: usage: start <domain> [--console] [--paused] [--autodestroy] [--bypass-cache] "
         "[--force-boot] [--pass-fds <string>] [--reset-nvram] [--ignore <string>]\n"),
        (["net-start default other"],
         "error: unexpected data 'other'\nerror: usage: net-start <network>\n"),
        (["echo 'open; list"], ""),
        (['echo "open'], 'error: missing "\n'),
        (["guests-stop --timeout soon"], "error: Numeric value 'soon' for <timeout> option is "
                                         "malformed or out of range\n"),
        (["list; zzzzzz"], "error: unknown command: 'zzzzzz'\n"),
    ],
)  # fmt: skip
def test_misuse_of_commands(words: list[str], err: str) -> None:
    ran = run(words)
    assert ran.err == err
    assert ran.code == (1 if err else 0)
    assert "connect" not in ran.err


def test_no_daemon_is_one_clear_error(tmp_path: Path) -> None:
    ran = run(["--root", str(tmp_path), "-c", str(tmp_path / "sock"), "list"])
    assert (ran.out, ran.code) == ("\n", 1)
    assert ran.err == (
        "error: failed to connect to the hypervisor\n"
        f"error: Failed to connect socket to '{tmp_path}/sock': No such file or directory "
        "(the daemon is not running; start it: virtlxc daemon, or systemctl start virtlxc)\n"
    )


def test_batches_go_on_and_give_the_last_status() -> None:
    assert run(["pwd; help nothing; pwd"]).code == 0
    assert run(["pwd; help nothing"]).code == 1
    assert run(["echo a; echo b"]).out == "a\nb\n"
    assert run(["-q", "echo a; quit; echo b"]).out == "a"
    assert run([""]).code == 1


def test_a_python_without_lxml_is_one_clear_error() -> None:
    code = (
        "import sys; sys.modules['lxml'] = None; from virtlxc.cli.main import main;"
        " sys.exit(main(['validate', 'x.xml']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {sys.executable} has no lxml (run ./quickstart run, or install python3-lxml)\n"
    )


def test_output_that_cannot_be_written() -> None:
    ended = subprocess.run(
        f"{sys.executable} -m virtlxc help >/dev/full", shell=True, capture_output=True, text=True
    )
    assert ended.stderr == "error: cannot write the output: No space left on device\n"
    assert ended.returncode == 1


def test_a_reader_that_has_seen_enough() -> None:
    ended = subprocess.run(
        f"{sys.executable} -m virtlxc --help | head -n 1", shell=True, capture_output=True
    )
    assert ended.stderr == b""


def test_version_and_uri() -> None:
    assert run(["-v"]).out == f"{__version__}\n"
    assert run(["--version"]).out == f"{__version__}\n"
    assert run(["-V"]).out.startswith(f"virtlxc {__version__}\nPython ")
    assert run(["-c", "x:///", "uri"]).out == "x:///\n\n"
    assert main.run(["--root", "/r", "-q", "uri"]) == 0
    assert run(["--root", "/r", "uri", "--ssh", "h"]).out == (
        "lxc+ssh://h/system?proxy=netcat&socket=/r/run/virtlxc/virtlxc-sock\n\n"
    )


def test_help_shows_every_option_and_group() -> None:
    page = run(["--help"]).out
    assert "    -c | --connect=URI " in page
    assert " Networking (help keyword 'network')\n" in page
    assert "    net-list " in page


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ([], "domif", ["domif-getlink", "domif-setlink", "domifaddr", "domiflist", "domifstat",
            "domiftune"]),
        (["dumpxml"], "--x", ["--xpath"]),
        (["dumpxml", "web1", "--xpath=/"], "--", [
            "--inactive", "--migratable", "--security-info", "--update-cpu", "--wrap"]),
        (["new", "web1"], "", ["busybox", "copy", "debian", "tarball"]),
        (["new", "web1", "--template"], "b", ["busybox"]),
        (["help"], "net-u", ["net-undefine", "net-update", "net-uuid"]),
        (["nosuch"], "", []),
        (["start"], "", []),
    ],
)  # fmt: skip
def test_completion(words: list[str], begun: str, expected: list[str]) -> None:
    session = cli_tool.session()
    session.uri = os.devnull
    assert completion.complete(session, words, begun) == expected


def test_completion_of_a_line() -> None:
    session = cli_tool.session()
    assert completion.candidates(session, "list --all; net-l") == ["net-list"]
    assert completion.candidates(session, "list --al") == ["--all"]
    assert completion.candidates(session, 'list "') == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("virtlxc net-li", "net-list"),
        ("virtlxc -q --root /nonexistent dumpxml --x", "--xpath"),
        ("virtlxc --out", "--output"),
        ("virtlxc new web1 deb", "debian"),
        ("virtlxc list --all --", "--autostart --id"),
    ],
)
def test_completion_in_bash(line: str, expected: str, tmp_path: Path) -> None:
    """bash itself, with our script and our command."""
    command = tmp_path / "virtlxc"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m virtlxc "$@"\n')
    command.chmod(0o755)
    words = line.split(" ")
    ended = subprocess.run(
        ["bash", "-c", BASH_COMPLETES, "-", str(BASH), str(len(words) - 1), *words],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(BASH.parent.parent)},
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith(expected)


def test_a_file_that_is_not_there() -> None:
    from virtlxc.cli.files import read_text

    with pytest.raises(Failed) as caught:
        read_text("/nonexistent/x.xml")
    assert caught.value.lines == (
        "Failed to open file '/nonexistent/x.xml': No such file or directory",
    )


@pytest.mark.parametrize(
    ("written", "size"),
    [("1", 1), ("1k", 1024), ("1KB", 1000), ("1KiB", 1024), ("2G", 2 << 30), ("10 M", None),
     ("x", None), ("", None), ("-1", None), ("1X", None), ("99999999999E", None), ("5b", 5)],
)  # fmt: skip
def test_sizes(written: str, size: int | None) -> None:
    from virtlxc.cli.units import to_bytes

    assert to_bytes(written) == size


@pytest.mark.parametrize(
    ("name", "number"),
    [("9", 9), ("kill", 9), ("KILL", 9), ("SIGTERM", 15), ("sig_usr1", 10), ("rt0", 32),
     ("sigrt32", 64), ("nonsense", None), ("", None)],
)  # fmt: skip
def test_signals(name: str, number: int | None) -> None:
    from virtlxc.cli.commands.processes import signal_number

    assert signal_number(name) == number


def test_an_editor_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "/nonexistent/vi --hard")
    with pytest.raises(Failed, match=r"no editor '/nonexistent/vi --hard' \(set EDITOR to one"):
        editing._run_editor("/dev/null")
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(Failed, match="the editor 'false' ended with status 1"):
        editing._run_editor("/dev/null")


FORMS = (
    " (-c takes lxc:///system, lxc+unix:///system?socket=PATH, lxc+ssh://[USER@]HOST/system, "
    "another URI of libvirt's, or the path of a socket)\n"
)


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("nonsense", ""),
        ("./no-such-socket", ""),
        ("lxc", "lxc:///system"),
        ("lxc:", "lxc:///system"),
        ("lxc//system", "lxc:///system"),
        ("lxc:/system", "lxc:///system"),
        ("lxc:system", "lxc:///system"),
        ("lxc://system", "lxc:///system"),
        ("lcx:///system", "lxc:///system"),
        ("LXC:///system", "lxc:///system"),
        ("lxc://web1/system", "lxc+ssh://web1/system"),
        ("lxc+ssh:/root@web1/system", "lxc+ssh://root@web1/system"),
        ("lxc+ssh//web1", "lxc+ssh://web1/system"),
        ("lxc+unix:/system?socket=/run/x", "lxc+unix:///system?socket=/run/x"),
        ("lxc+unix://system?socket=/run/x", "lxc+unix:///system?socket=/run/x"),
        ("qemu//system", "qemu:///system"),
        ("qemu:/session", "qemu:///session"),
        ("test:default", "test:///default"),
    ],
)
def test_an_address_that_is_none_is_told_with_the_forms(address: str, near: str) -> None:
    ran = run(["-c", address, "list"])
    meant = f"; the nearest is {near}" if near else ""
    assert ran.err == (
        "error: failed to connect to the hypervisor\n"
        f"error: '{address}' is no address of a daemon{meant}{FORMS}"
    )
    assert ran.code == 1


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/nonexistent/sock", "Failed to connect socket to '/nonexistent/sock': No such file"),
        ("lxc:///sytem", "internal error: Unexpected LXC URI path '/sytem', try lxc:///system"),
        ("qemu+ssh://h/system", "'qemu+ssh://h/system'"),
    ],
)
def test_an_address_that_leads_nowhere(address: str, reason: str) -> None:
    assert reason in run(["-c", address, "list"]).err


def test_a_relative_path_that_exists_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sock").touch()
    ran = run(["-c", "sock", "list"])
    assert "Failed to connect socket to 'sock': Connection refused" in ran.err


@pytest.mark.parametrize("name", ["start", "create"])
def test_two_domains_for_one_start_are_told_what_the_second_word_is(name: str) -> None:
    """virsh takes it for --pass-fds, so must we."""
    from virtlxc.cli.commands.lifecycle import COMMANDS, passed_fds

    args = cli_tool.arguments(COMMANDS[name], "web1 web2")
    with pytest.raises(Failed) as caught:
        passed_fds(args)
    assert caught.value.lines == (
        "Unable to parse FD number 'web2'",
        "a second word is --pass-fds, descriptors for init; one command starts one domain",
    )
