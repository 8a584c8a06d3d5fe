"""``lxc-tools`` -> model: every line finds its row, what was taken back is left out, rows read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from virtlxc.convert.files import Source
from virtlxc.convert.lxc import network
from virtlxc.convert.lxc.draft import Draft
from virtlxc.convert.lxc.keys import KEYS, Row
from virtlxc.convert.lxc.lines import Line, lines
from virtlxc.convert.report import Converted, Note, wrong
from virtlxc.host.cgroup.limits import UNLIMITED_KIB
from virtlxc.model import (
    BlkioDevice,
    BlkioTune,
    Console,
    Container,
    CpuTune,
    Domain,
    Features,
    Filesystem,
    IdMap,
    Kept,
    MemTune,
    NumaTune,
    Os,
)
from virtlxc.model.features import CAPABILITIES

INIT = "/sbin/init"
MEMORY_KIB = 1 << 20
"""What <memory> shows where LXC sets no limit; <hard_limit> then says that there is none."""

Found = tuple[Row, Line]


def read_lxc(text: str, file: str, files: Source) -> Converted:
    """The domain that a configuration of the LXC tools describes.

    Raises VirtlxcError, with file and line, for what LXC refuses too.
    """
    draft = Draft(files=files)
    found = _numbered(lines(text, file, files, draft.notes))
    for row, line in _standing(_rows(found, draft.notes)):
        row.read(draft, line)
    return _finish(draft, file)


def _numbered(found: Iterable[Line]) -> Iterator[Line]:
    """Old cards have no numbers: ``lxc.network.type`` begins the next one."""
    at = -1
    for line in found:
        if line.key.startswith("lxc.network.") and not line.key[12:13].isdigit():
            at += line.key == "lxc.network.type"
            line = replace(line, name=str(max(at, 0)))
        yield line


def _rows(found: Iterable[Line], notes: list[Note]) -> Iterator[Found]:
    for line in found:
        row, name = row_of(line.key)
        if row is None:
            notes.append(line.note("LXC has no such key"))
        else:
            yield row, replace(line, name=name or line.name)


@cache
def _exact() -> dict[str, Row]:
    return {name: row for row in KEYS for name in row.names if "*" not in name}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Row], ...]:
    return tuple(
        (re.compile(_regex(name)), row) for row in KEYS for name in row.names if "*" in name
    )


def _regex(name: str) -> str:
    # A card's number stands in the middle, everything else at the end.
    before, _, after = name.partition("*")
    return re.escape(before) + ("([0-9]+)" if after else "(.+)") + re.escape(after)


def row_of(key: str) -> tuple[Row | None, str]:
    """The row of a key, and what its ``*`` stands for; None for a key that LXC does not have."""
    row = _exact().get(key)
    if row is not None:
        return row, ""
    for pattern, candidate in _patterns():
        match = pattern.fullmatch(key)
        if match:
            return candidate, match[1]
    return None, ""


def _standing(found: Iterable[Found]) -> list[Found]:
    """Without what an empty value takes back, and what a later line replaces."""
    standing: dict[int, Found] = {}
    places: dict[str, dict[str, list[int]]] = {}  # by row and by what its * stands for
    for at, (row, line) in enumerate(found):
        of_row = places.setdefault(row.name, {})
        if not line.value or not row.repeats:
            _forget(standing, of_row.pop(line.name, ()))
        if line.value:
            of_row.setdefault(line.name, []).append(at)
            standing[at] = (row, line)
            continue
        for name in [name for name in places if name.startswith(row.clears)]:
            for numbers in places.pop(name).values():
                _forget(standing, numbers)
    return list(standing.values())


def _forget(standing: dict[int, Found], numbers: Iterable[int]) -> None:
    for number in numbers:
        del standing[number]


def _finish(draft: Draft, file: str) -> Converted:
    if not draft.name:
        draft.name = _name_of(file)
        _say(draft, file, "lxc.uts.name", f"none: the domain is named '{draft.name}'")
    cards, moved, private = network.interfaces(draft)
    if draft.root is None:
        _say(draft, file, "lxc.rootfs.path", "none: the container sees the host's programs")
    if draft.memory is None:
        draft.memtune["hard_limit"] = UNLIMITED_KIB
    targets = {fs.target for fs in draft.filesystems}
    domain = Domain(
        name=draft.name,
        memory=draft.memory or MEMORY_KIB,
        cpuset=draft.cpuset,
        blkiotune=BlkioTune(
            weight=draft.weight,
            devices=tuple(BlkioDevice(path=path, **at) for path, at in draft.devices.items()),
        ),
        memtune=MemTune(**_memtune(draft)),
        cputune=CpuTune(**draft.cputune),
        numatune=NumaTune(mode="strict", nodeset=draft.nodeset) if draft.nodeset else NumaTune(),
        os=_os(draft),
        idmap=_idmap(draft),
        features=_features(draft, private),
        filesystems=tuple(_filesystems(draft)),
        interfaces=cards,
        consoles=(Console(),) * draft.terminals,
        hostdevs=(*draft.hostdevs, *moved),
        shares=tuple(draft.shares.values()),
        container=Container(
            filesystems=tuple(extra for at, extra in draft.extras.items() if at in targets),
            rlimits=tuple(draft.rlimits.values()),
            sysctls=tuple(draft.sysctls.values()),
            **draft.container,
        ),
        kept=tuple(Kept(path="seclabel", xml=xml, protects=True) for xml in draft.labels),
    )
    return Converted(domain=domain, notes=tuple(draft.notes))


def _name_of(file: str) -> str:
    """The container of /var/lib/lxc/NAME/config is called NAME."""
    folder, base = os.path.split(os.path.abspath(file))
    name = os.path.basename(folder) if base == "config" else os.path.splitext(base)[0]
    if not file or not name:
        raise wrong(file, 0, "lxc.uts.name", "is missing, and a domain needs a name")
    return name


def _say(draft: Draft, file: str, key: str, text: str) -> None:
    draft.notes.append(Note(file=file, key=key, text=text))


def _memtune(draft: Draft) -> dict[str, Any]:
    """LXC's swap is without the memory, libvirt's with it."""
    if draft.swap is None:
        return draft.memtune
    line, swap = draft.swap
    if draft.memory is None:
        draft.note(line, "a limit of swap alone needs one of memory, which is not there")
        return draft.memtune
    return {**draft.memtune, "swap_hard_limit": draft.memory + swap}


def _os(draft: Draft) -> Os:
    return Os(initenv=tuple(draft.environment.items()), **{"init": INIT, **draft.os})


def _filesystems(draft: Draft) -> Iterator[Filesystem]:
    for filesystem in draft.filesystems:
        if filesystem.target == "/" and draft.readonly_root:
            yield replace(filesystem, readonly=True)
        else:
            yield filesystem


def _idmap(draft: Draft) -> IdMap | None:
    if not draft.uids and not draft.gids:
        return None
    return IdMap(
        uids=tuple(sorted(draft.uids, key=lambda item: item.start)),
        gids=tuple(sorted(draft.gids, key=lambda item: item.start)),
    )


def _features(draft: Draft, private: bool) -> Features:
    """LXC keeps what it is not told to drop; libvirt's own policy would drop more."""
    if draft.kept is not None:
        if draft.dropped:
            line = next(iter(draft.dropped.values()))
            raise line.wrong("lxc.cap.keep and lxc.cap.drop exclude each other")
        policy, state, named = "deny", "on", draft.kept
    else:
        policy, state, named = "allow", "off", draft.dropped
    states = dict.fromkeys(named, state)
    if draft.mknod and draft.kept is None and "mknod" not in named:
        states["mknod"] = "on"  # said, because it also opens the device rules for mknod
    caps = tuple((name, states[name]) for name in CAPABILITIES if name in states)
    return Features(privnet=private, cap_policy=policy, caps=caps)
