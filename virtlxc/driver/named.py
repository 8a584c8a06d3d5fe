"""Named definitions: what virtual networks and storage pools have in common.

A thing has a name and a UUID. Its *definition* is a document on disk; what runs of it is *live*,
and may differ. Without a definition it is transient, and gone when it stops.

:class:`Definitions` has the calls; each kind of things (:mod:`virtlxc.driver.network.networks`,
:mod:`virtlxc.driver.storage.pools`) says in a :class:`Kind` what it is called, and does in the
methods at the end of the class what it alone can. One lock serialises all changes of a kind,
because they are rare and look at each other; questions read an immutable snapshot and may run on
the event loop where marked [fast]. All raise VirtlxcError only.
"""

from __future__ import annotations

import logging
import threading
import uuid as _uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from virtlxc.driver.domain.definition_files import DefinitionFiles
from virtlxc.driver.events import Event, EventBus
from virtlxc.driver.refusals import Refusals, check_flags
from virtlxc.errors import VirtlxcError

_log = logging.getLogger("virtlxc")


class NamedRef(NamedTuple):
    """A thing as libvirt's wire has it."""

    name: str
    uuid: bytes

    @property
    def uuid_text(self) -> str:
        return str(_uuid.UUID(bytes=self.uuid))


class Listing:
    """The filters of libvirt's lists: pairs; both or none of a pair is no filter."""

    INACTIVE = 1
    ACTIVE = 2
    PERSISTENT = 4
    TRANSIENT = 8
    AUTOSTART = 16
    NO_AUTOSTART = 32
    ALL = 63
    PAIRS = (
        (ACTIVE, INACTIVE, "active"),
        (PERSISTENT, TRANSIENT, "persistent"),
        (AUTOSTART, NO_AUTOSTART, "autostart"),
    )


class NamedEvent:
    """``virNetworkEventLifecycleType``; ``virStoragePoolEventLifecycleType`` begins so, too."""

    DEFINED = 0
    UNDEFINED = 1
    STARTED = 2
    STOPPED = 3


VALIDATE = 1  # of a definition, against the schema
XML_INACTIVE = 1  # the definition, not what runs


class Thing(Protocol):
    """What a parsed document must have; ``uuid`` is "" where its author gave none."""

    @property
    def name(self) -> str: ...
    @property
    def uuid(self) -> str: ...


T = TypeVar("T", bound=Thing)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedView(Generic[T]):
    """One thing at one moment: ``config`` None is transient, ``live`` None is not running."""

    name: str
    uuid: str
    config: T | None = None
    live: T | None = None
    autostart: bool = False

    @property
    def active(self) -> bool:
        return self.live is not None

    @property
    def persistent(self) -> bool:
        return self.config is not None

    @property
    def current(self) -> T:
        """What runs, or what the next start takes."""
        thing = self.live or self.config
        assert thing is not None
        return thing

    @property
    def ref(self) -> NamedRef:
        return NamedRef(self.name, _uuid.UUID(self.uuid).bytes)


