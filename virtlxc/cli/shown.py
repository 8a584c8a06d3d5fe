"""The forms in which several commands show what they read."""

from __future__ import annotations

from virtlxc.cli.grammar import flag, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from virtlxc.cli.grammar import Args

XPATH = (
    text("xpath", "only what this XPath expression selects", named=True),
    flag("wrap", "put what --xpath selects into one root element"),
)


def xml(document: str, args: Args, quiet: bool) -> str:
    """XML as it came, or what --xpath finds in it."""
    path = args.get("xpath")
    if path is None:
        return document
    from virtlxc.cli.xml import select

    return select(document, path, wrap="wrap" in args)


def line(value: Any, args: Args, quiet: bool) -> str:
    """One value on a line of its own, ``-`` for none."""
    return "-\n" if value is None else f"{value}\n"


def as_it_is(value: str, args: Args, quiet: bool) -> str:
    return value
