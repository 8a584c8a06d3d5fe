"""virsh's grammar: what an option and a command are, and how words become arguments.

An option is given as ``--name value``, ``--name=value`` or, unless it is a flag or ``named``, by
its place among the words. After ``--`` every word is a value. This module is on the start-up path
of the command: it must stay light.
"""

from __future__ import annotations

from virtlxc.cli.failures import Failed, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from virtlxc.cli.session import Session

    Run = Callable[[Session, "Args"], None]
    Read = Callable[[Session, "Args"], Any]
    Show = Callable[[Any, "Args", bool], str]

FLAG, NUMBER, TEXT, WORD, REST, ALIAS = "flag", "number", "text", "word", "rest", "alias"


class Opt:
    """One option; ``complete`` names what its value may be completed from (see completion.py).

    ``verbatim``: once it has begun, nothing of what follows is an option of ours.
    """

    __slots__ = ("complete", "empty_ok", "help", "kind", "name", "named", "required", "verbatim")

    def __init__(
        self,
        kind: str,
        name: str,
        text: str,
        *,
        required: bool = False,
        named: bool = False,
        empty_ok: bool = False,
        complete: str = "",
        verbatim: bool = False,
    ) -> None:
        self.kind = kind
        self.name = name
        self.help = text
        self.required = required
        self.named = named
        self.empty_ok = empty_ok
        self.complete = complete
        self.verbatim = verbatim


def flag(name: str, text: str) -> Opt:
    return Opt(FLAG, name, text)


def number(name: str, text: str, *, required: bool = False, named: bool = False) -> Opt:
    return Opt(NUMBER, name, text, required=required, named=named)


def text(
    name: str, help_text: str, *, named: bool = False, empty_ok: bool = False, complete: str = ""
) -> Opt:
    return Opt(TEXT, name, help_text, named=named, empty_ok=empty_ok, complete=complete)


def word(name: str, help_text: str, *, empty_ok: bool = False, complete: str = "") -> Opt:
    """A value that must be there."""
    return Opt(WORD, name, help_text, required=True, empty_ok=empty_ok, complete=complete)


def rest(
    name: str,
    help_text: str,
    *,
    required: bool = False,
    complete: str = "",
    verbatim: bool = False,
) -> Opt:
    """All words that are left; stands last."""
    return Opt(
        REST,
        name,
        help_text,
        required=required,
        empty_ok=True,
        complete=complete,
        verbatim=verbatim,
    )


def alias(name: str, stands_for: str) -> Opt:
    """Another name of a later option, which is not documented; ``option=value`` gives a value."""
    return Opt(ALIAS, name, stands_for)


class Command:
    """One command: its grammar, its help, and what it does.

    Either ``run`` does something, or ``read`` asks for plain data (dicts, lists, strings, numbers)
    and ``show`` turns that, the arguments, and whether --quiet was given, into text: what is read
    can also be printed as JSON or YAML.
    ``excludes`` are pairs of options of which only one may be given, ``needs`` pairs of which the
    first is useless without the second.
    """

    __slots__ = (
        "connects",
        "description",
        "excludes",
        "name",
        "needs",
        "options",
        "read",
        "run",
        "show",
        "summary",
    )

    def __init__(
        self,
        name: str,
        summary: str,
        *options: Opt,
        run: Run | None = None,
        read: Read | None = None,
        show: Show | None = None,
        description: str = "",
        excludes: Sequence[tuple[str, str]] = (),
        needs: Sequence[tuple[str, str]] = (),
        connects: bool = True,
    ) -> None:
        self.name = name
        self.summary = summary
        self.options = options
        self.run = run
        self.read = read
        self.show = show
        self.description = description
        self.excludes = excludes
        self.needs = needs
        self.connects = connects


def rows(*commands: Command) -> dict[str, Command]:
    """A group's table: its commands by name."""
    return {command.name: command for command in commands}


