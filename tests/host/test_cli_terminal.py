"""Console, exec and shell on a terminal, against a running container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.harness import CHECKOUT, Instance, wait_for
from tests.terminal import Terminal

pytestmark = [pytest.mark.host]

COMPLETIONS = CHECKOUT / "completions"
DOMAIN = """<domain type='lxc'><name>box</name><memory unit='KiB'>65536</memory>
<os><type>exe</type><init>/bin/sh</init><initenv name='PS1'>box$ </initenv></os>
<devices><filesystem type='mount'><source dir='{root}'/><target dir='/'/></filesystem>
<console type='pty'/></devices><features><privnet/></features></domain>"""


@pytest.fixture(scope="module")
def box(shared_instance: Instance) -> Iterator[Instance]:
    """A container whose init is a shell on its console."""
    shared_instance.define(DOMAIN.format(root=shared_instance.busybox()))
    shared_instance.virtlxc("start", "box").ok()
    yield shared_instance
    shared_instance.virtlxc("destroy", "box")


OPEN: list[Terminal] = []


@pytest.fixture(autouse=True)
def close_terminals() -> Iterator[None]:
    """A test that fails must not leave its command behind."""
    yield
    while OPEN:
        OPEN.pop().close()


def terminal(
    instance: Instance, *words: str, argv: list[str] | None = None,
    size: tuple[int, int] = (24, 80), **environment: str,
) -> Terminal:  # fmt: skip
    """``virtlxc WORDS``, or another command line, on a terminal of its own."""
    env = instance.environment(**environment)
    OPEN.append(Terminal(instance.spaces, argv or instance.argv(*words), env, size))
    return OPEN[-1]


def test_console_talks_resizes_and_is_left(box: Instance) -> None:
    console = terminal(box, "console", "box", size=(31, 97))
    console.expect("Connected to domain 'box'\r\nEscape character is ^] (Ctrl + ])\r\n")
    console.type("stty size\r")
    console.expect("31 97")
    console.resize(40, 120)
    wait_for("the new size to arrive", lambda: _size(console) == "40 120")
    console.type("\x1d")
    assert console.end() == 0
    assert console.text().endswith("\r\n")


def _size(console: Terminal) -> str:
    console.type("echo $(stty size)end\r")
    console.expect("end\r\n" if "\rend" in console.text() else "end")
    console.expect("box$")
    lines = [line for line in console.text().split("\r\n") if line.endswith("end")]
    return lines[-1].removesuffix("end")


def test_two_viewers_see_the_same_and_the_past(box: Instance) -> None:
    first = terminal(box, "console", "box")
    first.type("echo one-$((20+1))\r")
    first.expect("one-21")
    second = terminal(box, "console", "box")
    second.expect("one-21")  # from before it came
    second.type("echo two-$((20+2))\r")
    first.expect("two-22")
    second.expect("two-22")
    for viewer in (first, second):
        viewer.type("\x1d")
        assert viewer.end() == 0


def test_another_escape_character(box: Instance) -> None:
    console = terminal(box, "-e", "^a", "console", "box")
    console.expect("Escape character is ^a (Ctrl + a)")
    console.type("\x01")
    assert console.end() == 0


def test_a_killed_viewer_leaves_the_console_to_others(box: Instance) -> None:
    viewer = terminal(box, "console", "box")
    viewer.expect("Escape character")
    viewer.process.send_signal(signal.SIGKILL)
    viewer.close()
    other = terminal(box, "console", "box")
    other.type("echo still-$((1+1))\r")
    other.expect("still-2")
    other.type("\x1d")
    assert other.end() == 0


def test_the_console_ends_with_its_domain(box: Instance) -> None:
    console = terminal(box, "console", "box")
    console.expect("Escape character")
    box.virtlxc("destroy", "box").ok()
    try:
        assert console.end() == 0
    finally:
        box.virtlxc("start", "box").ok()


def test_ctrl_and_c_ends_a_program_on_busybox_s_console(instance: Instance) -> None:
    """The terminal is the shell's, not init's: job control, and no SIGINT for init."""
    instance.virtlxc("new", "tiny", "--template", "busybox", "--no-network", "--start").ok()
    console = terminal(instance, "console", "tiny")
    console.expect("press Enter")
    console.type("\r")
    console.expect("root@tiny")
    assert "job control turned off" not in console.text()
    console.type("sleep 1000\r")
    console.expect("sleep 1000")
    wait_for("the program", lambda: "sleep 1000" in _processes(instance))
    console.type("\x03")
    wait_for("its end", lambda: "sleep 1000" not in _processes(instance))
    console.type("echo $((40+2))\r")
    console.expect("42")
    console.type("\x1d")
    assert console.end() == 0
    instance.virtlxc("destroy", "tiny").ok()


def _processes(instance: Instance) -> str:
    return instance.virtlxc("exec", "tiny", "--", "ps").ok()


def test_console_needs_a_terminal(box: Instance) -> None:
    assert box.virtlxc("console", "box").failed() == (
        "error: Cannot run interactive console without a controlling TTY\n"
    )


def test_exec_on_a_terminal(box: Instance) -> None:
    shell = terminal(box, "exec", "box", "sh", size=(33, 99))
    shell.expect("#" if os.geteuid() == 0 else "$")
    shell.type("tty; stty size\r")
    shell.expect("33 99")
    shell.type("exit 5\r")
    assert shell.end() == 5


def test_exec_carries_much_both_ways(box: Instance) -> None:
    """Neither side may wait for the other while both have something to say."""
    text = "".join(f"line {number} of a long paste\n" for number in range(20000))
    ran = box.virtlxc("exec", "box", "--tty", "sh", "-c", "stty raw -echo; head -c 500000 | wc -c",
                      input=text)  # fmt: skip
    # What came before stty is echoed in front of the count.
    assert ran.ok().strip().endswith("500000")


def test_exec_with_our_descriptors(box: Instance) -> None:
    ran = box.virtlxc("exec", "box", "sh", "-c", "cat; echo err >&2; exit 7", input="in\n")
    assert (ran.stdout, ran.stderr, ran.code) == ("in\n", "err\n", 7)
    assert box.virtlxc("exec", "box", "--", "sh", "-c", "kill -9 $$").code == 128 + 9
    assert box.virtlxc("exec", "box", "ls", "--help").code == 0


def test_exec_takes_environment_folder_and_user(box: Instance) -> None:
    ran = box.virtlxc(
        "exec", "box", "--env", "A=1,B=2", "--cwd", "/tmp", "sh", "-c", "echo $A $B; pwd"
    )
    assert ran.ok() == "1 2\n/tmp\n"
    assert box.virtlxc("exec", "box", "--user", "12", "--group", "34", "id").ok().startswith(
        "uid=12 gid=34"
    )


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["nosuch"], 127, "the domain has no program 'nosuch' in /usr/local/sbin:"),
        (["/bin/nosuch"], 127, "/bin/nosuch: No such file or directory"),
        (["/etc/passwd"], 126, "/etc/passwd: Permission denied"),
        (["/etc"], 126, "/etc: Permission denied"),
        (["--env", "PATH=/etc:/bin", "passwd-here"], 126, "/etc/passwd-here: Permission denied"),
        (["--env", "PATH=/etc:/bin", "empty"], 126, "/bin/empty: Exec format error"),
        # What comes before the program is tried is no status of a program.
        (["--user", "nobody-here", "true"], 1, "nobody-here"),
        (["--cwd", "/nowhere", "true"], 1, "/nowhere"),
    ],
)
def test_exec_of_what_cannot_be_run(
    words: list[str], status: int, reason: str, box: Instance
) -> None:
    """The statuses of shells, and of docker and lxc-attach: 127 not found, 126 not executable."""
    (box.root / "rootfs/etc/passwd-here").write_text("")
    (box.root / "rootfs/bin/empty").write_text("")
    (box.root / "rootfs/bin/empty").chmod(0o755)
    ran = box.virtlxc("exec", "box", *words)
    assert (ran.code, ran.stdout.strip()) == (status, ""), ran.stderr
    first, second = ran.stderr.splitlines()
    assert first == f"error: Failed to run '{words[-1]}'"
    assert second.startswith("error: ") and reason in second
    entered = box.virtlxc("lxc-enter-namespace", "box", words[-1])
    assert entered.code == (1 if status > 1 else 0), "as virsh, which does not tell them apart"
    in_batch = box.virtlxc(f"exec box {' '.join(words)}; domid box")
    assert in_batch.code == 0, "a batch has the status of its last command"


WITHOUT_PROMPT_TOOLKIT = """
import sys
sys.modules["prompt_toolkit"] = None
from virtlxc.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("library", ["prompt_toolkit", "readline"])
def test_the_shell_completes_and_keeps_a_history(
    library: str, box: Instance, tmp_path: Path
) -> None:
    pytest.importorskip(library)
    argv = [sys.executable, "-c", WITHOUT_PROMPT_TOOLKIT] if library == "readline" else None
    shell = terminal(box, argv=argv, XDG_CACHE_HOME=str(tmp_path), TERM="xterm")
    shell.expect("virtlxc #")
    shell.type("domstate b\t")
    shell.expect("ox")
    shell.type("\r")
    shell.expect("running")
    shell.type("quit\r")
    assert shell.end() == 0
    assert "domstate box" in (tmp_path / "virtlxc" / "history").read_text()


