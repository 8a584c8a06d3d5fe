"""Text tables as virsh prints them, and what stands in their cells."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, quiet: bool = False) -> str:
    """A table: columns two blanks apart, a line below the header; ``quiet`` leaves those out."""
    head = [printable(text) for text in header]
    body = [[printable(text) for text in row] for row in rows]
    measured = body if quiet else [head, *body]
    widths = [max((_width(row[at]) for row in measured), default=0) for at in range(len(head))]
    lines = [] if quiet else [_row(head, widths), "-" * sum(width + 3 for width in widths) + "\n"]
    lines += [_row(row, widths) for row in body]
    return "".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    last = len(cells) - 1
    parts = [
        f" {cell}" + ("" if at == last else " " * (widths[at] - _width(cell) + 2))
        for at, cell in enumerate(cells)
    ]
    return "".join(parts) + "\n"


def printable(text: str) -> str:
    """The text with what no terminal can show replaced by ``\\xNN``."""
    if text.isascii() and text.isprintable() and "\\x" not in text:
        return text
    return "".join(
        f"\\x{ord(letter):02x}" if _unprintable(letter, text[at : at + 2]) else letter
        for at, letter in enumerate(text)
    )


def _unprintable(letter: str, pair: str) -> bool:
    return pair == "\\x" or not letter.isprintable()


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def fields(pairs: Sequence[tuple[str, object]], width: int = 15) -> str:
    """Lines of a name and a value: ``Name:           web1``."""
    return "".join(f"{name:<{width}} {value}\n" for name, value in pairs)
