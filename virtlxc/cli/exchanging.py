"""import -c and export -c: definitions from another daemon, and to one, with what gets lost.

The other side is whatever a URI means; a plain ``lxc:///system`` means libvirt's own driver here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from virtlxc.cli.applying import carry_out, in_order, memory_of, new_uuid, show, tell
from virtlxc.cli.failures import Failed
from virtlxc.cli.holdings import KINDS, Holdings
from virtlxc.cli.importing import MEMORY, only_new
from virtlxc.cli.session import Session
from virtlxc.errors import Code, VirtlxcError
from virtlxc.inventory import changes as planning
from virtlxc.inventory import losses
from virtlxc.inventory.changes import DEFINE, REDEFINE, Change, Present
from virtlxc.inventory.documents import Document, foreign, read_document
from virtlxc.model.complete import random_mac

LIBVIRTS = ("lxc:///", "lxc:///system")


@contextlib.contextmanager
def other_side(session: Session, uri: str) -> Iterator[Session]:
    """A session with the daemon that ``uri`` means."""
    from virtlxc.cli.options import Options

    options = Options()
    options.uri = f"libvirt+{uri}" if uri in LIBVIRTS else uri
    options.output, options.quiet = session.options.output, session.quiet
    other = Session(options)
    try:
        yield other
    finally:
        other.close()


def bring_from(session: Session, uri: str, names: Sequence[str], *, dry_run: bool) -> None:
    """Defines here what is there and not here; what is here already is never changed."""
    with other_side(session, uri) as there:
        found = _chosen(there, names, uri)
        documents, problems = _readable(session, found, uri)
    documents = in_order(documents)
    memory = memory_of(session, MEMORY)
    if dry_run:
        changes = only_new(session, documents)
        show(session, changes)
        bad: list[Change] = []
    else:
        with memory.locked():
            changes = only_new(session, documents)
            bad = carry_out(session, changes, memory, keep_going=True)
        tell(session, changes, bad)
    new = {(one.kind, one.name) for one in changes}
    _report(session, [losses.coming(one) for one in documents if (one.kind, one.name) in new])
    running = [one.name for one in found if one.active and one.kind == "domain"]
    if running:
        session.warn(
            f"{', '.join(running)}: running at {uri}, and only the definition came over (shut down "
            "there first, then start here)"
        )
    if bad or problems:
        raise Failed(f"{len(bad) + problems} could not be taken over")


def send_to(session: Session, uri: str, names: Sequence[str], *, dry_run: bool) -> None:
    """Defines there what is here and not there; what is there already is never changed."""
    found = _chosen(session, names, "this daemon")
    documents = in_order(
        [read_document(one.xml, _place(one), autostart=one.autostart or None) for one in found]
    )
    with other_side(session, uri) as there:
        holdings = Holdings(there)
        present = holdings.present(
            {(one.kind, one.name) for one in documents}, {(one.kind, one.uuid) for one in documents}
        )
        changes = _missing(session, documents, present, uri)
        bad: list[Change] = []
        if dry_run:
            show(session, changes)
        else:
            for outcome in holdings.define(changes, stop=False):
                if outcome.error:
                    title = outcome.change.title
                    session.complain(f"Failed to define {title} at {uri}", outcome.error)
                    bad.append(outcome.change)
                elif session.options.output == "text":
                    session.remark(planning.shown(outcome.change))
            tell(session, changes, bad)
        made = [one for one in changes if one not in bad]
        kept = holdings.present({(one.kind, one.name) for one in made}, set()) if made else []
    names_made = {(one.kind, one.name) for one in made}
    after = {} if dry_run else {(one.kind, one.name): one.xml for one in kept}
    _report(
        session,
        [
            losses.going(one, after.get((one.kind, one.name)))
            for one in documents
            if (one.kind, one.name) in names_made
        ],
    )
    if bad:
        raise Failed(f"{len(bad)} could not be sent")


def _chosen(side: Session, names: Sequence[str], where: str) -> list[Present]:
    """All persistent definitions there, or those named; Failed for a name that nothing has."""
    wanted = set(names)
    found = []
    for kind in KINDS:
        try:
            found += [one for one in Holdings(side).every(kind) if not names or one.name in wanted]
        except Failed as failed:
            # A driver may have no networks, or no pools.
            if kind == "domain" or failed.code not in (Code.NO_SUPPORT, Code.NO_CONNECT):
                raise
    missing = wanted - {one.name for one in found}
    if missing:
        listed = ", ".join(f"'{name}'" for name in sorted(missing))
        raise Failed(f"no persistent domain, network or pool at {where} is called {listed}")
    return found


def _readable(
    session: Session, found: Sequence[Present], uri: str
) -> tuple[list[Document], int]:
    """What can be defined here; the rest is told about, and counted."""
    documents, problems = [], 0
    for one in found:
        title = f"{one.kind} '{one.name}'"
        other = foreign(one.xml)
        if other:
            session.warn(f"left there: {title} is {other}")
            continue
        try:
            documents.append(
                read_document(one.xml, f"{uri} {title}", autostart=one.autostart or None)
            )
        except VirtlxcError as error:
            session.complain(f"{title} cannot come over: {error.message}")
            problems += 1
    return documents, problems


def _missing(
    session: Session, documents: Sequence[Document], present: Sequence[Present], uri: str
) -> list[Change]:
    """What the other side lacks; what it has otherwise is told about, and left."""
    readable = [one for one in present if not foreign(one.xml)]
    changes = planning.changes(documents, readable, new_uuid=new_uuid, new_mac=random_mac)
    for one in changes:
        if one.conflict:
            session.warn(f"left as it is at {uri}: {one.conflict}")
        elif one.action == REDEFINE:
            session.warn(f"left as it is at {uri}: {one.title} is there, and not as it is here")
    return [one for one in changes if one.action == DEFINE and not one.conflict]


def _place(one: Present) -> str:
    return f"{one.kind} '{one.name}'"


def _report(session: Session, reports: Sequence[losses.Report]) -> None:
    for text in losses.lines(reports):
        session.warn(text)
