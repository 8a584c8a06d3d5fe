"""A domain's console."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.domains import ACTIVE
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, flag, rows, text
from virtlxc.cli.lookup import domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# libvirt's virDomainConsoleFlags.
FLAGS = (("force", 1), ("safe", 2))


def _console(session: Session, args: Args) -> None:
    from virtlxc.cli.terminal import attach

    ref = domain(session, args)
    attach(session, ref, args.get("devname"), args.bits(FLAGS))


def _ttyconsole(session: Session, args: Args) -> str:
    from virtlxc.cli.xml import first, parse

    xml = session.call("DOMAIN_GET_XML_DESC", dom=domain(session, args))["xml"]
    console = parse(xml).find("devices/console")
    path = first(console, "@tty") if console is not None else None
    if path is None:
        raise Failed("the domain has no console that runs")
    return path


COMMANDS = rows(
    Command(
        "console",
        "connect to a domain's console",
        ACTIVE,
        text("devname", "which console: console0, console1, ..."),
        flag("force", "disconnect others first"),
        flag("safe", "only if that is safe with others connected"),
        run=_console,
    ),
    Command(
        "ttyconsole",
        "the host's terminal that belongs to a domain's console",
        ACTIVE,
        read=_ttyconsole,
        show=shown.line,
    ),
)
