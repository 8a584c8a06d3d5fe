"""A domain while the lines of a configuration are being read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from virtlxc.convert.files import Source
from virtlxc.convert.lxc.lines import Line
from virtlxc.convert.report import Note
from virtlxc.model import Filesystem, FilesystemExtra, Hostdev, IdRange, Ip, Rlimit, Share, Sysctl

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(slots=True, kw_only=True)
class Card:
    """One ``lxc.net.N``."""

    line: Line
    type: str = ""
    link: str | None = None
    vlan: str | None = None
    port_vlan: int | None = None
    no_vlan: bool = False
    port_tags: list[int] = field(default_factory=list)
    pair: str | None = None
    name: str | None = None
    mac: str | None = None
    mode: str | None = None
    up: bool = False
    mtu: int | None = None
    ips: list[Ip] = field(default_factory=list)
    gateways: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Draft:
    """What readers fill in. ``os`` and the other dicts hold fields of the model's classes."""

    files: Source
    notes: list[Note] = field(default_factory=list)
    name: str = ""
    os: dict[str, Any] = field(default_factory=dict)
    readonly_root: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    root: str | None = None
    filesystems: list[Filesystem] = field(default_factory=list)
    extras: dict[str, FilesystemExtra] = field(default_factory=dict)
    hostdevs: list[Hostdev] = field(default_factory=list)
    cards: dict[str, Card] = field(default_factory=dict)
    host_network: bool = False
    terminals: int = 1
    uids: list[IdRange] = field(default_factory=list)
    gids: list[IdRange] = field(default_factory=list)
    mknod: bool = False
    dropped: dict[str, Line] = field(default_factory=dict)
    kept: dict[str, Line] | None = None
    memory: int | None = None
    swap: tuple[Line, int] | None = None
    memtune: dict[str, Any] = field(default_factory=dict)
    cputune: dict[str, Any] = field(default_factory=dict)
    cpuset: str | None = None
    nodeset: str | None = None
    weight: int | None = None
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)
    rlimits: dict[str, Rlimit] = field(default_factory=dict)
    sysctls: dict[str, Sysctl] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def note(self, line: Line, text: str, *, protects: bool = False) -> None:
        self.notes.append(line.note(text, protects=protects))

    def card(self, line: Line) -> Card:
        return self.cards.setdefault(line.name, Card(line=line))


def number(line: Line, text: str | None = None, *, least: int = 0, most: int = 2**64 - 1) -> int:
    """A whole number in these bounds; an error that names the line otherwise."""
    value = line.value if text is None else text
    if not re.fullmatch(r"-?[0-9]+", value, re.ASCII) or not least <= int(value) <= most:
        raise line.wrong(f"'{value}' is not a number from {least} to {most}")
    return int(value)


def switched(line: Line) -> bool:
    return number(line, most=1) == 1


def kib(line: Line, text: str | None = None) -> int | None:
    """KiB of a size as the kernel reads it in cgroup files ('512M'); None for no limit."""
    value = line.value if text is None else text
    match = re.fullmatch(r"([0-9]+)([kmgt]?)b?", value.lower(), re.ASCII)
    if value in ("max", "-1", "infinity"):
        return None
    if not match:
        raise line.wrong(f"'{value}' is no size in bytes, such as 512M")
    return int(match[1]) * _UNITS[match[2]] // 1024
