"""Which domains there are: one immutable snapshot for all questions, replaced at every change."""

from __future__ import annotations

import contextlib
import threading
import uuid as _uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from virtlxc.driver import refusals
from virtlxc.driver.constants import Listing, State
from virtlxc.driver.domain.domain import Entry, View
from virtlxc.driver.ref import Ref

K = TypeVar("K", str, int)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All domains at one moment."""

    by_uuid: Mapping[str, View] = field(default_factory=dict)
    by_name: Mapping[str, View] = field(default_factory=dict)
    by_id: Mapping[int, View] = field(default_factory=dict)

    def having(self, view: View) -> Snapshot:
        """The snapshot with this view in the place of the domain's former one."""
        old = self.by_uuid.get(view.uuid)
        by_name, by_id = self.by_name, self.by_id
        if old is not None and old.name != view.name:
            by_name = _less(by_name, old.name)
        if old is not None and old.id in by_id:
            by_id = _less(by_id, old.id)
        if view.active:
            by_id = {**by_id, view.id: view}
        return Snapshot({**self.by_uuid, view.uuid: view}, {**by_name, view.name: view}, by_id)

    def without(self, uuid: str) -> Snapshot:
        old = self.by_uuid.get(uuid)
        if old is None:
            return self
        return Snapshot(
            _less(self.by_uuid, uuid), _less(self.by_name, old.name), _less(self.by_id, old.id)
        )


def _less(mapping: Mapping[K, View], key: K) -> Mapping[K, View]:
    return {other: view for other, view in mapping.items() if other != key}

_KINDS_OF_LISTS = 16  # with other flags each, that are kept at a time


