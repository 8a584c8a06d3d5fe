"""The daemon, started by the command that needs it."""

from __future__ import annotations

from virtlxc.cli.failures import Failed
from virtlxc.cli.session import CONNECT_FAILED
from virtlxc.errors import VirtlxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.session import Session


def start_daemon(session: Session) -> None:
    """Starts this instance's daemon and waits until it listens; says so on stderr."""
    from virtlxc.daemonize import start

    try:
        how = start(session.paths)
    except VirtlxcError as error:
        raise Failed(CONNECT_FAILED, error.message) from error
    session.note(how)
