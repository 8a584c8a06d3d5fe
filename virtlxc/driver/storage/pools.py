"""The calls about storage pools. Volumes are in :mod:`virtlxc.driver.storage.volumes`."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from virtlxc.driver import refusals
from virtlxc.driver.events import EventBus, PoolLifecycle, PoolRefresh
from virtlxc.driver.named import VALIDATE, XML_INACTIVE, Definitions, Kind, NamedRef
from virtlxc.driver.refusals import check_flags
from virtlxc.driver.storage.files import Folder, apply, permissions_of
from virtlxc.driver.storage.state import (
    BUILD_NO_OVERWRITE,
    BUILD_OVERWRITE,
    CREATE_BUILD_NO_OVERWRITE,
    CREATE_BUILD_OVERWRITE,
    CREATE_WITH_BUILD,
    FORMATS_MADE,
    PoolEvent,
    PoolInfo,
    PoolListing,
    PoolState,
    PoolView,
    refused,
)
from virtlxc.driver.storage.store import StorageStore
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.pool import SERVED, Pool, format_pool, parse_pool
from virtlxc.paths import Paths
from virtlxc.runtime.protocol import boot_id

_log = logging.getLogger("virtlxc")
_refuse = refusals.POOL


class Pools(Definitions[Pool, PoolView]):
    """The storage pools of one instance."""

    kind = Kind(
        noun="pool",
        refuse=_refuse,
        running="storage pool '{name}' is already active",
        stopped="storage pool '{name}' is not active",
        list_call="storageConnectListAllStoragePools",
        list_flags=PoolListing.ALL,
        event=PoolLifecycle,
    )

    def __init__(
        self, paths: Paths, events: EventBus, *, new_uuid: Callable[[], str] | None = None
    ) -> None:
        self._store = StorageStore(paths)
        super().__init__(self._store, events, new_uuid)
        self._busy: dict[str, int] = {}  # UUID -> how many volumes are worked on

    # The instance's start

    def load(self) -> None:
        """Reads the definitions, takes over what is active, starts what is marked for it once
        while the host is up. A failure is logged and stops no other."""
        with self._lock:
            self._store.prepare()
            self._load_definitions()
            fresh = self._store.first_autostart(boot_id())
            for uuid, xml in list(self._store.lives()):
                if fresh:
                    self._store.remove_live(uuid)
                else:
                    self._load_live(uuid, xml)
            if fresh:
                self._start_marked()

    def _load_live(self, uuid: str, xml: str) -> None:
        try:
            pool = parse_pool(xml)
            view = self._views.get(uuid) or self._new_view(pool.name, uuid)
            with Folder(pool.path) as folder:
                self._publish(replace(view, live=pool, volumes=tuple(folder.names())))
        except VirtlxcError as error:
            _log.error("pool %s is not active any more: %s", uuid, error)
            self._store.remove_live(uuid)

    # Questions

    def _listed(self, flags: int) -> list[PoolView]:
        views = super()._listed(flags)
        types = [
            kind
            for at, kind in enumerate(PoolListing.TYPES)
            if flags & PoolListing.FIRST_TYPE << at
        ]
        return [view for view in views if not types or view.current.type in types]

    def lookup_path(self, path: str) -> NamedRef:
        """[fast] The pool whose folder this is."""
        clean = os.path.normpath(path)
        for view in self._views.values():
            if os.path.normpath(view.path) == clean:
                return view.ref
        raise _refuse.missing(f"target path '{path}'")

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
        for kind in PoolListing.TYPES:
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

    def find_sources(self, kind: str, flags: int = 0) -> str:
        """What pools of a type could be made of: no type that is served here can be looked for."""
        check_flags("storageConnectFindStoragePoolSources", flags)
        if kind not in PoolListing.TYPES:
            raise VirtlxcError(
                f"internal error: unknown storage pool type {kind}",
                Code.INTERNAL_ERROR,
                From.STORAGE,
            )
        raise VirtlxcError(
            f"this function is not supported by the connection driver: pool type '{kind}' does not"
            " support source discovery",
            Code.NO_SUPPORT,
            From.STORAGE,
        )

    # Definitions

    def define(self, xml: str, flags: int = 0) -> NamedRef:
        check_flags("storagePoolDefineXML", flags, VALIDATE)
        if flags & VALIDATE:
            from virtlxc import schema

            schema.require_valid(xml, "storagepool")
        return self._define(self._served(xml)).ref

    # Life

    def create(self, xml: str, flags: int = 0) -> NamedRef:
        """Starts a transient pool, or one that has a definition with this other one."""
        build = _wants_folder("storagePoolCreateXML", flags)
        return self._create(self._served(xml), build).ref

    def start(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        self._start(ref, _wants_folder("storagePoolCreate", flags))

    def build(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Makes the folder, with its parents; one that is there gets the permissions."""
        check_flags("storagePoolBuild", flags, BUILD_NO_OVERWRITE | BUILD_OVERWRITE)
        _check_overwrite(flags, BUILD_OVERWRITE, BUILD_NO_OVERWRITE)
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise _refuse.invalid(f"storage pool '{view.name}' is already active")
            _make_folder(view.current)
            self._tell(view, PoolEvent.CREATED)

    def delete(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Removes the folder, which must be empty."""
        check_flags("storagePoolDelete", flags)
        with self._lock:
            view = self.view(ref)
            if view.active:
                raise _refuse.invalid(f"storage pool '{view.name}' is still active")
            try:
                os.rmdir(view.path)
            except OSError as error:
                raise refused(f"failed to remove pool '{view.path}'", error) from None
            self._tell(view, PoolEvent.DELETED)

    def refresh(self, ref: tuple[str, bytes], flags: int = 0) -> None:
        """Looks into the folder again."""
        check_flags("storagePoolRefresh", flags)
        view = self.view(ref)
        if not view.active:
            raise self.inactive(view.name)
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
                raise self.inactive(view.name)
            self._busy[view.uuid] = self._busy.get(view.uuid, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[view.uuid] -= 1

    # Inside; callers hold the lock

    def _started(self, view: PoolView, thing: Pool) -> PoolView:
        with Folder(thing.path) as folder:
            names = tuple(folder.names())
        self._store.write_live(thing.uuid, format_pool(thing))
        return replace(view, volumes=names)

    def _stop(self, view: PoolView) -> PoolView:
        self._check_idle(view)
        self._store.remove_live(view.uuid)
        return replace(view, live=None, volumes=())

    def _check_idle(self, view: PoolView) -> None:
        if self._busy.get(view.uuid):
            raise VirtlxcError(
                f"internal error: pool '{view.name}' has asynchronous jobs running.",
                Code.INTERNAL_ERROR,
                From.STORAGE,
            )

    def _served(self, xml: str) -> Pool:
        pool = self._parse(xml)
        if pool.type not in SERVED:
            raise _refuse.not_supported(
                f"pool '{pool.name}': there are no pools of type '{pool.type}' here "
                f"(allowed: {', '.join(SERVED)})"
            )
        return pool

    def _parse(self, xml: str) -> Pool:
        return parse_pool(xml)

    def _format(self, thing: Pool) -> str:
        return format_pool(thing)

    def _new_view(self, name: str, uuid: str) -> PoolView:
        return PoolView(name=name, uuid=uuid)

    def _completed(self, thing: Pool) -> Pool:
        if not thing.uuid:
            same = self._by_name(thing.name)
            # What is transient has no definition that this could be the next version of.
            known = same is not None and same.persistent
            thing = replace(thing, uuid=same.uuid if same and known else self._new_uuid())
        self._check(thing)
        return thing

    def _check(self, thing: Pool) -> None:
        super()._check(thing)
        for view in self._views.values():
            if view.uuid != thing.uuid and os.path.normpath(view.path) == thing.path:
                raise _refuse.failed(
                    f"Storage source conflict with pool: '{view.name}' (its folder is "
                    f"{thing.path}, too)"
                )

    def _check_undefine(self, view: PoolView) -> None:
        if view.active:
            raise _refuse.invalid(f"storage pool '{view.name}' is still active")

    def _autostart_refused(self) -> VirtlxcError:
        # Not "invalid", though it is: clients know the code that libvirt has for it.
        return VirtlxcError(
            "internal error: pool has no config file", Code.INTERNAL_ERROR, From.STORAGE
        )


def _wants_folder(call: str, flags: int) -> Callable[[Pool], None]:
    """What a start does first: the folder, if its flags want that."""
    check_flags(call, flags, CREATE_WITH_BUILD | CREATE_BUILD_OVERWRITE | CREATE_BUILD_NO_OVERWRITE)
    _check_overwrite(flags, CREATE_BUILD_OVERWRITE, CREATE_BUILD_NO_OVERWRITE)
    return _make_folder if flags & CREATE_WITH_BUILD else lambda pool: None


def _check_overwrite(flags: int, one: int, other: int) -> None:
    if flags & one and flags & other:
        raise _refuse.bad_argument("Overwrite and no overwrite flags are mutually exclusive")


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
