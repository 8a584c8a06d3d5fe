"""Watching a guest being made."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.waiting import ProgressLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from virtlxc.cli.params import Param
    from virtlxc.cli.session import Session

BAR = 30


def make(session: Session, name: str, template: str, options: Sequence[Param]) -> dict[str, Any]:
    """The reply of NEW; meanwhile, on a terminal, a line says how far it is.

    Interrupted, it is given up, and leaves nothing.
    """
    failed = f"Failed to make domain '{name}'"
    handle = session.own("NEW_START", failed=failed, name=name, template=template, options=options)[
        "handle"
    ]
    line = ProgressLine()
    try:
        while True:
            news = session.own("NEW_WAIT", failed=failed, handle=handle)
            if news["made"]:
                return news
            line.show(f"{name}: {bar(news['text'], news['done'], news['total'])}")
    except KeyboardInterrupt:
        session.lost()  # that ends it
        raise Failed(failed, "it was given up; nothing was left") from None
    finally:
        line.clear()


def bar(text: str, done: int, total: int) -> str:
    """ "[#####     ]  50 % unpack"; the text alone when nobody knows how much there is."""
    if not total:
        return text
    part = min(1.0, done / total)
    return f"[{'#' * int(part * BAR):{BAR}}] {part * 100:3.0f} % {text}"
