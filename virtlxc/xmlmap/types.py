"""The types of values: text to Python and back, and in words what is allowed.

A type's ``parse`` raises ValueError; the machinery adds where it happened and what is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _same(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Type:
    """``allowed`` completes the sentence "allowed: ..."; ``choices`` are all values, if few.

    ``units``: the value carries a unit in an attribute beside it; ``parse`` is then given
    "VALUE UNIT" and ``unit`` is what is written.
    """

    allowed: str
    parse: Callable[[str], Any] = _same
    format: Callable[[Any], str] = str
    choices: tuple[str, ...] = ()
    unit: str | None = None


def choice(*values: str) -> Type:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return Type(allowed=", ".join(values), parse=parse, choices=values)


def boolean(true: str, false: str) -> Type:
    """Two words that mean True and False."""
    words = {true: True, false: False}

    def parse(text: str) -> bool:
        try:
            return words[text]
        except KeyError:
            raise ValueError(text) from None

    return Type(
        allowed=f"{true}, {false}",
        parse=parse,
        format=lambda value: true if value else false,
        choices=(true, false),
    )


def integer(least: int | None = None, most: int | None = None) -> Type:
    """A whole number in decimal digits, both bounds included."""
    if most is not None:
        allowed = f"a whole number from {least} to {most}"
    elif least is not None:
        allowed = f"a whole number from {least} on"
    else:
        allowed = "a whole number"

    def parse(text: str) -> int:
        if not re.fullmatch(r"\s*[-+]?[0-9]+\s*", text, re.ASCII):
            raise ValueError(text)
        value = int(text)
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(text)
        return value

    return Type(allowed=allowed, parse=parse)


def number_any_base(width: int, most: int) -> Type:
    """A number that may be written 0x1d6b; written back with ``width`` hexadecimal digits."""

    def parse(text: str) -> int:
        value = int(text, 16) if text.lower().startswith("0x") else int(text)
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return Type(
        allowed=f"a number up to 0x{most:x}, such as 0x{'1d6b'[:width]}",
        parse=parse,
        format=lambda value: f"0x{value:0{width}x}",
    )


def any_base(most: int) -> Type:
    """A number that may be written 0x1d6b; written back in decimal digits."""

    def parse(text: str) -> int:
        value = int(text, 16) if text.lower().startswith("0x") else int(text)
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return Type(allowed=f"a number from 0 to {most}", parse=parse)


def matching(pattern: str, allowed: str, lower: bool = False) -> Type:
    """A text that matches a pattern as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return text.lower() if lower else text

    return Type(allowed=allowed, parse=parse)


_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_UNIT = re.compile(r"(?:bytes?|b|([kmgtpe])(b|ib)?)", re.IGNORECASE)
_SCALED = re.compile(r"\s*([0-9]+)(?:\.0*)?\s*([A-Za-z]*)\s*", re.ASCII)
UNITS = ("b", "bytes", *(letter + end for letter in "KMGTPE" for end in ("", "B", "iB")))
_MOST_BYTES = 2**64 - 1


def unit_bytes(unit: str) -> int:
    """How many bytes a unit of libvirt's is: KB is 1000, K and KiB are 1024. ValueError if none."""
    match = _UNIT.fullmatch(unit)
    if not match:
        raise ValueError(unit)
    power = _POWERS[(match[1] or "").lower()]
    return int((1000 if (match[2] or "").lower() == "b" else 1024) ** power)


def size(unit: str, default: str = "KiB", *, up: bool = True) -> Type:
    """A size with a unit beside it, in whole ``unit``s, rounded ``up``; ``default`` without one.

    Source: libvirt's scaled integers (formatdomain, "memory"). At most 2^64-1 bytes.
    """
    divisor = unit_bytes(unit)

    def parse(text: str) -> int:
        match = _SCALED.fullmatch(text)
        if not match:
            raise ValueError(text)
        count = int(match[1]) * unit_bytes(match[2] or default)
        if count > _MOST_BYTES:
            raise ValueError(text)
        return -(-count // divisor) if up else count // divisor

    return Type(
        allowed="a whole number that is not negative, with one of the units " + ", ".join(UNITS),
        parse=parse,
        unit=unit,
    )


def _address(text: str) -> str:
    ipaddress.ip_address(text)
    return text


def _mac(text: str) -> str:
    """Lower case, two digits each, as libvirt writes it."""
    pairs = text.split(":")
    if len(pairs) != 6 or not all(1 <= len(pair) <= 2 for pair in pairs):
        raise ValueError(text)
    return ":".join(f"{int(pair, 16):02x}" for pair in pairs)


def _uuid(text: str) -> str:
    digits = re.sub(r"[- ]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise ValueError(text)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


TEXT = Type(allowed="any text")
NAME = matching(r"[^\n/]+", "a text without '/' and newline")
NOT_EMPTY = matching(r"(?s).+", "a text that is not empty")
UINT = integer(0, 2**32 - 1)
ULONG = integer(0, 2**64 - 1)
LONG = integer(-(2**63), 2**63 - 1)
YES_NO = boolean("yes", "no")
ON_OFF = boolean("on", "off")
IMAGE_FORMAT = choice(
    *("raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "luks"),
    *("cow", "qcow", "qcow2", "qed", "vmdk"),
)
DISK_NAME = matching(r"(fd|hd|sd|vd|xvd|ubd)[a-zA-Z0-9_]+", "a name such as sda, vdb or xvda1")
PATH = matching(r"/[^\0\n\r]*", "an absolute path")
LINK = matching(r"[^\s/\0]{1,15}", "1 to 15 characters without blanks and '/'")
UUID = Type(
    allowed="32 hexadecimal digits, such as 8369f1ac-7e46-4869-8ca5-759d51478066", parse=_uuid
)
MAC = Type(
    allowed="six pairs of hexadecimal digits with colons, such as 52:54:00:12:34:56", parse=_mac
)
IP = Type(allowed="an IPv4 or IPv6 address", parse=_address)
