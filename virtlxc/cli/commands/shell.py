"""The command itself: help, and what only the interactive shell needs."""

from __future__ import annotations

import os

from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, alias, flag, rest, rows, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session


def _help(session: Session, args: Args) -> None:
    from virtlxc.cli import help

    name = args.get("command") if "command" in args else None
    if name is None:
        session.say(help.overview())
        return
    page = help.topic(name)
    if page is None:
        raise Failed(f"command or command group '{name}' doesn't exist")
    session.say(page)


def _cd(session: Session, args: Args) -> None:
    if not session.interactive:
        raise Failed("cd: command valid only in interactive mode")
    folder = args.get("dir") or os.environ.get("HOME") or "/"
    try:
        os.chdir(folder)
    except OSError as error:
        raise Failed(f"cd: {os.strerror(error.errno or 0)}: {folder}") from None


def _pwd(session: Session, args: Args) -> None:
    session.say(f"{os.getcwd()}\n")


def _quit(session: Session, args: Args) -> None:
    session.interactive = False


def _connect(session: Session, args: Args) -> None:
    session.reconnect(args.get("name") or "", readonly="readonly" in args)


def _echo(session: Session, args: Args) -> None:
    words = [_escaped(word, args) for word in args.rest]
    line = " ".join(words)
    if "err" in args:
        session.complain(line)
    else:
        session.say(line)


def _escaped(word: str, args: Args) -> str:
    if "shell" in args:
        from shlex import quote

        return quote(word)
    if "xml" in args:
        from xml.sax.saxutils import escape

        return escape(word, {"'": "&apos;", '"': "&quot;"})
    if "split" in args:
        parts = word.replace(",,", "\0").split(",")
        return "".join(part.replace("\0", ",") + "\n" for part in parts)
    return word


COMMANDS = rows(
    Command("cd", "change the folder", text("dir", "where to; home if not given"), run=_cd,
            connects=False),
    Command(
        "connect",
        "connect to another daemon, or again to the same",
        text("name", "its URI", empty_ok=True),
        flag("readonly", "to its read-only socket"),
        run=_connect,
        connects=False,
    ),
    Command(
        "echo",
        "print words, with quotes that a later use needs",
        flag("shell", "quote for a shell"),
        flag("xml", "escape for XML"),
        flag("split", "one line for each part between commas"),
        flag("err", "print to stderr"),
        alias("str", "string"),
        alias("hi", "string=hello"),
        rest("string", "the words"),
        run=_echo,
        excludes=(("shell", "xml"), ("shell", "split"), ("xml", "split")),
        connects=False,
    ),
    Command("exit", "leave the shell", run=_quit, connects=False),
    Command(
        "help",
        "this help, or a command's or a group's",
        text("command", "a command, or a group's keyword", complete="commands"),
        run=_help,
        connects=False,
    ),
    Command("pwd", "print the folder", run=_pwd, connects=False),
    Command("quit", "leave the shell", run=_quit, connects=False),
)  # fmt: skip