@pytest.fixture
def on_path(tmp_path: Path) -> Path:
    """A folder for PATH with the checkout's command in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "virtlxc").write_text(f'#!/bin/sh\nexec {sys.executable} -m virtlxc "$@"\n')
    (folder / "virtlxc").chmod(0o755)
    return folder


def test_zsh_completes_with_our_script(box: Instance, on_path: Path, tmp_path: Path) -> None:
    shells = peers.fetch("shells")
    (tmp_path / "_virtlxc").write_bytes((COMPLETIONS / "virtlxc.zsh").read_bytes())
    functions = shells.root / "usr/share/zsh/functions"
    folders = [tmp_path, functions, *(functions / "Completion").iterdir()]
    (tmp_path / ".zshrc").write_text(
        f"fpath=({' '.join(map(str, folders))} {functions}/*)\n"
        "autoload -Uz compinit; compinit -u -D; PS1='zsh# '\n"
    )
    zsh = terminal(
        box,
        argv=[shells.program("zsh-static"), "-i"],
        ZDOTDIR=str(tmp_path),
        PATH=f"{on_path}:/usr/bin:/bin",
        TERM="dumb",
    )
    zsh.expect("zsh# ")
    zsh.type("virtlxc net-li\t")
    zsh.expect("net-list")
    zsh.type("\x15virtlxc domstate b\t")
    zsh.expect("domstate box")
    zsh.type("\r")
    zsh.expect("running")
    zsh.type("exit\r")
    assert zsh.end() == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("virtlxc net-li", "net-list"),
        ("virtlxc domstate b", "box"),
        ("virtlxc dumpxml box --x", "--xpath"),
        ("virtlxc new web1 deb", "debian"),
    ],
)
def test_fish_completes_with_our_script(
    line: str, expected: str, box: Instance, on_path: Path
) -> None:
    shells = peers.fetch("shells")
    script = f"source {COMPLETIONS}/virtlxc.fish; complete -C '{line}'"
    answer = box.spaces.run(
        *shells.argv("fish", "--no-config", "-c", script),
        env=box.environment(PATH=f"{on_path}:/usr/bin:/bin", HOME=str(on_path)),
    )
    assert expected in answer.ok().splitlines()


def test_logs_follow(box: Instance) -> None:
    console = terminal(box, "console", "box")
    console.type("echo before-$((3*3))\r")
    console.expect("before-9")
    follower = terminal(box, "logs", "box", "--follow", "--lines", "5")
    follower.expect("before-9")
    console.type("echo logged-$((3*3))\r")
    follower.expect("logged-9")
    follower.type("\x03")
    assert follower.end() == 130
    console.type("\x1d")
    console.end()
    assert "logged-9" in box.virtlxc("logs", "box").ok()


# A title, a cleared screen, colours, a line that is overwritten, C1 as UTF-8, no UTF-8 at all.
WICKED = b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[m\tover\rwritten \xc2\x9bm \xff gr\xc3\xbcn"


def test_logs_show_a_terminal_no_sequences_of_guests(box: Instance) -> None:
    """What a guest writes is data for the operator's terminal, not orders."""
    octal = "".join(f"\\{byte:03o}" for byte in WICKED)
    box.virtlxc("exec", "box", "--", "sh", "-c", f"printf '\\n{octal}\\n' >/dev/console").ok()
    wait_for("it in the log", lambda: "owned" in box.virtlxc("logs", "box").ok())
    shown = terminal(box, "logs", "box", "--lines", "1")
    assert shown.end() == 0
    assert shown.seen.strip() == (
        rb"\x1b]0;owned\x07\x1b[2Jred" b"\t" rb"over\rwritten \x9bm \xff gr" b"\xc3\xbcn"
    )
    raw = terminal(box, "logs", "box", "--raw", "--lines", "1")
    assert raw.end() == 0
    assert WICKED in raw.seen
    with box.spaces.popen(
        box.argv("logs", "box", "--lines", "1"), env=box.environment(), stdout=subprocess.PIPE
    ) as piped:
        assert piped.stdout is not None
        assert WICKED in piped.stdout.read()


