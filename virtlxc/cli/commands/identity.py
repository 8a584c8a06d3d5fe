"""From one name of a domain to another."""

from __future__ import annotations

from virtlxc.cli import shown
from virtlxc.cli.domains import ACTIVE
from virtlxc.cli.failures import Failed
from virtlxc.cli.grammar import Command, rows, text, word
from virtlxc.cli.lookup import domain, find_domain, uuid_text

TYPE_CHECKING = False
if TYPE_CHECKING:

    from virtlxc.cli.grammar import Args
    from virtlxc.cli.session import Session

# --source of domhostname: libvirt's virDomainGetHostnameFlags.
HOSTNAME_SOURCES = {"lease": 1, "agent": 2}


def _domid(session: Session, args: Args) -> int | None:
    number = find_domain(session, args["domain"], by_id=False)[2]
    return number if number >= 0 else None


def _domname(session: Session, args: Args) -> str:
    return find_domain(session, args["domain"], by_name=False)[0]


def _domuuid(session: Session, args: Args) -> str:
    return uuid_text(find_domain(session, args["domain"], by_uuid=False)[1])


def _domhostname(session: Session, args: Args) -> str:
    ref = domain(session, args)
    source = args.get("source")
    flags = 0
    if source is not None:
        if source not in HOSTNAME_SOURCES:
            raise Failed(f"Unknown data source '{source}'")
        flags = HOSTNAME_SOURCES[source]
    found: str = session.call(
        "DOMAIN_GET_HOSTNAME", failed="failed to get hostname", dom=ref, flags=flags
    )["hostname"]
    return found


COMMANDS = rows(
    Command(
        "domid",
        "the id of a domain, the host's pid of its init",
        word("domain", "name or UUID", complete="domains"),
        read=_domid,
        show=shown.line,
    ),
    Command(
        "domname",
        "the name of a domain",
        word("domain", "id or UUID", complete="domains"),
        read=_domname,
        show=shown.line,
    ),
    Command(
        "domuuid",
        "the UUID of a domain",
        word("domain", "id or name", complete="domains"),
        read=_domuuid,
        show=shown.line,
    ),
    Command(
        "domhostname",
        "what a domain calls itself",
        ACTIVE,
        text("source", "lease or agent"),
        read=_domhostname,
        show=shown.line,
    ),
)
