"""The table of commands: sound in itself, and beside virsh's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli_tool import run
from virtlxc.cli import commands, help
from virtlxc.cli.grammar import ALIAS, FLAG, REST, Command

FOLDER = Path(commands.__file__).parent
# Modules that hold no commands of their own.
HELPERS = {"__init__", "states"}

# The names of all commands of virsh 9.0.0, from its help; interop compares them with a real one.
VIRSH = Path(__file__).parent.parent / "data" / "cli" / "virsh-9.0.0-commands.txt"

# What is ours alone. Everything else must mean what it means in virsh.
OURS = {
    "apply", "check", "daemon", "delete", "diff", "exec", "export", "host-validate", "import",
    "limits", "logs", "new",
    "guests-start", "guests-stop", "install-units", "remove-units",
    "plan", "validate",
}  # fmt: skip


def every() -> list[Command]:
    modules = {module for _, _, files in commands.GROUPS for module, _ in files}
    modules |= set(commands.HIDDEN.values())
    return [one for module in sorted(modules) for one in commands.load(module).values()]


def test_the_index_knows_every_file_and_every_command() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - HELPERS
    indexed = {
        (module, name) for _, _, rows in commands.GROUPS for module, names in rows
        for name in names.split()
    } | {(module, name) for name, module in commands.HIDDEN.items()}  # fmt: skip
    there = {(module, name) for module in files for name in commands.load(module)}
    assert indexed == there


def test_no_name_is_there_twice() -> None:
    names = commands.names()
    assert len(names) == len(set(names))


@pytest.mark.parametrize("command", every(), ids=lambda command: command.name)
def test_rows_are_sound(command: Command) -> None:
    names = [opt.name for opt in command.options]
    assert len(names) == len(set(names))
    assert "help" not in names
    assert command.summary
    assert (command.run is None) == (command.read is not None and command.show is not None)
    kinds = [opt.kind for opt in command.options]
    assert REST not in kinds[:-1], "all that is left stands last"
    for one, other in (*command.excludes, *command.needs):
        assert {one, other} <= set(names)
    for at, opt in enumerate(command.options):
        if opt.kind == ALIAS:
            later = {each.name: each for each in command.options[at + 1 :]}
            target, equals, _ = opt.help.partition("=")
            assert target in later
            assert not (equals and later[target].kind == FLAG)
    required = [opt.required for opt in command.options if opt.kind not in (ALIAS, REST)]
    assert required == sorted(required, reverse=True), "what must be given stands first"


def test_no_command_of_ours_has_a_name_of_virshs() -> None:
    virsh = set(VIRSH.read_text().split())
    assert not OURS & virsh
    assert set(commands.names()) - OURS <= virsh


@pytest.mark.parametrize("name", [*commands.names(), *commands.HIDDEN])
def test_every_command_has_a_page(name: str) -> None:
    page = help.topic(name)
    assert page is not None
    assert page.startswith(f"  NAME\n    {name} - ")
    assert page == run(["help", name]).out.removesuffix("\n")
    assert page == run([name, "--help"]).out.removesuffix("\n")


def test_groups_have_pages() -> None:
    for title, keyword, _ in commands.GROUPS:
        assert help.topic(keyword) == help.topic(title)
        assert help.topic(keyword) is not None
    assert run(["help", "nothing"]).err == (
        "error: command or command group 'nothing' doesn't exist\n"
    )


# What `virtlxc list` may load beyond a bare interpreter: each costs every command something.
PLAIN = {
    "__future__", "_socket", "_struct", "struct",
    "virtlxc", "virtlxc.cli", "virtlxc.cli.commands", "virtlxc.cli.commands.listing",
    "virtlxc.cli.commands.states", "virtlxc.cli.failures", "virtlxc.cli.grammar",
    "virtlxc.cli.lookup", "virtlxc.cli.main", "virtlxc.cli.options", "virtlxc.cli.session",
    "virtlxc.cli.table", "virtlxc.errors", "virtlxc.paths", "virtlxc.rpc",
    "virtlxc.rpc.client", "virtlxc.rpc.codec", "virtlxc.rpc.tables",
    "virtlxc.rpc.tables.structs", "virtlxc.rpc.wire",
}  # fmt: skip

LOADED = """
import sys
before = set(sys.modules)
from virtlxc.cli.main import main
main(["-c", "/dev/null", "list", "--all"])
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def test_a_plain_command_loads_little() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert "failed to connect" in ended.stderr
    assert set(ended.stdout.split()) <= PLAIN
