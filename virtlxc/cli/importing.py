"""import: from libvirt's folders, without libvirt; and back."""

from __future__ import annotations

from collections.abc import Sequence

from virtlxc.cli.applying import carry_out, in_order, memory_of, new_uuid, show, tell
from virtlxc.cli.failures import Failed
from virtlxc.cli.holdings import Holdings
from virtlxc.cli.inventories import Memory, libvirt_hooks, read_libvirt
from virtlxc.cli.session import Session
from virtlxc.inventory import changes as planning
from virtlxc.inventory.changes import DEFINE, KEEP, REMOVE, Change, Present
from virtlxc.inventory.documents import Document
from virtlxc.model.complete import random_mac

MEMORY = "imported"


def bring_in(session: Session, folder: str, *, dry_run: bool) -> None:
    """Defines what libvirt has and virtlxc has not; what is here already is never changed."""
    inventory = read_libvirt(folder.rstrip("/") or "/")
    for file, problem in inventory.problems:
        session.complain(f"{file}: {problem}")
    documents = in_order(inventory.documents)
    memory = memory_of(session, MEMORY)
    if dry_run:
        found = only_new(session, documents)
        show(session, found)
        bad: list[Change] = []
    else:
        with memory.locked():
            found = only_new(session, documents)
            bad = carry_out(session, found, memory, keep_going=True)
        tell(session, found, bad)
    _tell(session, folder, found)
    if bad or inventory.problems:
        raise Failed(f"{len(bad) + len(inventory.problems)} could not be taken over")


def only_new(session: Session, documents: Sequence[Document]) -> list[Change]:
    """Definitions that are not here; the others are told about, and left."""
    names = {(one.kind, one.name) for one in documents}
    uuids = {(one.kind, one.uuid) for one in documents}
    present = Holdings(session).present(names, uuids)
    found = planning.changes(documents, present, new_uuid=new_uuid, new_mac=random_mac)
    for one in found:
        if one.conflict:
            session.warn(f"left as it is: {one.conflict} [{one.file}]")
        elif one.action not in (DEFINE, KEEP):
            session.warn(f"left as it is: {one.title} is here, and not as {one.file} has it")
    return [one for one in found if one.action == DEFINE and not one.conflict]


def _tell(session: Session, folder: str, found: Sequence[Change]) -> None:
    """What import does not do."""
    for path in libvirt_hooks(folder):
        session.warn(f"libvirt's hook {path} is not run by virtlxc")
    starting = [one for one in found if one.autostart]
    if starting:
        session.warn(
            f"{len(starting)} of them start with the host, here and in libvirt: take libvirt's "
            "marks away before the next boot (virsh -c lxc:/// autostart --disable NAME)"
        )


def undo(session: Session, *, dry_run: bool) -> None:
    """Removes what import brought in and is still there under its UUID."""
    memory = memory_of(session, MEMORY)
    if dry_run:
        memory.read()
        show(session, _removals(session, memory))
        return
    with memory.locked():
        found = _removals(session, memory)
        bad = carry_out(session, found, memory, keep_going=True)
        if not bad:
            # What somebody else removed in the meantime is forgotten, too.
            memory.keep(type(memory.record)())
    tell(session, found, bad)
    if bad:
        raise Failed(f"{len(bad)} could not be removed")


def _removals(session: Session, memory: Memory) -> list[Change]:
    uuids = {(one.kind, one.uuid) for one in memory.record.entries}
    present: list[Present] = Holdings(session).present(set(), uuids) if uuids else []
    found = planning.removals(memory.record, (), present, ["/"])
    assert all(one.action == REMOVE for one in found)
    return found
