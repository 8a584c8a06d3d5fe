"""apply and diff: what files say, compared with what the daemon has, and carried out."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from virtlxc.cli.failures import Failed
from virtlxc.cli.holdings import Holdings
from virtlxc.cli.inventories import Inventory, Memory, read_inventory
from virtlxc.cli.session import Session
from virtlxc.errors import VirtlxcError
from virtlxc.inventory import changes as planning
from virtlxc.inventory.changes import DEFINE, REMOVE, Change
from virtlxc.inventory.documents import Document, Unread, ordered
from virtlxc.inventory.record import Entry, Record, digest
from virtlxc.model.complete import random_mac

# In a warning that many domains have in common.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How an inventory is to be applied."""

    dry_run: bool = False
    start: bool = False
    prune: bool = False
    keep_going: bool = False


def compare(session: Session, paths: Sequence[str]) -> list[Change]:
    """The changes, and removals, that would make the daemon have what the files say."""
    memory = memory_of(session, "applied")
    memory.read()
    inventory = _read(session, paths, memory.record, keep_going=False)
    return _plan(session, inventory, memory.record, _absolute(paths))[0]


def apply(session: Session, paths: Sequence[str], wish: Wish) -> None:
    """Carries out an inventory; Failed at the end when something of it could not be done."""
    memory = memory_of(session, "applied")
    with contextlib.nullcontext() if wish.dry_run else memory.locked():
        memory.read()
        inventory = _read(session, paths, memory.record, keep_going=wish.keep_going)
        for file, what in inventory.left:
            session.note(f"left out: {file}: {what}")
        prune = wish.prune
        if prune and inventory.problems:
            session.warn(
                "nothing is removed: what the files that cannot be read wanted is not known"
            )
            prune = False
        roots = _absolute(paths) if prune else []
        found, forgotten = _plan(session, inventory, memory.record, roots)
        if wish.dry_run:
            show(session, found)
            return
        memory.keep(memory.record.without(forgotten))
        bad = carry_out(session, found, memory, start=wish.start, keep_going=wish.keep_going)
    tell(session, found, bad)
    if bad or inventory.problems:
        raise Failed(f"{len(bad) + len(inventory.problems)} of the inventory could not be applied")


def _read(
    session: Session, paths: Sequence[str], record: Record, *, keep_going: bool
) -> Inventory:
    """The inventory, when nothing is wrong or we shall go on."""
    inventory = read_inventory(paths, record)
    for file, problem in inventory.problems:
        session.complain(f"{file}: {problem}")
    if inventory.problems and not keep_going:
        raise Failed("nothing was changed")
    return inventory


def memory_of(session: Session, name: str) -> Memory:
    """What is remembered about the daemon that the session is connected to: each has its own."""
    if session.address in (session.paths.socket, session.paths.socket_ro):
        return Memory(session.paths, name)
    return Memory(session.paths, f"{name}-{digest(session.uri)[:16]}")


def in_order(documents: Sequence[Document]) -> list[Document]:
    try:
        return ordered(documents)
    except VirtlxcError as error:
        raise Failed("nothing was changed", error.message) from None


def _absolute(paths: Sequence[str]) -> list[str]:
    return [os.path.abspath(path) for path in paths]


def _plan(
    session: Session, inventory: Inventory, record: Record, roots: Sequence[str]
) -> tuple[list[Change], list[tuple[str, str]]]:
    """What to do, in its order: networks, pools, domains, then what is wanted no more.

    And what is remembered for nothing: others removed it, or a run was killed before it was made.
    """
    every: tuple[Document | Unread, ...] = (*inventory.documents, *inventory.unread)
    names = {(one.kind, one.name) for one in every}
    uuids = {(one.kind, one.uuid) for one in every if one.uuid}
    uuids |= {(one.kind, one.uuid) for one in record.entries}
    present = Holdings(session).present(names, uuids)
    same, others = planning.unchanged(inventory.unread, present)
    documents = in_order([*inventory.documents, *(one.read() for one in others)])
    wanted = planning.changes(documents, present, new_uuid=new_uuid, new_mac=random_mac) + same
    found = wanted + planning.removals(record, wanted, present, roots)
    return found, planning.forgotten(record, wanted, present)


def new_uuid() -> str:
    return str(uuid.uuid4())


def show(session: Session, found: Sequence[Change]) -> None:
    """What would be done."""
    if session.options.output != "text":
        from virtlxc.cli.output import render

        some = [planning.plain(one) for one in found if one.alters or one.conflict]
        session.say(render(some, session.options.output))
        return
    for change in found:
        if change.conflict:
            session.complain(f"{change.title} ({change.file}): {change.conflict}")
        elif change.alters:
            session.say(planning.shown(change))
    done = "; nothing was done" if found else ""
    session.say(f"{planning.summary(found)}{done}\n")


