"""Which elements are acted on, kept or refused: docs/compatibility.md, from the field tables.

``python -m virtlxc.model.compat > docs/compatibility.md``; a test compares the committed file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virtlxc.model.container import CONTAINER
from virtlxc.model.document import DOMAIN
from virtlxc.model.network_tables import NETWORK
from virtlxc.model.pool import POOL
from virtlxc.model.volume import VOLUME
from virtlxc.xmlmap import ACTED, KEPT, REFUSED, Const, Ignore, Keep, Object, Repeat, Table, Value

HEAD = """\
# What virtlxc does with libvirt's domains, networks, pools and volumes

Made from the field tables by `python -m virtlxc.model.compat`; do not edit it by hand.

- **acted on**: it has its effect.
- **kept**: it is stored and comes back in the XML; `define` and `start` name it in a warning.
- **refused**: it protects or limits, or the container would lack something without it. The domain
  can be defined, but a start fails and names it, unless told to ignore it
  (`virtlxc start NAME --ignore ELEMENT`).
- **not read**: it says what is true only of a running domain.

What stands in neither table is kept with a warning by `define`, and an error for `validate` and
`define --validate`.
"""


class Entry(NamedTuple):
    """One line of the page."""

    path: str
    treatment: str
    note: str


def entries(table: Table, prefix: str, inherited: str = ACTED) -> Iterator[Entry]:
    """The rows of a table and of those below it; what is below something kept is kept, too."""
    for row in table.rows:
        path = "/".join(part for part in (prefix, row.path) if part and part != ".")
        treatment = inherited if row.treatment == ACTED else row.treatment
        if isinstance(row, Ignore):
            treatment = "not read"
        elif isinstance(row, Keep) and row.verbatim:
            treatment = ACTED
        elif isinstance(row, Value) and row.live:
            continue
        served = getattr(row, "served", ())
        note = "" if isinstance(row, Ignore) else row.note
        if served and f"{served[0]}" not in note:
            note = f"acted on when {' or '.join(served)}" + (f"; {note}" if note else "")
        tags = getattr(row, "tags", ())
        if tags:
            note = ", ".join(tags)
        if isinstance(row, Const):
            note = f"must be '{row.value}'"
        yield Entry(path, treatment, note)
        if isinstance(row, Object | Repeat) and row.table is not None:
            yield from entries(row.table, path, treatment)


def page() -> str:
    """The whole page."""
    sections = (
        ("The `<domain>` document", list(entries(DOMAIN, ""))),
        (
            "Our own element in `<metadata>`, `<virtlxc:container>`",
            list(entries(CONTAINER, "")),
        ),
        ("The `<network>` document", list(entries(NETWORK, ""))),
        ("The `<pool>` document", list(entries(POOL, ""))),
        ("The `<volume>` document", list(entries(VOLUME, ""))),
    )
    lines = [HEAD]
    for title, rows in sections:
        counts = ", ".join(
            f"{sum(row.treatment == name for row in rows)} {name}"
            for name in (ACTED, KEPT, REFUSED)
        )
        lines += [f"## {title}", "", f"{len(rows)} rows: {counts}.", ""]
        lines += ["| element or attribute | treatment | |", "|---|---|---|"]
        lines += [f"| `{row.path}` | {row.treatment} | {_cell(row.note)} |" for row in rows]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(page(), end="")
