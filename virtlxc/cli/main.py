"""The entry point: options, then commands, then the exit status."""

from __future__ import annotations

import os
import sys

from virtlxc.cli import commands, grammar
from virtlxc.cli.failures import Exit, Failed, UsageError
from virtlxc.cli.options import read
from virtlxc.cli.session import Session
from virtlxc.errors import Code, VirtlxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtlxc.cli.grammar import Args, Command
    from virtlxc.cli.options import Options

    Work = list[tuple[Command, Args]]

# Errors of the transport, after which a connection is of no more use.
BROKEN = (Code.NO_CONNECT, Code.INVALID_CONN, Code.RPC)


def main(words: Sequence[str] | None = None) -> int:
    """Carries out a command line; the exit status."""
    try:
        status = run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not try to flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "lxml":
            raise
        sys.stderr.write(
            f"error: {sys.executable} has no lxml (run ./quickstart run, or install python3-lxml)\n"
        )
        return 1
    except OSError as error:
        what = error.filename or "cannot write the output"
        sys.stderr.write(f"error: {what}: {error.strerror or error}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def run(words: Sequence[str]) -> int:
    try:
        options, rest = read(words)
    except UsageError as error:
        sys.stderr.write("".join(f"error: {line}\n" for line in error.lines))
        return 1
    if options.what:
        return _about(options)
    session = Session(options)
    try:
        if not rest:
            from virtlxc.cli.shell import interact

            return interact(session)
        return run_line(session, rest)
    finally:
        session.close()


def _about(options: Options) -> int:
    from virtlxc.cli import help

    if options.what == "help":
        sys.stdout.write(help.usage("virtlxc"))
    else:
        sys.stdout.write(help.version(long=options.what == "versions"))
    return 0


def run_line(session: Session, words: Sequence[str]) -> int:
    """Carries out one command, or a batch when it is all in one word; the last one's status.

    Nothing of a batch is carried out when any of it is malformed.
    """
    try:
        if len(words) == 1 and not words[0].isalpha():
            from virtlxc.cli.words import split

            batch = split(words[0])
        else:
            batch = [list(words)]
        work = [understand(one) for one in batch]
    except UsageError as error:
        session.complain(*error.lines)
        return 1
    status = 0 if words[0] else 1
    for command, args in work:
        status = carry_out(session, command, args)
        if command.name in ("quit", "exit"):
            break
    return status


def understand(words: Sequence[str]) -> tuple[Command, Args]:
    """The command that these words name, and its arguments. Raises UsageError."""
    command = commands.find(words[0])
    if command is None:
        from virtlxc.cli.help import unknown

        raise UsageError(*unknown(words[0]))
    if command.name == "help":
        return command, _help_args(words[1:])
    args = grammar.parse(command, words[1:])
    if args.wants_help:
        helper = commands.find("help")
        assert helper is not None
        return helper, _help_args([command.name])
    return command, args


def _help_args(words: Sequence[str]) -> Args:
    """help takes the first word that is no option, and lets the rest pass."""
    args = grammar.Args()
    if "--help" in words:
        words = ["help"]
    for word in words:
        if not word.startswith("--"):
            args.put("command", word)
            break
    return args


def carry_out(session: Session, command: Command, args: Args) -> int:
    """One command, from its checks to its exit status; says what went wrong."""
    if session.options.timing:
        from time import monotonic

        begin = monotonic()
    status = 0
    try:
        if command.connects:
            _ = session.connection
        grammar.check(command, args)
        _work(session, command, args)
    except Exit as exit:
        return exit.status
    except Failed as failed:
        session.complain(*failed.lines)
        status = failed.status
        if failed.code in BROKEN:
            session.lost()
    except VirtlxcError as error:
        session.complain(error.message)
        status = 1
    if command.name in ("quit", "exit"):
        return status
    if session.options.timing:
        session.say(f"\n(Time: {(monotonic() - begin) * 1000:.3f} ms)\n\n")
    elif session.options.output == "text":
        session.remark("\n")
    return status


def _work(session: Session, command: Command, args: Args) -> None:
    if command.run is not None:
        command.run(session, args)
        return
    assert command.read is not None and command.show is not None
    data = command.read(session, args)
    if session.options.output == "text":
        session.say(command.show(data, args, session.quiet))
        return
    from virtlxc.cli.output import render

    session.say(render(data, session.options.output))
