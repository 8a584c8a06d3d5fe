"""Many definitions at a time: the disk is waited for once a hundred, not once each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from virtlxc.driver.constants import Detail, Event, Xml
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain import definitions
from virtlxc.driver.domain.documents import document
from virtlxc.driver.domain.domain import Entry, View
from virtlxc.driver.ref import Ref
from virtlxc.errors import VirtlxcError
from virtlxc.model import Domain

GROUP = 100

# Who holds many jobs takes them one after the other: two of these could wait for each other.
_one_batch = threading.Lock()


class Outcome(NamedTuple):
    """What became of one definition; ``error`` is "" when it is on the disk.

    ``digest`` is that of the definition as XML: see :func:`digest`.
    """

    name: str
    digest: str
    error: str
    warnings: list[str]


class Kept(NamedTuple):
    """A persistent definition as it is kept."""

    dom: Ref
    xml: str
    digest: str
    autostart: int
    active: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    at: int
    entry: Entry
    domain: Domain
    warnings: tuple[str, ...]


def digest(xml: str) -> str:
    """By which it is seen that a definition has not changed since."""
    return hashlib.sha256(xml.encode()).hexdigest()


def define_many(core: Core, xmls: Sequence[str], *, stop: bool) -> list[Outcome]:
    """Defines each; with ``stop`` those after the first that fails are not tried.

    Each is the old or the new one on the disk at any moment, and none is told about before it is
    there for good.
    """
    found: list[Outcome] = []
    with _one_batch:
        for group in _groups(xmls):
            outcomes = _define_group(core, group, stop)
            found += outcomes
            if stop and any(one.error for one in outcomes):
                break
    return found


def _groups(xmls: Sequence[str]) -> Iterator[Sequence[str]]:
    iterator = iter(xmls)
    while group := tuple(islice(iterator, GROUP)):
        yield group


def _define_group(core: Core, xmls: Sequence[str], stop: bool) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    with ExitStack() as stack:
        claimed: list[_Claimed] = []
        for at, xml in enumerate(xmls):
            try:
                claimed.append(_claim(core, stack, at, xml, {one.domain.uuid for one in claimed}))
            except VirtlxcError as error:
                outcomes[at] = Outcome("", "", error.message, [])
                if stop:
                    break
        try:
            with doing("cannot keep the definitions"):
                core.store.write_definitions(
                    [(one.domain.name, document(one.domain)) for one in claimed]
                )
        except VirtlxcError as error:
            for one in claimed:
                outcomes[one.at] = Outcome(one.domain.name, "", error.message, [])
        else:
            for one in claimed:
                outcomes[one.at] = _publish(core, one)
    return [outcomes[at] for at in sorted(outcomes)]


def _claim(core: Core, stack: ExitStack, at: int, xml: str, held: set[str]) -> _Claimed:
    domain, warnings = definitions.read(xml, validate=False)
    if domain.uuid in held:
        raise VirtlxcError(f"cannot define domain '{domain.name}': its uuid is given twice")
    view = View(name=domain.name, uuid=domain.uuid)
    entry, _ticket = stack.enter_context(core.claiming(view, "define"))
    return _Claimed(at=at, entry=entry, domain=domain, warnings=warnings)


def _publish(core: Core, one: _Claimed) -> Outcome:
    old = one.entry.view
    new = replace(old, config=one.domain, updated=old.active, warnings=one.warnings)
    core.registry.publish(one.entry, new)
    detail = Detail.DEFINED_UPDATED if old.persistent else Detail.DEFINED_ADDED
    core.tell(new, Event.DEFINED, detail)
    return Outcome(
        one.domain.name, digest(_xml(new)), "", list(one.warnings)
    )


def _xml(view: View) -> str:
    return definitions.xml(view, Xml.SECURE | Xml.INACTIVE, hide_environment=False)


def kept(core: Core, refs: Sequence[Ref]) -> list[Kept]:
    """The persistent definitions of these; those that are none (any more) are left out."""
    found = []
    for ref in refs:
        view = core.registry.snapshot.by_uuid.get(ref.uuid_text)
        if view is not None and view.persistent:
            xml = _xml(view)
            found.append(Kept(view.ref, xml, digest(xml), int(view.autostart), int(view.active)))
    return found
