"""apply and diff: what files say, compared with what the daemon has, and carried out."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from virtlxc.cli.commands.definition import define
from virtlxc.cli.failures import Failed
from virtlxc.cli.inventories import Inventory, Memory, read_inventory
from virtlxc.cli.lookup import uuid_bytes, uuid_text
from virtlxc.cli.session import NetworkRef, Ref, Session
from virtlxc.errors import VirtlxcError
from virtlxc.inventory import changes as planning
from virtlxc.inventory.changes import DEFINE, KEEP, REMOVE, Change, Present
from virtlxc.inventory.documents import Document, ordered
from virtlxc.inventory.record import Entry, Record
from virtlxc.model.complete import MAC_PREFIX

# libvirt's bits of lists of domains and of networks, and of XML.
ACTIVE, INACTIVE, PERSISTENT = 1, 2, 4
DOMAIN_AUTOSTARTS, NETWORK_AUTOSTARTS, NETWORK_ACTIVE = 1 << 10, 1 << 4, 2
SECURE, INACTIVE_DOMAIN, INACTIVE_NETWORK = 1, 2, 1
# In a warning that many domains have in common.
MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How an inventory is to be applied."""

    dry_run: bool = False
    start: bool = False
    prune: bool = False
    keep_going: bool = False


class Daemon:
    """The daemon's domains and networks, and the calls that change them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def present(self, names: set[tuple[str, str]], uuids: set[tuple[str, str]]) -> list[Present]:
        """All definitions of these (kind, name) or (kind, UUID)."""
        found = []
        call = self.session.call
        persistent = ACTIVE | INACTIVE | PERSISTENT
        on = {ref[1] for ref in self._domains(persistent | DOMAIN_AUTOSTARTS)}
        for ref in self._domains(persistent):
            name, text = ref[0], uuid_text(ref[1])
            if ("domain", name) not in names and ("domain", text) not in uuids:
                continue
            xml = call("DOMAIN_GET_XML_DESC", dom=ref, flags=SECURE | INACTIVE_DOMAIN)["xml"]
            found.append(
                Present(
                    kind="domain", name=name, uuid=text, xml=xml,
                    autostart=ref[1] in on, active=ref[2] >= 0,
                )
            )  # fmt: skip
        on = {net[1] for net in self._networks(persistent | NETWORK_AUTOSTARTS)}
        up = {net[1] for net in self._networks(NETWORK_ACTIVE)}
        for net in self._networks(persistent):
            name, text = net[0], uuid_text(net[1])
            if ("network", name) not in names and ("network", text) not in uuids:
                continue
            xml = call("NETWORK_GET_XML_DESC", net=net, flags=INACTIVE_NETWORK)["xml"]
            found.append(
                Present(
                    kind="network", name=name, uuid=text, xml=xml,
                    autostart=net[1] in on, active=net[1] in up,
                )
            )  # fmt: skip
        return found

    def _domains(self, flags: int) -> list[Ref]:
        refs: list[Ref] = self.session.call(
            "CONNECT_LIST_ALL_DOMAINS", failed="Failed to list domains", need_results=1, flags=flags
        )["domains"]
        return refs

    def _networks(self, flags: int) -> list[NetworkRef]:
        refs: list[NetworkRef] = self.session.call(
            "CONNECT_LIST_ALL_NETWORKS", failed="Failed to list networks", need_results=1,
            flags=flags,
        )["nets"]  # fmt: skip
        return refs

    def alter(self, change: Change) -> list[str]:
        """Defines, redefines, sets autostart; the warnings of a domain."""
        warnings: list[str] = []
        failed = f"Failed to define {change.title} from {change.file}"
        if change.action != KEEP and change.kind == "domain":
            _name, warnings = define(self.session, change.xml, 0, failed)
        elif change.action != KEEP:
            self.session.call("NETWORK_DEFINE_XML", failed=failed, xml=change.xml)
        if change.autostart is not None:
            failed = f"failed to change the autostart of {change.title}"
            on = int(change.autostart)
            if change.kind == "domain":
                self.session.call(
                    "DOMAIN_SET_AUTOSTART", failed=failed, dom=_domain(change), autostart=on
                )
            else:
                self.session.call(
                    "NETWORK_SET_AUTOSTART", failed=failed, net=_network(change), autostart=on
                )
        return warnings

    def start(self, change: Change) -> None:
        failed = f"Failed to start {change.title}"
        if change.kind == "domain":
            self.session.call("DOMAIN_CREATE", failed=failed, dom=_domain(change))
            return
        if not self.session.call("NETWORK_IS_ACTIVE", net=_network(change))["active"]:
            self.session.call("NETWORK_CREATE", failed=failed, net=_network(change))

    def remove(self, change: Change) -> None:
        """Undefines; a running domain, or a network that one is on, is never taken away."""
        failed = f"Failed to remove {change.title}"
        if change.kind == "domain":
            if change.active:
                raise Failed(failed, f"it is running (first: virtlxc shutdown {change.name})")
            self.session.call(
                "DOMAIN_UNDEFINE_FLAGS", failed=failed, dom=_domain(change), flags=0
            )
            return
        net = _network(change)
        if change.active:
            xml = self.session.call("NETWORK_GET_XML_DESC", failed=failed, net=net)["xml"]
            from virtlxc.cli.xml import parse

            if int(parse(xml).get("connections", "0")):
                raise Failed(failed, "a running domain is on it")
            self.session.call("NETWORK_DESTROY", failed=failed, net=net)
        self.session.call("NETWORK_UNDEFINE", failed=failed, net=net)


def _domain(change: Change) -> Ref:
    return (change.name, uuid_bytes(change.uuid) or b"", -1)


def _network(change: Change) -> NetworkRef:
    return (change.name, uuid_bytes(change.uuid) or b"")


def compare(session: Session, paths: Sequence[str]) -> list[Change]:
    """The changes, and removals, that would make the daemon have what the files say."""
    inventory = read_inventory(paths)
    documents = _sound(session, inventory, keep_going=False)
    memory = Memory(session.paths, "applied")
    memory.read()
    return _plan(session, documents, memory.record, _absolute(paths))[0]


def apply(session: Session, paths: Sequence[str], wish: Wish) -> None:
    """Carries out an inventory; Failed at the end when something of it could not be done."""
    inventory = read_inventory(paths)
    documents = _sound(session, inventory, keep_going=wish.keep_going)
    for file, what in inventory.left:
        session.note(f"left out: {file}: {what}")
    prune = wish.prune
    if prune and inventory.problems:
        session.warn("nothing is removed: what the files that cannot be read wanted is not known")
        prune = False
    memory = Memory(session.paths, "applied")
    roots = _absolute(paths) if prune else []
    if wish.dry_run:
        memory.read()
        found, _ = _plan(session, documents, memory.record, roots)
        show(session, found)
        return
    with memory.locked():
        found, forgotten = _plan(session, documents, memory.record, roots)
        memory.keep(memory.record.without(forgotten))
        bad = carry_out(session, found, memory, start=wish.start, keep_going=wish.keep_going)
    tell(session, found, bad)
    if bad or inventory.problems:
        raise Failed(f"{len(bad) + len(inventory.problems)} of the inventory could not be applied")


def _sound(session: Session, inventory: Inventory, *, keep_going: bool) -> list[Document]:
    """The documents in their order, when nothing is wrong or we shall go on."""
    for file, problem in inventory.problems:
        session.complain(f"{file}: {problem}")
    if inventory.problems and not keep_going:
        raise Failed("nothing was changed")
    try:
        return ordered(inventory.documents)
    except VirtlxcError as error:
        raise Failed("nothing was changed", error.message) from None


def _absolute(paths: Sequence[str]) -> list[str]:
    return [os.path.abspath(path) for path in paths]


def _plan(
    session: Session, documents: Sequence[Document], record: Record, roots: Sequence[str]
) -> tuple[list[Change], list[tuple[str, str]]]:
    """What to do, in its order: networks, domains, then what is wanted no more.

    And what is remembered for nothing: others removed it, or a run was killed before it was made.
    """
    names = {(one.kind, one.name) for one in documents}
    uuids = {(one.kind, one.uuid) for one in documents if one.uuid}
    uuids |= {(one.kind, one.uuid) for one in record.entries}
    present = Daemon(session).present(names, uuids)
    wanted = planning.changes(documents, present, new_uuid=new_uuid, new_mac=new_mac)
    found = wanted + planning.removals(record, wanted, present, roots)
    return found, planning.forgotten(record, wanted, present)


def new_uuid() -> str:
    return str(uuid.uuid4())


def new_mac() -> str:
    return f"{MAC_PREFIX}:{os.urandom(3).hex(':')}"


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
    session.say(f"{planning.summary(found)}; nothing was done\n")


def carry_out(
    session: Session,
    found: Sequence[Change],
    memory: Memory,
    *,
    start: bool = False,
    keep_going: bool = False,
) -> list[Change]:
    """Does it, and remembers what was brought in; the changes that failed, or were not come to."""
    new = [one for one in found if one.action == DEFINE and not one.conflict]
    before = memory.record
    known = [one for one in found if one.action != REMOVE and before.knows(one.kind, one.uuid)]
    memory.keep(before.with_entries(_entry(one) for one in (*new, *known)))
    daemon = Daemon(session)
    bad = _each(session, [one for one in found if one.action != REMOVE], daemon, keep_going)
    gone = [one for one in bad if one.action == DEFINE and not before.knows(one.kind, one.uuid)]
    try:
        if start and (keep_going or not bad):
            bad += _starts(session, [one for one in found if one not in bad], daemon, keep_going)
        removals = [one for one in found if one.action == REMOVE]
        left = removals
        if keep_going or not bad:
            left = _each(session, removals, daemon, keep_going)
        bad += left
        gone += [one for one in removals if one not in left]
    finally:
        memory.keep(memory.record.without((one.kind, one.uuid) for one in gone))
    return bad


def _entry(change: Change) -> Entry:
    file = os.path.abspath(change.file)
    return Entry(kind=change.kind, uuid=change.uuid, name=change.name, file=file)


def _each(
    session: Session, some: Sequence[Change], daemon: Daemon, keep_going: bool
) -> list[Change]:
    """Defines or removes one after the other."""

    warnings: dict[str, list[str]] = {}

    def work(change: Change) -> None:
        if change.conflict:
            raise Failed(f"{change.title} ({change.file}): {change.conflict}")
        if change.action == REMOVE:
            daemon.remove(change)
        elif change.alters:
            for text in daemon.alter(change):
                warnings.setdefault(text, []).append(change.title)
        else:
            return
        if session.options.output == "text":
            session.remark(planning.shown(change))

    bad = _carefully(session, some, work, keep_going)
    for text, titles in warnings.items():
        more = f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else ""
        session.warn(f"{', '.join(titles[:MOST_NAMED])}{more}: {text}")
    return bad


def _starts(
    session: Session, some: Sequence[Change], daemon: Daemon, keep_going: bool
) -> list[Change]:
    def work(change: Change) -> None:
        daemon.start(change)
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