def carry_out(
    session: Session,
    found: Sequence[Change],
    memory: Memory,
    *,
    start: bool = False,
    keep_going: bool = False,
) -> list[Change]:
    """Does it, and remembers what was brought in; the changes that failed, or were not come to."""
    before = {(one.kind, one.uuid) for one in memory.record.entries}
    ours = [
        one
        for one in found
        if (one.action == DEFINE and not one.conflict)
        or (one.action != REMOVE and (one.kind, one.uuid) in before)
    ]
    memory.keep(memory.record.with_entries(_entry(one) for one in ours))
    holdings = Holdings(session)
    digests: dict[tuple[str, str], str] = {}
    bad = _define(session, [one for one in found if one.action != REMOVE], holdings, keep_going,
                  digests)  # fmt: skip
    gone = [one for one in bad if one.action == DEFINE and (one.kind, one.uuid) not in before]
    try:
        if start and (keep_going or not bad):
            bad += _starts(session, [one for one in found if one not in bad], holdings, keep_going)
        removals = [one for one in found if one.action == REMOVE]
        left = removals
        if keep_going or not bad:
            left = _remove(session, removals, holdings, keep_going)
        bad += left
        gone += [one for one in removals if one not in left]
    finally:
        done = [_entry(one, digests.get((one.kind, one.uuid), one.kept)) for one in ours]
        record = memory.record.with_entries(done)
        memory.keep(record.without((one.kind, one.uuid) for one in gone))
    return bad


def _entry(change: Change, kept: str | None = None) -> Entry:
    return Entry(
        kind=change.kind,
        uuid=change.uuid,
        name=change.name,
        file=os.path.abspath(change.file),
        source=change.source,
        kept=change.kept if kept is None else kept,
    )


def _define(
    session: Session,
    some: Sequence[Change],
    holdings: Holdings,
    keep_going: bool,
    digests: dict[tuple[str, str], str],
) -> list[Change]:
    """Defines many; those that failed, or were not come to. ``digests`` gets what was kept."""
    bad = [one for one in some if one.conflict]
    for change in bad if keep_going else bad[:1]:
        session.complain(f"{change.title} ({change.file}): {change.conflict}")
    todo = [one for one in some if one.alters and not one.conflict]
    if bad and not keep_going:
        return [*bad, *todo]
    progress = Progress(session, len(todo))
    warnings: dict[str, list[str]] = {}
    done = 0
    for outcome in holdings.define(todo, stop=not keep_going):
        change = outcome.change
        done += 1
        progress.step()
        if outcome.error:
            progress.clear()
            session.complain(f"Failed to define {change.title} from {change.file}", outcome.error)
            bad.append(change)
            continue
        if outcome.digest:
            digests[change.kind, change.uuid] = outcome.digest
        for text in outcome.warnings:
            warnings.setdefault(text, []).append(change.title)
        if session.options.output == "text":
            session.remark(planning.shown(change))
    progress.clear()
    for text, titles in warnings.items():
        more = f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else ""
        session.warn(f"{', '.join(titles[:MOST_NAMED])}{more}: {text}")
    return [*bad, *todo[done:]]


def _remove(
    session: Session, some: Sequence[Change], holdings: Holdings, keep_going: bool
) -> list[Change]:
    def work(change: Change) -> None:
        holdings.remove(change)
        if session.options.output == "text":
            session.remark(planning.shown(change))

    return _carefully(session, some, work, keep_going)


def _starts(
    session: Session, some: Sequence[Change], holdings: Holdings, keep_going: bool
) -> list[Change]:
    def work(change: Change) -> None:
        holdings.start(change)
        if session.options.output == "text":
            session.remark(f"> {change.title}: started\n")

    return _carefully(session, [one for one in some if one.starts and not one.active], work,
                      keep_going)  # fmt: skip


def _carefully(
    session: Session, some: Sequence[Change], work: Callable[[Change], None], keep_going: bool
) -> list[Change]:
    """Does the work for each; after a failure the others too, or not. Those not done."""
    bad: list[Change] = []
    progress = Progress(session, sum(one.alters for one in some))
    for at, change in enumerate(some):
        try:
            work(change)
        except Failed as failed:
            progress.clear()
            session.complain(*failed.lines)
            if not keep_going:
                return [*bad, *(one for one in some[at:] if one is change or one.alters)]
            bad.append(change)
        if change.alters:
            progress.step()
    progress.clear()
    return bad


class Progress:
    """A line on the terminal that tells how far we are; nothing where stderr is none."""

    WIDTH = 30
    LEAST = 20

    def __init__(self, session: Session, total: int) -> None:
        quiet = session.quiet or session.options.output != "text" or total < self.LEAST
        # Where both are the same terminal, what is printed tells more than a bar would.
        self.shown = not quiet and sys.stderr.isatty() and not sys.stdout.isatty()
        self.total = total
        self.done = 0

    def step(self) -> None:
        self.done += 1
        if self.shown:
            bar = "#" * (self.WIDTH * self.done // self.total)
            sys.stderr.write(f"\r[{bar:<{self.WIDTH}}] {self.done}/{self.total}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self.shown and self.done:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def tell(session: Session, found: Sequence[Change], bad: Iterable[Change]) -> None:
    """What was done, in one line, or as data."""
    failed = list(bad)
    if session.options.output != "text":
        from virtlxc.cli.output import render

        rows = [
            {**planning.plain(one), "done": one not in failed} for one in found if one.alters
        ]
        session.say(render(rows, session.options.output))
        return
    session.remark(f"{planning.summary([one for one in found if one not in failed])}\n")