class Registry:
    """The domains of one instance.

    Reading :attr:`snapshot` takes no lock. An :class:`Entry` stays the same object for as long as
    its domain is in the list; its view changes by :meth:`publish` only, under the domain's job.
    """

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self._refs: tuple[Snapshot, dict[int, list[Ref]]] = (self.snapshot, {})
        self._entries: dict[str, Entry] = {}
        # By every name that somebody has, or is about to have.
        self._named: dict[str, Entry] = {}
        self._lock = threading.Lock()

    # Questions

    def view(self, ref: Ref) -> View:
        """The domain of a client's reference; raises NO_DOMAIN."""
        view = self.snapshot.by_uuid.get(ref.uuid_text)
        if view is None:
            raise refusals.no_domain_with_uuid(ref.uuid_text, ref.name)
        return view

    def named(self, name: str) -> View:
        view = self.snapshot.by_name.get(name)
        if view is None:
            raise refusals.no_domain_named(name)
        return view

    def with_uuid(self, uuid: bytes) -> View:
        text = str(_uuid.UUID(bytes=uuid))
        view = self.snapshot.by_uuid.get(text)
        if view is None:
            raise refusals.no_domain_with_uuid(text)
        return view

    def with_id(self, id: int) -> View:
        view = self.snapshot.by_id.get(id)
        if view is None:
            raise refusals.no_domain_with_id(id)
        return view

    def matching(self, flags: int) -> list[View]:
        """The domains that pass libvirt's filters, sorted by name."""
        tests = [test for bits, test in _FILTERS if _filters(flags, bits)]
        found: Iterable[View] = self.snapshot.by_name.values()
        for test in tests:
            found = [view for view in found if test(view, flags)]
        return sorted(found, key=attrgetter("name"))

    def refs(self, flags: int) -> list[Ref]:
        """References to :meth:`matching`, made once for as long as nothing changes."""
        now = self.snapshot
        since, known = self._refs
        if since is not now or len(known) > _KINDS_OF_LISTS:
            known = {}
            self._refs = (now, known)
        found = known.get(flags)
        if found is None:
            found = known[flags] = [view.ref for view in self.matching(flags)]
        return found

    # Changes

    def entry(self, ref: Ref) -> Entry:
        """The place of the domain, for those who will change it; raises NO_DOMAIN."""
        with self._lock:
            entry = self._entries.get(ref.uuid_text)
        if entry is None:
            raise refusals.no_domain_with_uuid(ref.uuid_text, ref.name)
        return entry

    def find(self, uuid: str) -> Entry | None:
        """The place of a domain, None when it is not in the list (any more)."""
        with self._lock:
            return self._entries.get(uuid)

    def holds(self, entry: Entry) -> bool:
        """Whether this is still the place of its domain."""
        with self._lock:
            return self._entries.get(entry.view.uuid) is entry

    def entries(self) -> Iterable[Entry]:
        with self._lock:
            return tuple(self._entries.values())

    def claim(self, view: View) -> tuple[Entry, bool]:
        """The place for a definition of ``view``'s name and UUID; the flag: it was made now.

        Raises OPERATION_FAILED when the name belongs to another UUID or the reverse.
        """
        with self._lock:
            entry = self._entries.get(view.uuid)
            if entry is not None and entry.view.name != view.name:
                raise refusals.uuid_taken(entry.view.name, view.uuid)
            self._refuse_name_of(view.name, view.uuid)
            if entry is not None:
                return entry, False
            entry = self._entries[view.uuid] = self._named[view.name] = Entry(view)
            return entry, True

    def _refuse_name_of(self, name: str, uuid: str | None) -> None:
        """Raises OPERATION_FAILED when another than ``uuid`` has the name."""
        other = self._named.get(name)
        if other is not None and other.view.uuid != uuid:
            raise refusals.name_taken(name, other.view.uuid)

    def publish(self, entry: Entry, view: View) -> View:
        """Makes ``view`` what queries see; a domain that nothing holds any more leaves the list."""
        with self._lock:
            if entry.view.name != view.name:
                self._drop_name(entry.view.name, entry)
            entry.view = view
            if entry.gone:
                self._forget(entry)
            else:
                self._entries[view.uuid] = self._named[view.name] = entry
                self.snapshot = self.snapshot.having(view)
        return view

    @contextlib.contextmanager
    def renaming(self, entry: Entry, name: str) -> Iterator[None]:
        """Keeps ``name`` for this domain while it is being renamed; raises OPERATION_FAILED."""
        with self._lock:
            self._refuse_name_of(name, None)
            self._named[name] = entry
        try:
            yield
        finally:
            with self._lock:
                if entry.view.name != name:
                    self._drop_name(name, entry)

    def release(self, entry: Entry) -> None:
        """Takes back a claim that came to nothing."""
        with self._lock:
            if entry.gone:
                self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        if self._entries.get(entry.view.uuid) is entry:
            del self._entries[entry.view.uuid]
        self._drop_name(entry.view.name, entry)
        self.snapshot = self.snapshot.without(entry.view.uuid)

    def _drop_name(self, name: str, entry: Entry) -> None:
        if self._named.get(name) is entry:
            del self._named[name]


def _filters(flags: int, bits: int) -> bool:
    """Whether this group of filters says anything: none of its bits says nothing."""
    return bool(flags & bits)


_Test = Callable[[View, int], bool]


def _pair(yes: int, no: int, holds: Callable[[View], bool]) -> tuple[int, _Test]:
    return yes | no, lambda view, flags: bool(flags & (yes if holds(view) else no))


def _state_bit(view: View) -> int:
    bits = {
        State.RUNNING: Listing.RUNNING,
        State.PAUSED: Listing.PAUSED,
        State.SHUTOFF: Listing.SHUTOFF,
    }
    return bits.get(view.state, Listing.OTHER)


_FILTERS: tuple[tuple[int, _Test], ...] = (
    _pair(Listing.ACTIVE, Listing.INACTIVE, lambda view: view.active),
    _pair(Listing.PERSISTENT, Listing.TRANSIENT, lambda view: view.persistent),
    _pair(Listing.AUTOSTART, Listing.NO_AUTOSTART, lambda view: view.autostart),
    _pair(Listing.MANAGEDSAVE, Listing.NO_MANAGEDSAVE, lambda view: False),
    _pair(Listing.HAS_SNAPSHOT, Listing.NO_SNAPSHOT, lambda view: False),
    _pair(Listing.HAS_CHECKPOINT, Listing.NO_CHECKPOINT, lambda view: False),
    (
        Listing.RUNNING | Listing.PAUSED | Listing.SHUTOFF | Listing.OTHER,
        lambda view, flags: bool(flags & _state_bit(view)),
    ),
)
