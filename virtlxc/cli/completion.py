"""What can come next in a command line. The shell asks, and so do the scripts for other shells."""

from __future__ import annotations

from virtlxc.cli import commands
from virtlxc.cli.failures import Failed, UsageError
from virtlxc.cli.grammar import ALIAS, FLAG, REST, Command, Opt
from virtlxc.cli.options import GLOBAL
from virtlxc.cli.session import Session
from virtlxc.cli.words import split
from virtlxc.errors import VirtlxcError

ACTIVE, INACTIVE, PAUSED = 1, 2, 32
# What names an option takes -> libvirt's list of them, its field of the reply, and its flags.
NAMES = {
    "domains": ("CONNECT_LIST_ALL_DOMAINS", "domains", ACTIVE | INACTIVE),
    "active-domains": ("CONNECT_LIST_ALL_DOMAINS", "domains", ACTIVE),
    "inactive-domains": ("CONNECT_LIST_ALL_DOMAINS", "domains", INACTIVE),
    "paused-domains": ("CONNECT_LIST_ALL_DOMAINS", "domains", PAUSED),
    "networks": ("CONNECT_LIST_ALL_NETWORKS", "nets", 0),
    "active-networks": ("CONNECT_LIST_ALL_NETWORKS", "nets", 2),
    "inactive-networks": ("CONNECT_LIST_ALL_NETWORKS", "nets", 1),
    "pools": ("CONNECT_LIST_ALL_STORAGE_POOLS", "pools", 0),
    "node-devices": ("CONNECT_LIST_ALL_NODE_DEVICES", "devices", 0),
    "host-interfaces": ("CONNECT_LIST_ALL_INTERFACES", "ifaces", 0),
}


def candidates(session: Session, line: str) -> list[str]:
    """The words that can stand at the end of ``line``, whose last word may be half written."""
    last = line.rpartition(";")[2]
    try:
        words = (split(last) or [[]])[-1]
    except UsageError:
        return []
    begun = "" if not last or last[-1:].isspace() else (words.pop() if words else "")
    return complete(session, words, begun)


def complete(session: Session, words: list[str], begun: str) -> list[str]:
    """The words that begin with ``begun`` and can follow ``words``."""
    if not words:
        found = commands.names()
    else:
        command = commands.find(words[0])
        if command is None:
            return []
        found = _after(session, command, words[1:], begun)
    return sorted(one for one in set(found) if one.startswith(begun))


def global_options(begun: str) -> list[str]:
    """The options before the command that begin so."""
    return sorted(f"--{row[1]}" for row in GLOBAL if row[1] and f"--{row[1]}".startswith(begun))


def _after(session: Session, command: Command, words: list[str], begun: str) -> list[str]:
    by_name = {opt.name: opt for opt in command.options if opt.kind != ALIAS}
    if words and words[-1].startswith("--"):
        waiting = by_name.get(words[-1][2:])
        if waiting is not None and waiting.kind != FLAG:
            return _values(session, waiting)
    used, places = _used(command, words, by_name)
    if begun.startswith("-"):
        return [f"--{name}" for name, opt in by_name.items() if name not in used]
    return _values(session, places[0]) if places else []


def _used(
    command: Command, words: list[str], by_name: dict[str, Opt]
) -> tuple[set[str], list[Opt]]:
    """The options that were given, and those whose values can still stand without a name."""
    used: set[str] = set()
    places = [opt for opt in command.options if opt.kind not in (FLAG, ALIAS) and not opt.named]
    queue = list(words)
    while queue:
        word = queue.pop(0)
        opt: Opt | None = None
        if word.startswith("--"):
            name, equals, _value = word[2:].partition("=")
            opt = by_name.get(name)
            if opt is not None and opt.kind != FLAG and not equals and queue:
                queue.pop(0)
        elif places:
            opt = places[0]
        if opt is not None:
            used.add(opt.name)
            if opt in places and opt.kind != REST:
                places.remove(opt)
    return used, places


def _values(session: Session, opt: Opt) -> list[str]:
    try:
        if opt.complete in NAMES:
            call, field, flags = NAMES[opt.complete]
            found = session.connection.call(call, need_results=1, flags=flags)[field]
            return [ref[0] for ref in found]
    except (VirtlxcError, Failed):
        return []  # a daemon that does not answer completes nothing
    if opt.complete == "templates":
        from virtlxc.images import template

        return template.names()
    if opt.complete == "commands":
        return commands.names()
    return []
