"""What has to be done so that a daemon has what an inventory wants: data, to show or to carry out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from virtlxc.inventory.documents import (
    KINDS,
    Document,
    Unread,
    format_value,
    read_value,
    settled,
)
from virtlxc.inventory.record import Record

DEFINE, REDEFINE, KEEP, REMOVE = "define", "redefine", "keep", "remove"
_CONTEXT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What the daemon has: ``xml`` is the definition that it keeps, ``digest`` the xml's."""

    kind: str
    name: str
    uuid: str
    xml: str
    autostart: bool = False
    active: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object, and what happens to it.

    ``xml`` is what to define and ``old`` what is there; '' where there is nothing, or no change.
    ``autostart`` is what to set, None when it is right already or nobody's concern; ``starts``:
    whether the inventory wants it to run. ``conflict`` says why it cannot be done, '' if it can.
    ``source`` and ``kept`` are what the record will have of it.
    """

    action: str
    kind: str
    name: str
    uuid: str
    file: str = ""
    xml: str = ""
    old: str = ""
    autostart: bool | None = None
    starts: bool = False
    active: bool = False
    conflict: str = ""
    source: str = ""
    kept: str = ""

    @property
    def title(self) -> str:
        return f"{self.kind} '{self.name}'"

    @property
    def alters(self) -> bool:
        """Whether there is anything to write."""
        return self.action != KEEP or self.autostart is not None


def changes(
    documents: Sequence[Document],
    present: Iterable[Present],
    *,
    new_uuid: Callable[[], str],
    new_mac: Callable[[], str],
) -> list[Change]:
    """One change a document, in the order of the documents."""
    present = tuple(present)
    by_name = {(one.kind, one.name): one for one in present}
    by_uuid = {(one.kind, one.uuid): one for one in present}
    found = []
    for document in documents:
        there = by_name.get((document.kind, document.name))
        have = read_value(there.xml) if there else None
        value = settled(document.value, have, new_uuid=new_uuid, new_mac=new_mac)
        xml = old = ""
        if value != have:
            # Both written by the same code: what another version wrote otherwise is no change.
            xml, old = format_value(value), format_value(have) if have is not None else ""
        wish = document.autostart
        action = DEFINE if there is None else KEEP if xml == old else REDEFINE
        found.append(
            Change(
                action=action,
                kind=document.kind,
                name=document.name,
                uuid=value.uuid,
                file=document.file,
                xml=xml,
                old=old,
                autostart=None if wish == (there.autostart if there else False) else wish,
                starts=bool(wish),
                active=bool(there and there.active),
                conflict=_conflict(there, by_uuid.get((document.kind, value.uuid)), value.uuid),
                source=document.source,
                kept=there.digest if there is not None and action == KEEP else "",
            )
        )
    return found


def unchanged(
    unread: Iterable[Unread], present: Iterable[Present]
) -> tuple[list[Change], list[Unread]]:
    """What is as it was when it was applied, and the files that have to be read after all."""
    there = {(one.kind, one.uuid): one for one in present}
    same, others = [], []
    for one in unread:
        have = there.get((one.kind, one.uuid))
        if have is None or have.name != one.name or not have.digest or have.digest != one.kept:
            others.append(one)
            continue
        wish = one.autostart
        same.append(
            Change(
                action=KEEP,
                kind=one.kind,
                name=one.name,
                uuid=one.uuid,
                file=one.file,
                autostart=None if wish == have.autostart else wish,
                starts=bool(wish),
                active=have.active,
                source=one.source,
                kept=one.kept,
            )
        )
    return same, others


def _conflict(named: Present | None, same: Present | None, uuid: str) -> str:
    """Why one name cannot have two UUIDs, or one UUID two names."""
    if named is not None and named.uuid != uuid:
        return (
            f"there is a {named.kind} '{named.name}' with another uuid, {named.uuid}, not {uuid} "
            "(take <uuid> out of the file to mean that one, or undefine it)"
        )
    if same is not None and same is not named:
        return f"its uuid {uuid} is that of {same.kind} '{same.name}' (rename that one first)"
    return ""


def removals(
    record: Record, wanted: Sequence[Change], present: Iterable[Present], roots: Sequence[str]
) -> list[Change]:
    """What earlier runs brought in from below ``roots`` and is wanted no more: domains first.

    An object that somebody else removed, or made anew with another UUID, is left alone.
    """
    there = {(one.kind, one.uuid): one for one in present}
    kept = {(one.kind, one.uuid) for one in wanted}
    found = []
    for entry in record.below(roots):
        one = there.get((entry.kind, entry.uuid))
        if one is None or (entry.kind, entry.uuid) in kept:
            continue
        found.append(
            Change(
                action=REMOVE,
                kind=one.kind,
                name=one.name,
                uuid=one.uuid,
                file=entry.file,
                old=one.xml,
                active=one.active,
            )
        )
    return sorted(found, key=lambda one: -KINDS.index(one.kind))


def forgotten(
    record: Record, wanted: Sequence[Change], present: Iterable[Present]
) -> list[tuple[str, str]]:
    """(kind, UUID) of what is remembered, but neither there any more nor about to be."""
    known = {(one.kind, one.uuid) for one in wanted} | {(one.kind, one.uuid) for one in present}
    return [(one.kind, one.uuid) for one in record.entries if (one.kind, one.uuid) not in known]


_SIGNS = {DEFINE: "+", REDEFINE: "~", KEEP: "~", REMOVE: "-"}
_WORDS = {DEFINE: "new", REDEFINE: "changed", KEEP: "autostart", REMOVE: "no longer wanted"}


def shown(change: Change) -> str:
    """A change as text: a headline, and for a changed definition the lines that differ."""
    behind = f" ({change.file})" if change.file else ""
    lines = [f"{_SIGNS[change.action]} {change.title}: {_WORDS[change.action]}{behind}"]
    if change.action == REDEFINE:
        lines += [f"    {line}" for line in _difference(change.old, change.xml)]
        if change.active:
            lines.append("    it runs: this counts from its next start on")
    if change.autostart is not None:
        lines.append(f"    autostart: {'on' if change.autostart else 'off'}")
    return "".join(f"{line}\n" for line in lines)


def _difference(old: str, new: str) -> list[str]:
    lines = unified_diff(old.splitlines(), new.splitlines(), n=_CONTEXT, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++"))]


def summary(found: Sequence[Change]) -> str:
    """``1 new, 2 changed, 397 as they are``: one line."""
    parts = [
        (sum(one.action == DEFINE for one in found), "new"),
        (sum(one.action != DEFINE and one.action != REMOVE and one.alters for one in found),
         "changed"),
        (sum(one.action == REMOVE for one in found), "no longer wanted"),
        (sum(not one.alters for one in found), "as they are"),
    ]  # fmt: skip
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "nothing to do"


def plain(change: Change) -> dict[str, object]:
    """A change as JSON takes it."""
    return {
        "action": change.action if change.action != KEEP or not change.alters else "autostart",
        "kind": change.kind,
        "name": change.name,
        "uuid": change.uuid,
        "file": change.file or None,
        "autostart": change.autostart,
        "diff": _difference(change.old, change.xml) if change.action == REDEFINE else [],
    }
