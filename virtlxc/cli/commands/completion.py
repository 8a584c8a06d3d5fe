"""complete: what scripts for other shells ask."""

from __future__ import annotations

from virtlxc.cli.grammar import Command, rest, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session


def _complete(session: Session, args: Args) -> None:
    from virtlxc.cli.completion import complete

    words = args.rest or [""]
    session.quiet = True
    session.say("".join(f"{found}\n" for found in complete(session, words[:-1], words[-1])))


COMMANDS = rows(
    Command(
        "complete",
        "the words that can come next, for completion in other shells",
        rest("word", "the words so far, the last one half written", verbatim=True),
        run=_complete,
        connects=False,
    ),
)
