"""The programs and their procedures, as data.

A procedure is one row: (number, name, fields of its call, fields of its reply, marks). Marks are
words: ``ro`` (the read-only socket may call it; the default is no), ``high`` (does not queue
behind slow calls), ``quiet`` (changes nothing although a read-only client may not call it),
``reads`` or ``writes`` (opens a stream, seen from the client), ``fds`` (takes or returns
descriptors), ``event`` (the server sends it unasked; its fields stand where a call's do).

Rows stand in one module a subject and a module is loaded when a name with its first word is asked
for, because this package is on the start-up path of the command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.rpc.codec import Message

Row = tuple[int, str, str, str, str]

REMOTE = "remote"
LXC = "lxc"
KEEPALIVE = "keepalive"
OWN = "virtlxc"

# name -> (number, version), all of version 1.
PROGRAMS = {
    REMOTE: (0x20008086, 1),
    LXC: (0x00068000, 1),
    KEEPALIVE: (0x6B656570, 1),
    OWN: (0x0076786C, 1),
}

# The modules with a program's rows; for the big one, by the first word of the procedure's name.
_MODULES = {
    (REMOTE, "AUTH"): ("connect",),
    (REMOTE, "CONNECT"): ("connect", "events"),
    (REMOTE, "DOMAIN"): ("domain", "tuning", "devices", "snapshots", "events", "migration"),
    (REMOTE, "NETWORK"): ("network", "events"),
    (REMOTE, "STORAGE"): ("storage", "events"),
    (REMOTE, "NODE"): ("node", "events"),
    (REMOTE, "INTERFACE"): ("interface",),
    (REMOTE, "SECRET"): ("secret", "events"),
    (REMOTE, "NWFILTER"): ("nwfilter",),
    (LXC, ""): ("lxc",),
    (KEEPALIVE, ""): ("keepalive",),
    (OWN, ""): ("own",),
}

_loaded: dict[str, tuple[Row, ...]] = {}


def _load(module: str) -> tuple[Row, ...]:
    rows = _loaded.get(module)
    if rows is None:
        found = __import__(f"{__name__}.{module}", fromlist=("ROWS",))
        rows = _loaded[module] = found.ROWS
    return rows


class Procedure:
    """A row at work: its messages are compiled when they are first used."""

    __slots__ = ("_args", "_result", "marks", "name", "number", "program", "row", "version")

    def __init__(self, program: str, row: Row) -> None:
        self.program, self.version = PROGRAMS[program]  # numbers, as packets have them
        self.row = row
        self.number, self.name = row[0], row[1]
        self.marks = frozenset(row[4].split())
        self._args: Message | None = None
        self._result: Message | None = None

    @property
    def args(self) -> Message:
        """The call's fields; an event's own."""
        if self._args is None:
            from virtlxc.rpc.codec import Message

            self._args = Message(self.row[2])
        return self._args

    @property
    def result(self) -> Message:
        """The reply's fields."""
        if self._result is None:
            from virtlxc.rpc.codec import Message

            self._result = Message(self.row[3])
        return self._result


_found: dict[tuple[str, str], Procedure] = {}


def procedure(name: str, program: str = REMOTE) -> Procedure:
    """The procedure of that name; LookupError when the tables have none."""
    key = (program, name)
    found = _found.get(key)
    if found is None:
        word = name.partition("_")[0] if program == REMOTE else ""
        for module in _MODULES.get((program, word), ()):
            for row in _load(module):
                if row[1] == name:
                    found = _found[key] = Procedure(program, row)
                    return found
        raise LookupError(f"there is no procedure {name} in the program {program}")
    return found


def rows(program: str) -> list[Row]:
    """Every row of a program, by number."""
    modules = {
        name: None for (one, _), names in _MODULES.items() if one == program for name in names
    }
    return sorted(row for module in modules for row in _load(module))
