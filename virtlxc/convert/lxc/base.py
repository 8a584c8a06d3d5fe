"""Readers: name, architecture, init, environment, terminals, shared namespaces."""

from __future__ import annotations

import shlex

from virtlxc.convert.lxc.draft import Draft, number, switched
from virtlxc.convert.lxc.lines import Line
from virtlxc.model import Share

# What LXC calls an architecture, where libvirt has another word.
_ARCH = {
    "x86": "i686", "i386": "i686", "i486": "i686", "i586": "i686", "athlon": "i686",
    "linux32": "i686", "amd64": "x86_64", "linux64": "x86_64", "x32": "x86_64",
    "arm64": "aarch64", "arm": "armv7l", "armel": "armv7l", "armhf": "armv7l",
    "powerpc": "ppc", "powerpc64": "ppc64", "ppc64el": "ppc64le", "loong64": "loongarch64",
}  # fmt: skip
MOST_TERMINALS = 64
_NETNS = ("/run/netns/", "/var/run/netns/")


def name(draft: Draft, line: Line) -> None:
    draft.name = line.value


def arch(draft: Draft, line: Line) -> None:
    draft.os["arch"] = _ARCH.get(line.value, line.value)


def command(draft: Draft, line: Line) -> None:
    try:
        words = shlex.split(line.value)
    except ValueError as error:
        raise line.wrong(f"{error} in '{line.value}'") from None
    draft.os["init"], draft.os["initargs"] = words[0], tuple(words[1:])


def user(draft: Draft, line: Line) -> None:
    if number(line, most=2**32 - 2):
        draft.os["inituser"] = f"+{int(line.value)}"


def group(draft: Draft, line: Line) -> None:
    if number(line, most=2**32 - 2):
        draft.os["initgroup"] = f"+{int(line.value)}"


def folder(draft: Draft, line: Line) -> None:
    draft.os["initdir"] = line.value if line.value.startswith("/") else f"/{line.value}"


def environment(draft: Draft, line: Line) -> None:
    variable, equals, value = line.value.partition("=")
    if equals:
        draft.environment[variable] = value
    else:
        draft.note(line, f"'{variable}' comes from whoever starts: give it a value in <initenv>")


def terminals(draft: Draft, line: Line) -> None:
    draft.terminals = max(number(line, most=MOST_TERMINALS), 1)


def autostart(draft: Draft, line: Line) -> None:
    if switched(line):
        draft.note(line, "autostart is no part of the XML: virtlxc autostart NAME, once defined")


def start_order(draft: Draft, line: Line) -> None:
    draft.container["start_order"] = number(line, most=2**31 - 1) or None


def start_delay(draft: Draft, line: Line) -> None:
    draft.container["start_delay"] = number(line, most=3600) or None


def share(draft: Draft, line: Line) -> None:
    """A name, a pid, or a path below /run/netns."""
    kind, value = line.name, line.value
    if kind not in ("net", "ipc", "uts"):
        draft.note(line, f"a {kind} namespace cannot be shared")
        return
    found = next((value[len(place) :] for place in _NETNS if value.startswith(place)), None)
    if kind == "net" and found:
        draft.shares[kind] = Share(kind=kind, type="netns", value=found)
    elif value.startswith("/"):
        draft.note(line, f"'{value}' is no name, no pid, and not below /run/netns")
    else:
        how = "pid" if value.isdecimal() else "name"
        draft.shares[kind] = Share(kind=kind, type=how, value=value)


def keep_namespaces(draft: Draft, line: Line) -> None:
    """The host's network is what a domain without cards has; nothing else can be kept."""
    for kind in line.value.split():
        if kind == "net":
            draft.host_network = True
        elif kind != "cgroup":
            draft.note(line, f"the container has a {kind} namespace of its own")
