"""The daemon itself."""

from __future__ import annotations

from virtlxc.cli.failures import Exit
from virtlxc.cli.grammar import Command, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session


def _daemon(session: Session, args: Args) -> None:
    from virtlxc import daemon

    raise Exit(daemon.main(session.paths))


COMMANDS = rows(
    Command(
        "daemon",
        "run the daemon in the foreground, as the service does",
        run=_daemon,
        connects=False,
    ),
)
