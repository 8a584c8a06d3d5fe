"""The daemon itself."""

from __future__ import annotations

from virtlxc.cli.failures import Exit
from virtlxc.cli.grammar import Command, rows, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session


def _daemon(session: Session, args: Args) -> None:
    from virtlxc import daemon

    raise Exit(daemon.main(session.paths))


def _socket_relay(session: Session, args: Args) -> None:
    from virtlxc.cli.relay import join

    join(args["path"])


COMMANDS = rows(
    Command(
        "daemon",
        "run the daemon in the foreground, as the service does",
        run=_daemon,
        connects=False,
    ),
    Command(
        "socket-relay",
        "join a socket and our standard input and output, for who comes by ssh",
        word("path", "the socket", complete="files"),
        run=_socket_relay,
        connects=False,
    ),
)