V = TypeVar("V", bound=NamedView[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What things of one kind are called: in sentences, by libvirt's functions, in events.

    ``running`` and ``stopped`` refuse a start of what runs and a stop of what does not; ``{name}``
    stands for the name in them.
    """

    noun: str
    refuse: Refusals
    running: str
    stopped: str
    list_call: str
    list_flags: int
    event: Callable[[NamedRef, int], Event]


class Definitions(Generic[T, V]):
    """The things of one kind that an instance has."""

    kind: ClassVar[Kind]

    def __init__(
        self, store: DefinitionFiles, events: EventBus, new_uuid: Callable[[], str] | None
    ) -> None:
        self._files = store
        self._events = events
        self._new_uuid = new_uuid or (lambda: str(_uuid.uuid4()))
        self._lock = threading.RLock()
        self._views: Mapping[str, V] = {}  # by UUID

    # Questions

    def list_all(self, flags: int = 0) -> list[NamedRef]:
        """[fast] The things that pass the filters of Listing, by name."""
        check_flags(self.kind.list_call, flags, self.kind.list_flags)
        return [view.ref for view in self._listed(flags)]

    def _listed(self, flags: int) -> list[V]:
        views = sorted(self._views.values(), key=lambda view: view.name)
        for yes, no, attribute in Listing.PAIRS:
            wanted = bool(flags & yes)
            if wanted != bool(flags & no):
                views = [view for view in views if getattr(view, attribute) == wanted]
        return views

    def lookup_name(self, name: str) -> NamedRef:
        """[fast] Raises the kind's "not found", as the next three."""
        return self.named(name).ref

    def lookup_uuid(self, uuid: bytes) -> NamedRef:
        """[fast]"""
        return self.view(("", uuid)).ref

    def named(self, name: str) -> V:
        """[fast] All about one thing at this moment."""
        view = self._by_name(name)
        if view is None:
            raise self.kind.refuse.missing(f"name '{name}'{self._why_none(name)}")
        return view

    def view(self, ref: tuple[str, bytes]) -> V:
        """[fast] The same, by reference; its UUID decides."""
        name, uuid = ref
        text = str(_uuid.UUID(bytes=uuid))
        view = self._views.get(text)
        if view is None:
            raise self.kind.refuse.missing(f"uuid '{text}'" + (f" ({name})" if name else ""))
        return view

    def is_active(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).active

    def is_persistent(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).persistent

    def autostart(self, ref: tuple[str, bytes]) -> bool:
        """[fast]"""
        return self.view(ref).autostart

    # Changes

    def undefine(self, ref: tuple[str, bytes]) -> None:
        """Forgets the definition; what still runs becomes transient."""
        with self._lock:
            view = self.view(ref)
            self._check_undefine(view)
            self._files.remove_definition(view.name)
            if view.active:
                self._publish(replace(view, config=None, autostart=False))
            else:
                self._forget(view)
            self._tell(view, NamedEvent.UNDEFINED)

    def set_autostart(self, ref: tuple[str, bytes], on: bool) -> None:
        with self._lock:
            view = self.view(ref)
            if not view.persistent:
                raise self._autostart_refused()
            self._files.set_autostart(view.name, on)
            self._publish(replace(view, autostart=on))

    def destroy(self, ref: tuple[str, bytes]) -> None:
        """Stops it; a transient one is gone then."""
        with self._lock:
            view = self.view(ref)
            if not view.active:
                raise self.inactive(view.name)
            stopped = self._stop(view)
            if stopped.persistent:
                self._publish(stopped)
            else:
                self._forget(stopped)
            self._tell(view, NamedEvent.STOPPED)

    # How the calls begin that each kind has with flags of its own

    def _define(self, thing: T) -> V:
        with self._lock:
            thing = self._completed(thing)
            self._files.write_definition(thing.name, self._format(thing))
            view = replace(self._view_of(thing), config=thing)
            self._publish(view)
            self._tell(view, NamedEvent.DEFINED)
        return view

    def _create(self, thing: T, before: Callable[[T], None] = lambda thing: None) -> V:
        """Starts what has no definition, or what has one with this other one.

        ``before`` runs when nothing stands in the way of the start any more.
        """
        with self._lock:
            thing = self._completed(thing)
            view = self._view_of(thing)
            if view.active:
                raise self.kind.refuse.invalid(
                    f"{self.kind.noun} is already active as '{view.name}'"
                )
            before(thing)
            return self._run(view, thing)

    def _start(
        self, ref: tuple[str, bytes], before: Callable[[T], None] = lambda thing: None
    ) -> V:
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise self.kind.refuse.invalid(self.kind.running.format(name=view.name))
            assert view.config is not None
            before(view.config)
            return self._run(view, view.config)

    def inactive(self, name: str) -> VirtlxcError:
        return self.kind.refuse.invalid(self.kind.stopped.format(name=name))

    # The instance's start

    def _load_definitions(self) -> None:
        for name, xml in self._files.definitions():
            try:
                thing = self._parse(xml)
                if thing.name != name or not thing.uuid:
                    raise self.kind.refuse.failed(
                        f"the file's name is not the {self.kind.noun}'s, or it has no uuid"
                    )
                self._check(thing)
            except VirtlxcError as error:
                _log.error(
                    "the definition of %s '%s' is left out: %s", self.kind.noun, name, error
                )
                continue
            on = self._files.autostart(name)
            self._publish(replace(self._view_of(thing), config=thing, autostart=on))

    def _start_marked(self) -> None:
        """Starts what is marked for autostart; a failure is logged and stops no other."""
        for view in self._views.values():
            if view.autostart and not view.active:
                try:
                    self._start(view.ref)
                except VirtlxcError as error:
                    _log.error("autostart: %s", error)

    # Inside; callers hold the lock

    def _run(self, view: V, thing: T) -> V:
        view = replace(self._started(view, thing), live=thing)
        self._publish(view)
        self._tell(view, NamedEvent.STARTED)
        return view

    def _check(self, thing: T) -> None:
        """Refuses a name or UUID that another one has."""
        noun, refuse = self.kind.noun, self.kind.refuse
        named = self._by_name(thing.name)
        if named is not None and named.uuid != thing.uuid:
            raise refuse.failed(f"{noun} '{named.name}' already exists with uuid {named.uuid}")
        same = self._views.get(thing.uuid)
        if same is not None and same.name != thing.name:
            raise refuse.failed(f"{noun} '{same.name}' is already defined with uuid {same.uuid}")

    def _view_of(self, thing: T) -> V:
        return self._views.get(thing.uuid) or self._new_view(thing.name, thing.uuid)

    def _by_name(self, name: str) -> V | None:
        return next((view for view in self._views.values() if view.name == name), None)

    def _publish(self, view: V) -> None:
        self._views = {**self._views, view.uuid: view}

    def _forget(self, view: V) -> None:
        self._views = {uuid: one for uuid, one in self._views.items() if uuid != view.uuid}

    def _tell(self, view: V, event: int) -> None:
        self._events.emit(self.kind.event(view.ref, event))

    # What each kind does in its own way

    def _parse(self, xml: str) -> T:
        raise NotImplementedError

    def _format(self, thing: T) -> str:
        raise NotImplementedError

    def _new_view(self, name: str, uuid: str) -> V:
        raise NotImplementedError

    def _completed(self, thing: T) -> T:
        """With a UUID, and all else that its author may leave out; refuses what cannot be."""
        raise NotImplementedError

    def _started(self, view: V, thing: T) -> V:
        """Makes it run; the view with what is to be known of that."""
        raise NotImplementedError

    def _stop(self, view: V) -> V:
        """Ends it; the view of what does not run."""
        raise NotImplementedError

    def _check_undefine(self, view: V) -> None:
        """Refuses to forget what must stay."""

    def _autostart_refused(self) -> VirtlxcError:
        """Why a transient one cannot be marked."""
        raise NotImplementedError

    def _why_none(self, name: str) -> str:
        """What to say behind the words that there is none of that name."""
        return ""
