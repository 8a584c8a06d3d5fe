"""The calls about storage pools.

One lock serialises all changes of pools; questions read an immutable snapshot and may run on the
event loop where marked [fast]. Volumes are in :mod:`virtlxc.driver.storage_volumes`. All raise
VirtlxcError only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid as _uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from virtlxc.driver.events import EventBus, PoolLifecycle, PoolRefresh
from virtlxc.driver.network_life import boot_id
from virtlxc.driver.refusals import check_flags
from virtlxc.driver.storage_files import Folder, apply, permissions_of
from virtlxc.driver.storage_state import (
    BUILD_NO_OVERWRITE,
    BUILD_OVERWRITE,
    CREATE_BUILD_NO_OVERWRITE,
    CREATE_BUILD_OVERWRITE,
    CREATE_WITH_BUILD,
    DEFINE_VALIDATE,
    FORMATS_MADE,
    XML_INACTIVE,
    Listing,
    PoolEvent,
    PoolInfo,
    PoolRef,
    PoolState,
    PoolView,
    bad_argument,
    failed,
    inactive,
    invalid,
    no_pool_at,
    no_pool_named,
    no_pool_with_uuid,
    not_supported,
    refused,
)
from virtlxc.driver.storage_store import StorageStore
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.pool import SERVED, Pool, format_pool, parse_pool
from virtlxc.paths import Paths

_log = logging.getLogger("virtlxc")


class Pools:
    """The storage pools of one instance."""

    def __init__(
        self,
        paths: Paths,
        events: EventBus,
        *,
        new_uuid: Callable[[], str] = lambda: str(_uuid.uuid4()),
    ) -> None:
        self._store = StorageStore(paths)
        self._events = events
        self._new_uuid = new_uuid
        self._lock = threading.RLock()
        self._views: Mapping[str, PoolView] = {}
        self._busy: dict[str, int] = {}  # UUID -> how many volumes are worked on

    # The instance's start

    def load(self) -> None:
        """Reads the definitions, takes over what is active, starts what is marked for it once
        while the host is up. A failure is logged and stops no other."""
        with self._lock:
            self._store.prepare()
            for name, xml in self._store.definitions():
                self._load_definition(name, xml)
            fresh = self._store.first_autostart(boot_id())
            for uuid, xml in list(self._store.lives()):
                if fresh:
                    self._store.remove_live(uuid)
                else:
                    self._load_live(uuid, xml)
            for view in self._views.values():
                if fresh and view.autostart:
                    try:
                        self.start(view.ref)
                    except VirtlxcError as error:
                        _log.error("autostart: %s", error)

    def _load_definition(self, name: str, xml: str) -> None:
        try:
            pool = parse_pool(xml)
            if pool.name != name or not pool.uuid:
                raise failed("the file's name is not the pool's, or it has no uuid")
            self._check(pool)
        except VirtlxcError as error:
            _log.error("the definition of pool '%s' is left out: %s", name, error)
            return
        on = self._store.autostart(name)
        self._publish(PoolView(name=name, uuid=pool.uuid, config=pool, autostart=on))

    def _load_live(self, uuid: str, xml: str) -> None:
        try:
            pool = parse_pool(xml)
            view = self._views.get(uuid) or PoolView(name=pool.name, uuid=uuid)
            with Folder(pool.path) as folder:
                self._publish(replace(view, live=pool, volumes=tuple(folder.names())))
        except VirtlxcError as error:
            _log.error("pool %s is not active any more: %s", uuid, error)
            self._store.remove_live(uuid)

    # Questions

    def list_all(self, flags: int = 0) -> list[PoolRef]:
        """[fast] The pools that pass the filters of Listing, by name."""
        check_flags("storageConnectListAllStoragePools", flags, Listing.ALL)
        pairs: tuple[tuple[int, int, Callable[[PoolView], bool]], ...] = (
            (Listing.ACTIVE, Listing.INACTIVE, lambda view: view.active),
            (Listing.PERSISTENT, Listing.TRANSIENT, lambda view: view.config is not None),
            (Listing.AUTOSTART, Listing.NO_AUTOSTART, lambda view: view.autostart),
        )
        views = sorted(self._views.values(), key=lambda view: view.name)
        for yes, no, holds in pairs:
            if flags & yes and not flags & no:
                views = [view for view in views if holds(view)]
            elif flags & no and not flags & yes:
                views = [view for view in views if not holds(view)]
        types = [
            kind for at, kind in enumerate(Listing.TYPES) if flags & Listing.FIRST_TYPE << at
        ]
        return [view.ref for view in views if not types or view.current.type in types]

    def lookup_name(self, name: str) -> PoolRef:
        """[fast] Raises NO_STORAGE_POOL when there is none, as the next."""
        return self.named(name).ref

    def lookup_uuid(self, uuid: bytes) -> PoolRef:
        """[fast]"""
        text = str(_uuid.UUID(bytes=uuid))
        if text not in self._views:
            raise no_pool_with_uuid(text)
        return self._views[text].ref

    def lookup_path(self, path: str) -> PoolRef:
        """[fast] The pool whose folder this is."""
        clean = os.path.normpath(path)
        for view in self._views.values():
            if os.path.normpath(view.path) == clean:
                return view.ref
        raise no_pool_at(path)

    def named(self, name: str) -> PoolView:
        """[fast]"""
        for view in self._views.values():
            if view.name == name:
                return view
        raise no_pool_named(name)

    def view(self, ref: tuple[str, bytes]) -> PoolView:
        """[fast] All about one pool at this moment; raises NO_STORAGE_POOL."""
        name, uuid = ref
        text = str(_uuid.UUID(bytes=uuid))
        view = self._views.get(text)
        if view is None:
            raise no_pool_with_uuid(text, name)
        return view

    def active_views(self) -> list[PoolView]:
        """[fast]"""
        return [view for view in self._views.values() if view.active]

    def info(self, ref: tuple[str, bytes]) -> PoolInfo:
        view = self.view(ref)
        if not view.active:
            return PoolInfo(PoolState.INACTIVE, 0, 0, 0)
        return PoolInfo(PoolState.RUNNING, *_sizes(view.path))

    def xml(self, ref: tuple[str, bytes], flags: int = 0) -> str:
        """The active pool with its sizes, or with XML_INACTIVE the definition."""
        check_flags("storagePoolGetXMLDesc", flags, XML_INACTIVE)
        view = self.view(ref)
        if view.live is None or (flags & XML_INACTIVE and view.config is not None):
            return format_pool(view.config or view.current, sizes=(0, 0, 0))
        pool = view.live
        with Folder(pool.path) as folder:
            now = permissions_of(os.fstat(folder.fd))
        pool = replace(pool, target=replace(pool.target, permissions=now))
        return format_pool(pool, sizes=_sizes(pool.path))

    def capabilities(self, flags: int = 0) -> str:
        """[fast] Which types of pools there are, and what volumes can be made in them."""
        check_flags("connectGetStoragePoolCapabilities", flags)
        lines = ["<storagepoolCapabilities>"]
        for kind in Listing.TYPES:
            if kind not in SERVED:
                lines.append(f"  <pool type='{kind}' supported='no'/>")
                continue
            lines += [
                f"  <pool type='{kind}' supported='yes'>",
                "    <volOptions>",
                f"      <defaultFormat type='{FORMATS_MADE[0]}'/>",
                "      <enum name='targetFormatType'>",
                *(f"        <value>{name}</value>" for name in FORMATS_MADE),
                "      </enum>",
                "    </volOptions>",
                "  </pool>",
            ]
        return "\n".join([*lines, "</storagepoolCapabilities>", ""])

    # Definitions

    def define(self, xml: str, flags: int = 0) -> PoolRef:
        check_flags("storagePoolDefineXML", flags, DEFINE_VALIDATE)
        pool = self._parsed(xml, bool(flags & DEFINE_VALIDATE))
        with self._lock:
            pool = self._completed(pool)
            view = self._views.get(pool.uuid) or PoolView(name=pool.name, uuid=pool.uuid)
            self._store.write_definition(pool.name, format_pool(pool))
            view = replace(view, config=pool)
            self._publish(view)
            self._tell(view, PoolEvent.DEFINED)
        return view.ref

    def undefine(self, ref: tuple[str, bytes]) -> None:
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise invalid(f"storage pool '{view.name}' is still active")
            self._store.remove_definition(view.name)
            self._forget(view)
            self._tell(view, PoolEvent.UNDEFINED)

    def set_autostart(self, ref: tuple[str, bytes], on: bool) -> None:
        with self._lock:
            view = self.view(ref)
            if view.config is None:
                raise bad_argument("pool has no config file")
            self._store.set_autostart(view.name, on)
            self._publish(replace(view, autostart=on))

    # Life

    def create(self, xml: str, flags: int = 0) -> PoolRef:
        """Starts a transient pool, or one that has a definition with this other one."""
        check_flags("storagePoolCreateXML", flags, 7)
        _check_overwrite(flags, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE)
        with self._lock:
            pool = self._completed(self._parsed(xml, False))
            view = self._views.get(pool.uuid)
            if view is not None and view.active:
                raise invalid(f"pool is already active as '{view.name}'")
            if flags & CREATE_WITH_BUILD:
                _make_folder(pool)
            view = view or PoolView(name=pool.name, uuid=pool.uuid)
            return self._start(view, pool).ref

    def start(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        check_flags("storagePoolCreate", flags, 7)
        _check_overwrite(flags, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE)
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise invalid(f"storage pool '{view.name}' is already active")
            assert view.config is not None
            if flags & CREATE_WITH_BUILD:
                _make_folder(view.config)
            self._start(view, view.config)

    def build(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Makes the folder, with its parents; one that is there gets the permissions."""
        check_flags("storagePoolBuild", flags, BUILD_NO_OVERWRITE | BUILD_OVERWRITE)
        _check_overwrite(flags, BUILD_OVERWRITE, BUILD_NO_OVERWRITE)
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise invalid(f"storage pool '{view.name}' is already active")
            _make_folder(view.current)
            self._tell(view, PoolEvent.CREATED)

    def delete(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Removes the folder, which must be empty."""
        check_flags("storagePoolDelete", flags)
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise invalid(f"storage pool '{view.name}' is still active")
            try:
                os.rmdir(view.path)
            except OSError as error:
                raise refused(f"failed to remove pool '{view.path}'", error) from None
            self._tell(view, PoolEvent.DELETED)

    def destroy(self, ref: tuple[str, bytes]) -> None:
        with self._lock:
            view = self.view(ref)
            if not view.active:
                raise inactive(view.name)
            self._check_idle(view)
            self._store.remove_live(view.uuid)
            if view.config is None:
                self._forget(view)
            else:
                self._publish(replace(view, live=None, volumes=()))
            self._tell(view, PoolEvent.STOPPED)

    def refresh(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Looks into the folder again."""
        check_flags("storagePoolRefresh", flags)
        view = self.view(ref)
        if not view.active:
            raise inactive(view.name)
        with self._lock:
            self._check_idle(view)
            self.rescan(ref)
        self._events.emit(PoolRefresh(view.ref))

    # For the calls about volumes

    def rescan(self, ref: tuple[str, bytes]) -> None:
        with self._lock:
            view = self.view(ref)
            with Folder(view.path) as folder:
                self._publish(replace(view, volumes=tuple(folder.names())))

    @contextlib.contextmanager
    def working(self, view: PoolView) -> Iterator[None]:
        """While a volume is made, filled or wiped, its pool cannot be stopped."""
        with self._lock:
            if not self.view(view.ref).active:
                raise inactive(view.name)
            self._busy[view.uuid] = self._busy.get(view.uuid, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[view.uuid] -= 1

    # Inside; callers hold the lock

    def _start(self, view: PoolView, pool: Pool) -> PoolView:
        with Folder(pool.path) as folder:
            view = replace(view, live=pool, volumes=tuple(folder.names()))
        self._store.write_live(pool.uuid, format_pool(pool))
        self._publish(view)
        self._tell(view, PoolEvent.STARTED)
        return view

    def _check_idle(self, view: PoolView) -> None:
        if self._busy.get(view.uuid):
            raise VirtlxcError(
                f"internal error: pool '{view.name}' has asynchronous jobs running.",
                Code.INTERNAL_ERROR,
                From.STORAGE,
            )

    def _parsed(self, xml: str, validate: bool) -> Pool:
        if validate:
            from virtlxc import schema

            schema.require_valid(xml, "storagepool")
        pool = parse_pool(xml)
        if pool.type not in SERVED:
            raise not_supported(
                f"pool '{pool.name}': there are no pools of type '{pool.type}' here "
                f"(allowed: {', '.join(SERVED)})"
            )
        return pool

    def _completed(self, pool: Pool) -> Pool:
        if not pool.uuid:
            same = [view.uuid for view in self._views.values() if view.name == pool.name]
            pool = replace(pool, uuid=same[0] if same else self._new_uuid())
            if same and self._views[same[0]].config is None:
                raise _taken(pool.name, same[0])
        self._check(pool)
        return pool

    def _check(self, pool: Pool) -> None:
        for view in self._views.values():
            if view.name == pool.name and view.uuid != pool.uuid:
                raise _taken(view.name, view.uuid)
            if view.uuid == pool.uuid and view.name != pool.name:
                raise failed(f"pool '{view.name}' is already defined with uuid {view.uuid}")
            if view.uuid != pool.uuid and os.path.normpath(view.path) == pool.path:
                raise failed(
                    f"Storage source conflict with pool: '{view.name}' (its folder is "
                    f"{pool.path}, too)"
                )

    def _publish(self, view: PoolView) -> None:
        self._views = {**self._views, view.uuid: view}

    def _forget(self, view: PoolView) -> None:
        self._views = {uuid: one for uuid, one in self._views.items() if uuid != view.uuid}

    def _tell(self, view: PoolView, event: int) -> None:
        self._events.emit(PoolLifecycle(view.ref, event))


def _taken(name: str, uuid: str) -> VirtlxcError:
    return failed(f"pool '{name}' already exists with uuid {uuid}")


def _check_overwrite(flags: int, one: int, other: int) -> None:
    if flags & one and flags & other:
        raise bad_argument("Overwrite and no overwrite flags are mutually exclusive")


def _sizes(path: str) -> tuple[int, int, int]:
    """Capacity, allocation and what is available, in bytes, of the folder's filesystem."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise refused(f"cannot statvfs path '{path}'", error) from None
    capacity, available = found.f_blocks * found.f_frsize, found.f_bfree * found.f_frsize
    return capacity, capacity - available, available


def _make_folder(pool: Pool) -> None:
    try:
        os.makedirs(pool.path, 0o755, exist_ok=True)
        with Folder(pool.path) as folder:
            if pool.target.permissions is not None:
                apply(folder.fd, pool.target.permissions, 0o711)
    except OSError as error:
        raise refused(f"cannot create path '{pool.path}'", error) from None
