"""complete: what scripts for other shells ask."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, rest, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session


def _complete(session: Session, args: Args) -> None:
    from virtlxc.cli.completion import complete, global_options
    from virtlxc.cli.options import read
    from virtlxc.cli.session import Session

    *before, begun = args.rest or [""]
    try:
        options, words = read(before)
    except Failed:
        return  # an option that waits for its value
    if begun.startswith("-") and not words:
        found = global_options(begun)
    else:
        # The line's own options say which daemon is asked.
        asked = Session(options)
        asked.uri = asked.uri or asked.address
        found = complete(asked, words, begun)
        asked.close()
    session.quiet = True
    session.say("".join(f"{one}\n" for one in found))


COMMANDS = rows(
    Command(
        "complete",
        "the words that can come next, for completion in other shells",
        rest("word", "the words so far, the last one half written", verbatim=True),
        run=_complete,
        connects=False,
    ),
)
