"""Help pages and versions, made from the tables."""

from __future__ import annotations

from virtlxc.cli import commands
from virtlxc.cli.grammar import ALIAS, FLAG, NUMBER, REST, TEXT, WORD
from virtlxc.cli.options import GLOBAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Command, Opt

HELPS = 0.6  # how alike a name must be to be suggested, 1 is equal

# What other programs for containers call it.
ELSEWHERE = {
    "attach": "'console' or 'exec'",
    "enter": "'exec'",
    "freeze": "'suspend'",
    "info": "'dominfo'",
    "inspect": "'dumpxml' or 'dominfo'",
    "kill": "'destroy'",
    "login": "'console'",
    "ls": "'list'",
    "pause": "'suspend'",
    "ps": "'list'",
    "remove": "'delete' or 'undefine'",
    "rm": "'delete' or 'undefine'",
    "run": "'new', 'create' or 'exec'",
    "shell": "'exec'",
    "status": "'dominfo' or 'domstate'",
    "stop": "'shutdown' or 'destroy'",
    "unfreeze": "'resume'",
    "unpause": "'resume'",
}


def unknown(name: str) -> tuple[str, ...]:
    """What to say about a command that does not exist: that, and the nearest that does."""
    from difflib import get_close_matches

    lines = (f"unknown command: '{name}'",)
    if name in ELSEWHERE:
        return (*lines, f"what you mean may be {ELSEWHERE[name]}")
    near = get_close_matches(name, commands.names(), n=1, cutoff=HELPS)
    return (*lines, f"the nearest command is '{near[0]}'") if near else lines


def usage(program: str) -> str:
    """The page of --help: the options before the command, and every command."""
    head = (
        f"\n{program} [options]... [<command_string>]"
        f"\n{program} [options]... <command> [args...]\n\n  options:\n"
    )
    groups = "".join(
        f" {title} (help keyword '{keyword}')\n{_list(files)}\n"
        for title, keyword, files in commands.GROUPS
    )
    return (
        head
        + "".join(_global_option(*row) for row in GLOBAL)
        + f"  commands (non interactive mode):\n\n{groups}"
        + "\n  (help <group> tells about a group's commands)\n"
        + "\n  (help <command> tells about a command)\n\n"
    )


def _global_option(letter: str, name: str, value: str, text: str) -> str:
    shown = f"-{letter}" if letter else "  "
    if name:
        shown += (" | --" if letter else "   --") + name + (f"={value}" if value else "")
    return f"    {shown:<32} {text}\n"


def overview() -> str:
    """What help says without an argument."""
    groups = "".join(_group(*row) + "\n" for row in commands.GROUPS)
    return f"Grouped commands:\n\n{groups}"


def topic(name: str) -> str | None:
    """The page of a command or of a group, None when there is neither."""
    command = commands.find(name)
    if command is not None:
        return page(command)
    for title, keyword, files in commands.GROUPS:
        if name in (title, keyword):
            return _group(title, keyword, files)
    return None


def _group(title: str, keyword: str, files: tuple[tuple[str, str], ...]) -> str:
    return f" {title} (help keyword '{keyword}'):\n{_list(files)}"


def _list(files: tuple[tuple[str, str], ...]) -> str:
    found = [commands.find(name) for name in commands.names_of(files)]
    return "".join(f"    {one.name:<30} {one.summary}\n" for one in found if one is not None)


def page(command: Command) -> str:
    """One command's page."""
    shown = [opt for opt in command.options if opt.kind != ALIAS]
    text = f"  NAME\n    {command.name} - {command.summary}\n"
    text += f"\n  SYNOPSIS\n    {synopsis(command)}\n"
    if command.description:
        text += f"\n  DESCRIPTION\n    {command.description}\n"
    if shown:
        text += "\n  OPTIONS\n"
        text += "".join(f"    {_left(opt, command):<15}  {opt.help}\n" for opt in shown)
    return text + "\n"


def synopsis(command: Command) -> str:
    """The command and its options, as one line."""
    return " ".join(
        [command.name, *(_short(opt, command) for opt in command.options if opt.kind != ALIAS)]
    )


def _has_places(command: Command) -> bool:
    """Whether words without a name are taken by other options than the last one."""
    return any(opt.kind in (NUMBER, TEXT, WORD) and not opt.named for opt in command.options)


def _short(opt: Opt, command: Command) -> str:
    if opt.kind == REST:
        name = f"[--{opt.name}] <string>" if _has_places(command) else f"<{opt.name}>"
        if opt.required:
            return f"{{{name}}}..." if _has_places(command) else f"{name}..."
        return f"[{name}]..."
    if opt.kind == FLAG:
        return f"[--{opt.name}]"
    if opt.required:
        return f"<{opt.name}>"
    return f"[--{opt.name} <{'number' if opt.kind == NUMBER else 'string'}>]"


def _left(opt: Opt, command: Command) -> str:
    if opt.kind == FLAG:
        return f"--{opt.name}"
    if opt.kind == NUMBER:
        return f"[--{opt.name}] <number>" if opt.required else f"--{opt.name} <number>"
    if opt.kind == REST and not _has_places(command):
        return f"<{opt.name}>"
    return f"[--{opt.name}] <string>" if opt.required or opt.kind == REST else (
        f"--{opt.name} <string>"
    )


def version(*, long: bool) -> str:
    """What -v and -V say."""
    from virtlxc import __version__

    if not long:
        return f"{__version__}\n"
    from importlib.util import find_spec
    from platform import python_version, release

    found = [name for name in OPTIONAL if find_spec(name) is not None]
    return (
        f"virtlxc {__version__}\n"
        f"Python {python_version()}, Linux {release()}\n"
        f"Libraries: {', '.join(found) or 'none'}\n"
    )


# Libraries that virtlxc uses where they are installed.
OPTIONAL = ("lxml", "jeepney", "prompt_toolkit")
