"""Users and groups as the guest's own /etc/passwd and /etc/group have them.

The files are read through openat2 in the guest's tree and parsed here: the C library would ask the
host's NSS, and load the guest's libraries to do so.
"""

from __future__ import annotations

from .context import StepError
from .trees import read


class User:
    """One account; ``name`` is None when only a number is known."""

    __slots__ = ("gid", "home", "name", "shell", "uid")

    def __init__(
        self, uid: int, gid: int = 0, name: str | None = None, home: str = "/", shell: str = ""
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.name = name
        self.home = home
        self.shell = shell


def _rows(root: int, path: str, fields: int) -> list[list[str]]:
    text = read(root, path) or ""
    rows = (line.split(":") for line in text.splitlines())
    return [row for row in rows if len(row) >= fields]


#: The next one is -1, which to setresuid(2) means: stay who you are.
_LAST_ID = 0xFFFFFFFE
_MOST_DIGITS = 10


def _number(text: str) -> int | None:
    digits = text[1:] if text.startswith("+") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        return None
    return number if (number := int(digits)) <= _LAST_ID else None


def find_user(root: int, wanted: str) -> User:
    """A user by name, number, or "+number" (never taken for a name); StepError when unknown."""
    number = _number(wanted)
    for row in _rows(root, "/etc/passwd", 7):
        uid, gid = _number(row[2]), _number(row[3])
        if uid is None or gid is None:
            continue
        if (row[0] == wanted and not wanted.startswith("+")) or uid == number:
            return User(uid, gid, row[0], row[5] or "/", row[6])
    if number is None:
        raise StepError(0, wanted, f"the guest's /etc/passwd has no user '{wanted}'")
    return User(number)


def find_groups(root: int, user: User, wanted: str | None) -> tuple[int, list[int]]:
    """The primary gid (``wanted``, else the user's) and the supplementary ones of ``user``."""
    rows = _rows(root, "/etc/group", 4)
    primary = user.gid
    if wanted is not None:
        number = _number(wanted)
        named = [gid for row in rows if row[0] == wanted and (gid := _number(row[2])) is not None]
        if named and not wanted.startswith("+"):
            primary = named[0]
        elif number is not None:
            primary = number
        else:
            raise StepError(0, wanted, f"the guest's /etc/group has no group '{wanted}'")
    groups = {
        gid
        for row in rows
        if user.name is not None
        and user.name in row[3].split(",")
        and (gid := _number(row[2])) is not None
    }
    return primary, sorted(groups | {primary})
