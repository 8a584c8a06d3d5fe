"""Sizes with units, as libvirt reads them: ``512M``, ``2GiB``, ``1000KB``."""

from __future__ import annotations

from virtlxc.cli.failures import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args

PREFIXES = "kmgtpe"
SIZE_MAX = (1 << 64) - 1
KIB = 1024


def to_bytes(written: str, default: int = 1) -> int | None:
    """The size in bytes, None when it is none; ``default`` is the factor of a bare number.

    ``M`` and ``MiB`` count in powers of 1024, ``MB`` in powers of 1000.
    """
    text = written.strip()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if not (digits.isdecimal() and digits.isascii()):
        return None
    factor = _factor(text[len(digits) :].lower(), default)
    if factor is None or int(digits) * factor > SIZE_MAX:
        return None
    return int(digits) * factor


def scaled(args: Args, name: str, default: int) -> int | None:
    """The value of an option as a size in bytes; Failed when it is none."""
    written = args.get(name)
    if written is None:
        return None
    size = to_bytes(written, default)
    if size is None:
        raise Failed(
            f"Scaled numeric value '{written}' for <{name}> option is malformed or out of range"
        )
    return size


def scaled_kib(args: Args, name: str) -> int | None:
    """The value of an option in KiB, rounded up; a bare number is KiB. Failed when it is none."""
    size = scaled(args, name, KIB)
    return None if size is None else whole_kib(size)


def whole_kib(size: int) -> int:
    """Bytes in KiB, rounded up."""
    return -(-size // KIB)


def _factor(unit: str, default: int) -> int | None:
    if not unit:
        return default
    if unit in ("b", "byte", "bytes"):
        return 1
    power = PREFIXES.find(unit[0]) + 1
    if not power or unit[1:] not in ("", "b", "ib"):
        return None
    return int((1000 if unit[1:] == "b" else 1024) ** power)


def pretty(size: int, digits: int = 2) -> str:
    """The size in the largest unit of 1024 that keeps a whole number before the point."""
    value, unit = float(size), "B"
    for letter in PREFIXES.upper():
        if value < 1024:
            break
        value, unit = value / 1024, f"{letter}iB"
    return f"{value:.{digits}f} {unit}"
