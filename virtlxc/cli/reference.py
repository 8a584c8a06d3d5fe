"""docs/commands.md, made from the table: ``python -m virtlxc.cli.reference > docs/commands.md``."""

from __future__ import annotations

import sys

from virtlxc.cli import commands, help
from virtlxc.cli.grammar import ALIAS, Command
from virtlxc.cli.options import GLOBAL

HEAD = """# Commands

Made from the table of commands: do not edit (`python -m virtlxc.cli.reference`).

    virtlxc [options] COMMAND [arguments]
    virtlxc [options] 'COMMAND [arguments]; COMMAND ...'
    virtlxc [options]

Names, options, output and exit status are those of virsh 9.0.0; an interop test compares the bytes.
Options are given as `--name value`, `--name=value`, or by their place; after `--` every word is a
value. Several commands in one word are a batch; no command at all opens the shell.

Exit status: 0, or 1 when something went wrong, with lines that begin with `error: ` on standard
error. `exec` gives the status of the program that it ran, 128 and the signal's number when a signal
ended it, 127 when the domain has no such program, 126 when it cannot be executed, and 1 when it was
not tried: no such domain, no such user.

## Options before the command

| option | meaning |
|---|---|
"""


def markdown() -> str:
    """The whole page."""
    parts = [HEAD, *(_global(*row) for row in GLOBAL)]
    for title, keyword, files in commands.GROUPS:
        parts.append(f"\n## {title}\n\n`virtlxc help {keyword}`\n")
        for name in commands.names_of(files):
            command = commands.find(name)
            assert command is not None
            parts.append(_command(command))
    return "".join(parts)


def _global(letter: str, name: str, value: str, text: str) -> str:
    ways = [f"`-{letter}{' ' + value if value else ''}`"] if letter else []
    ways += [f"`--{name}{'=' + value if value else ''}`"] if name else []
    return f"| {', '.join(ways)} | {text} |\n"


def _command(command: Command) -> str:
    text = f"\n### {command.name}\n\n{command.summary[0].upper()}{command.summary[1:]}.\n\n"
    text += f"    {help.synopsis(command)}\n"
    shown = [opt for opt in command.options if opt.kind != ALIAS]
    if shown:
        text += "\n| option | meaning |\n|---|---|\n"
        cells = ((opt.name, opt.help.replace("|", "\\|")) for opt in shown)
        text += "".join(f"| `{name}` | {meaning} |\n" for name, meaning in cells)
    others = [opt for opt in command.options if opt.kind == ALIAS]
    for opt in others:
        text += f"\n`--{opt.name}` is another name of `--{opt.help}`.\n"
    return text


if __name__ == "__main__":
    sys.stdout.write(markdown())