class Args:
    """What the words of one command line say, by option name."""

    __slots__ = ("_empty_ok", "_values", "rest", "wants_help")

    def __init__(self, options: Sequence[Opt] = ()) -> None:
        self._values: dict[str, str] = {}
        self._empty_ok = {opt.name for opt in options if opt.empty_ok}
        self.rest: list[str] = []
        self.wants_help = False

    def put(self, name: str, value: str = "") -> None:
        self._values[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> str:
        """The value of an option that is required; Failed when it is empty."""
        value = self._values[name]
        if not value and name not in self._empty_ok:
            raise Failed(f"Failed to get option '{name}': Option argument is empty")
        return value

    def get(self, name: str) -> str | None:
        """The value of an option, None when it was not given; Failed when it is empty."""
        return self[name] if name in self._values else None

    def integer(
        self, name: str, *, least: int = -(1 << 31), most: int = (1 << 31) - 1
    ) -> int | None:
        """The value as a number in these bounds; Failed when it is none."""
        if name not in self._values:
            return None
        value = self._values[name]
        try:
            found = int(value)
        except ValueError:
            found = most + 1
        if not least <= found <= most or not value.lstrip()[-1:].isdigit() or "_" in value:
            raise Failed(
                f"Numeric value '{value}' for <{name}> option is malformed or out of range"
            )
        return found

    def bits(self, table: Sequence[tuple[str, int]]) -> int:
        """The sum of the flags whose options were given."""
        found = 0
        for name, bit in table:
            if name in self._values:
                found |= bit
        return found


class _Reader:
    """Reads the words of one command."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.args = Args(command.options)
        self.places = [
            opt for opt in command.options if opt.kind not in (FLAG, ALIAS) and not opt.named
        ]
        self.seen: set[str] = set()
        self.verbatim = False  # whether such an option has begun

    def read(self, words: Sequence[str]) -> Args:
        queue = list(words)
        queue.reverse()
        only_values = False
        while queue:
            word = queue.pop()
            if self.verbatim:
                self.store(self.places[0], word)
            elif not only_values and word == "--":
                only_values = True
            elif not only_values and word.startswith("--") and word[2:3].isalnum():
                self.option(word[2:], queue)
            elif not only_values and self.is_letter(word):
                self.option(word[1:], queue)
            else:
                self.value(word)
        return self.args

    def is_letter(self, word: str) -> bool:
        """Whether this is ``-x`` with a letter of the command's own, which few have."""
        letters = {opt.name for opt in self.command.options if len(opt.name) == 1}
        return word[:1] == "-" and word[1:] in letters

    def option(self, written: str, queue: list[str]) -> None:
        name, equals, value = written.partition("=")
        if name == "help":
            self.args.wants_help = True
            return
        opt, value, equals = self.find(name, value, equals)
        if opt.kind == FLAG:
            if equals:
                raise UsageError(f"invalid '=' after option --{opt.name}")
            self.args.put(opt.name)
            return
        if not equals:
            if not queue:
                kind = "number" if opt.kind == NUMBER else "string"
                raise UsageError(f"expected syntax: --{opt.name} <{kind}>")
            value = queue.pop()
        self.store(opt, value)

    def find(self, name: str, value: str, equals: str) -> tuple[Opt, str, str]:
        for opt in self.command.options:
            if opt.name != name:
                continue
            if opt.kind == ALIAS:
                name, given, default = opt.help.partition("=")
                if given:
                    if equals:
                        raise UsageError(f"invalid '=' after option --{opt.name}")
                    value, equals = default, "="
                continue
            if opt.name in self.seen and opt.kind != REST:
                raise UsageError(f"option --{opt.name} already seen")
            self.seen.add(opt.name)
            return opt, value, equals
        raise UsageError(
            f"command '{self.command.name}' doesn't support option --{name}",
            *_instead(self.command, name),
        )

    def value(self, word: str) -> None:
        if not self.places:
            from virtlxc.cli.help import synopsis

            raise UsageError(f"unexpected data '{word}'", f"usage: {synopsis(self.command)}")
        opt = self.places[0]
        self.seen.add(opt.name)
        self.verbatim = opt.verbatim
        self.store(opt, word)

    def store(self, opt: Opt, value: str) -> None:
        if opt.kind == REST:
            self.args.rest.append(value)
            self.args.put(opt.name, value)
            return
        if opt in self.places:
            self.places.remove(opt)
        self.args.put(opt.name, value)


def parse(command: Command, words: Sequence[str]) -> Args:
    """The arguments that ``words`` give to ``command``; UsageError in virsh's words."""
    args = _Reader(command).read(words)
    if args.wants_help:
        return args
    missing = [
        f"command '{command.name}' requires "
        + (f"--{opt.name}" if opt.kind == NUMBER else f"<{opt.name}>")
        + " option"
        for opt in command.options
        if opt.required and opt.name not in args
    ]
    if missing:
        raise UsageError(*missing)
    return args


def check(command: Command, args: Args) -> None:
    """Failed when options were given that do not go together."""
    for one, other in command.excludes:
        if one in args and other in args:
            raise Failed(f"Options --{one} and --{other} are mutually exclusive")
    for one, other in command.needs:
        if one in args and other not in args:
            raise Failed(f"Option --{other} is required by option --{one}")


def _instead(command: Command, name: str) -> tuple[str, ...]:
    """What may have been meant by an option that the command lacks; nothing, or one line."""
    from difflib import get_close_matches

    from virtlxc.cli.options import GLOBAL

    if name in {row[1] for row in GLOBAL}:
        return (f"--{name} goes before the command: virtlxc --{name} ... {command.name}",)
    names = [opt.name for opt in command.options if opt.kind != ALIAS]
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return (f"the nearest option is --{near[0]}",) if near else ()