def test_followed_logs_show_a_terminal_no_sequences_either(box: Instance) -> None:
    follower = terminal(box, "logs", "box", "--follow", "--lines", "0")
    console = terminal(box, "console", "box")
    console.type("printf '\\033[2Jsec\\33[32mond\\n'\r")
    follower.expect("\\x1b[2Jsecond")
    assert b"\x1b" not in follower.seen
    follower.type("\x03")
    console.type("\x1d")
    assert (follower.end(), console.end()) == (130, 0)


def test_a_command_starts_the_daemon_once(tmp_path: Path) -> None:
    instance = Instance(start=False)
    try:
        Path(instance.paths.etc).mkdir(parents=True)  # by which a root is known to be one
        first = instance.virtlxc("list", "--name")
        assert first.ok() == "\n"
        assert first.stderr.startswith("the daemon was not running: started it (pid ")
        second = instance.virtlxc("list", "--name")
        assert (second.ok(), second.stderr) == ("\n", "")
        refused = instance.virtlxc("list", user=65534).failed()
        assert "Permission denied (you may not use this socket" in refused
        pid = int(Path(instance.paths.lock).read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for("the daemon to end", lambda: not Path(f"/proc/{pid}").exists())
    finally:
        instance.close()


@pytest.mark.parametrize("folder", ["misspelt/below", "."])
@pytest.mark.parametrize("user", [None, 65534])
def test_a_command_makes_no_root(folder: str, user: int | None, tmp_path: Path) -> None:
    """Only a daemon that was asked for makes an instance's folders: a misspelt --root is told."""
    instance = Instance(start=False)
    try:
        root = os.path.abspath(instance.root / folder)
        before = sorted(instance.root.rglob("*"))
        for words in (["list"], ["start", "web1"], ["version"], ["net-list"]):
            ran = instance.virtlxc("--root", root, *words, user=user)
            assert ran.failed().splitlines()[-2:] == [
                "error: failed to connect to the hypervisor",
                f"error: there is no instance of virtlxc below '{root}' (look how --root or "
                f"VIRTLXC_ROOT is spelt; a new one is made by: virtlxc --root {root} daemon)",
            ]
        assert sorted(instance.root.rglob("*")) == before
    finally:
        instance.close()


def test_with_a_uri_no_daemon_is_started() -> None:
    instance = Instance(start=False)
    try:
        ran = instance.virtlxc("-c", instance.paths.uri(), "list")
        assert "the daemon is not running; start it" in ran.failed()
    finally:
        instance.close()
