"""The options before the command, in getopt's ways: ``-qr``, ``-cURI``, ``--connect=URI``."""

from __future__ import annotations

from virtlxc.cli.failures import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# letter, long name, name of its value ("" for a switch), help.
GLOBAL = (
    ("c", "connect", "URI", "connect to this daemon"),
    ("d", "debug", "NUM", "accepted for virsh's sake, without effect"),
    ("e", "escape", "CHAR", "escape sequence of the console, ^] if not given"),
    ("h", "help", "", "this help"),
    ("k", "keepalive-interval", "NUM", "accepted for virsh's sake, without effect"),
    ("K", "keepalive-count", "NUM", "accepted for virsh's sake, without effect"),
    ("", "output", "FORMAT", "text, json or yaml; for commands that read"),
    ("q", "quiet", "", "print data only"),
    ("r", "readonly", "", "connect to the read-only socket"),
    ("", "root", "DIR", "the instance whose files are below DIR; its daemon makes it"),
    ("t", "timing", "", "print how long each command took"),
    ("v", "version", "", "print the version"),
    ("V", "", "", "print the version, and what is installed beside"),
)

FORMATS = ("text", "json", "yaml")


class Options:
    """What the options before the command said."""

    __slots__ = ("escape", "output", "quiet", "readonly", "root", "timing", "uri", "what")

    def __init__(self) -> None:
        self.uri = ""
        self.root = ""
        self.output = "text"
        self.escape = "^]"
        self.readonly = False
        self.quiet = False
        self.timing = False
        self.what = ""  # "help", "version" or "versions": asked for instead of a command

    def take(self, option: str, value: str) -> None:
        if option == "connect":
            self.uri = value
        elif option == "root":
            self.root = value
        elif option == "output":
            if value not in FORMATS:
                raise UsageError(f"--output is one of {', '.join(FORMATS)}, not '{value}'")
            self.output = value
        elif option == "escape":
            if not _is_escape(value):
                raise UsageError(f"Invalid string '{value}' for escape sequence")
            self.escape = value
        elif option in ("readonly", "quiet", "timing"):
            setattr(self, option, True)
        elif option in ("help", "version") and not self.what:
            self.what = "versions" if value == "long" else option
        elif option == "" and not self.what:
            self.what = "versions"


def _is_escape(value: str) -> bool:
    if len(value) == 2:
        return value[0] == "^" and ("a" <= value[1] <= "z" or "@" <= value[1] <= "_")
    return len(value) == 1 and value != "^"


def read(words: Sequence[str]) -> tuple[Options, list[str]]:
    """The options, and the words of the command that follow them. Raises UsageError."""
    options = Options()
    queue = list(words)
    while queue and queue[0].startswith("-") and queue[0] != "-":
        given = queue.pop(0)
        if given == "--":
            break
        if given.startswith("--"):
            _long(options, given, queue)
        else:
            _letters(options, given[1:], queue)
    return options, queue


def _long(options: Options, given: str, queue: list[str]) -> None:
    name, equals, value = given[2:].partition("=")
    found = [row for row in GLOBAL if row[1] == name] or [
        row for row in GLOBAL if row[1].startswith(name)
    ]
    if len(found) != 1 or (equals and not found[0][2] and name != "version"):
        raise UsageError(f"unsupported option '{given}'. See --help.")
    letter, full, wants, _help = found[0]
    if wants and not equals:
        if not queue:
            shown = f"'-{letter}'/'--{full}'" if letter else f"'--{full}'"
            raise UsageError(f"option {shown} requires an argument")
        value = queue.pop(0)
    options.take(full, value)


def _letters(options: Options, letters: str, queue: list[str]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        found = [row for row in GLOBAL if row[0] == letter]
        if not found:
            raise UsageError(f"unsupported option '-{letter}'. See --help.")
        _, full, wants, _help = found[0]
        value = ""
        if wants:
            value, letters = letters, ""
            if not value:
                if not queue:
                    raise UsageError(f"option '-{letter}'/'--{full}' requires an argument")
                value = queue.pop(0)
        options.take(full, value)
