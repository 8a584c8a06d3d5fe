"""The calls about the volumes of storage pools.

What is said of a volume is read from its file at that moment; only which volumes a pool has is what
its last refresh found. All raise VirtlxcError only.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace

from virtlxc.driver.named import NamedRef
from virtlxc.driver.refusals import VOLUME, check_flags
from virtlxc.driver.storage.files import (
    CHUNK,
    Folder,
    allocate,
    apply,
    copy,
    make_raw,
    qemu_img,
    share,
    wipe_data,
)
from virtlxc.driver.storage.pools import Pools
from virtlxc.driver.storage.state import (
    FORMATS_MADE,
    IMAGES_MADE,
    INFO_PHYSICAL,
    RESIZE_ALLOCATE,
    RESIZE_DELTA,
    RESIZE_SHRINK,
    VOL_PREALLOC,
    VOL_REFLINK,
    VOL_VALIDATE,
    PoolView,
    VolumeInfo,
    VolumeRef,
    refused,
    volume_exists,
)
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.model.volume import TYPES, Volume, format_volume, parse_volume
from virtlxc.xmlmap import error as xml_error

ALGORITHM_ZERO, ALGORITHM_TRIM, ALGORITHMS = 0, 9, 10


class Volumes:
    """The volumes of one instance's pools."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._lock = threading.Lock()
        self._used: set[str] = set()  # keys of volumes that are worked on

    # Questions

    def list_all(self, ref: NamedRef, flags: int = 0) -> list[VolumeRef]:
        """[fast] By name."""
        check_flags("storagePoolListAllVolumes", flags)
        view = self._active(self._pools.view(ref))
        return [view.volume(name) for name in view.volumes]

    def lookup_name(self, ref: NamedRef, name: str) -> VolumeRef:
        """[fast] Raises NO_STORAGE_VOL when there is none, as the next."""
        view = self._active(self._pools.view(ref))
        if name not in view.volumes:
            raise VOLUME.missing(f"name '{name}'")
        return view.volume(name)

    def lookup_key(self, key: str) -> VolumeRef:
        """[fast]"""
        found = self._at(key)
        if found is None:
            raise VOLUME.missing(f"key {key}")
        return found

    def lookup_path(self, path: str) -> VolumeRef:
        """[fast]"""
        clean = os.path.normpath(path)
        found = self._at(clean)
        if found is None:
            raise VOLUME.missing(f"path '{path}'" + (f" ({clean})" if clean != path else ""))
        return found

    def _at(self, path: str) -> VolumeRef | None:
        folder, _, name = path.rpartition("/")
        for view in self._pools.active_views():
            if (view.path.rstrip("/") == folder) and name in view.volumes:
                return view.volume(name)
        return None

    def pool_of(self, ref: tuple[str, str, str]) -> NamedRef:
        """[fast]"""
        return self._pools.lookup_name(ref[0])

    def path(self, ref: tuple[str, str, str]) -> str:
        """[fast]"""
        return self._view(ref).volume(ref[1]).key

    def info(self, ref: tuple[str, str, str], flags: int = 0) -> VolumeInfo:
        check_flags("storageVolGetInfoFlags", flags, INFO_PHYSICAL)
        with Folder(self._view(ref).path) as folder:
            found = folder.describe(ref[1])
        size = found.physical if flags & INFO_PHYSICAL else found.allocation
        return VolumeInfo(TYPES.index(found.type), found.capacity or 0, size or 0)

    def xml(self, ref: tuple[str, str, str], flags: int = 0) -> str:
        check_flags("storageVolGetXMLDesc", flags)
        with Folder(self._view(ref).path) as folder:
            return format_volume(folder.describe(ref[1]))

    # Making and removing

    def create(self, ref: NamedRef, xml: str, flags: int = 0) -> VolumeRef:
        check_flags("storageVolCreateXML", flags, VOL_PREALLOC | VOL_VALIDATE)
        view = self._active(self._pools.view(ref))
        volume = _wanted(xml, flags)
        if volume.capacity is None and volume.target.format != "dir" and volume.backing is None:
            raise xml_error("missing capacity element")
        self._make(view, volume, flags, lambda folder: _create(folder, volume, flags))
        return view.volume(volume.name)

    def create_from(
        self, ref: NamedRef, xml: str, source: tuple[str, str, str], flags: int = 0
    ) -> VolumeRef:
        """A copy; never smaller than what it is a copy of."""
        known = VOL_PREALLOC | VOL_REFLINK | VOL_VALIDATE
        check_flags("storageVolCreateXMLFrom", flags, known)
        view = self._active(self._pools.view(ref))
        origin = self._view(source)
        volume = _wanted(xml, flags)

        def fill(folder: Folder) -> None:
            with Folder(origin.path) as other:
                _clone(folder, volume, other, source[1], flags)

        with self._alone(origin, source[1]):
            self._make(view, volume, flags, fill)
        return view.volume(volume.name)

    def _make(
        self, view: PoolView, volume: Volume, flags: int, fill: Callable[[Folder], None]
    ) -> None:
        with self._alone(view, volume.name), Folder(view.path) as folder:
            if folder.exists(volume.name):
                raise volume_exists(volume.name)
            try:
                fill(folder)
            except OSError as error:
                path = f"{view.path}/{volume.name}"
                raise refused(f"cannot create volume '{path}'", error) from None
        self._pools.rescan(view.ref)

    def delete(self, ref: tuple[str, str, str], flags: int = 0) -> None:
        check_flags("storageVolDelete", flags)
        view = self._view(ref)
        with self._alone(view, ref[1]), Folder(view.path) as folder:
            folder.remove(ref[1])
        self._pools.rescan(view.ref)

    # Content

    def resize(self, ref: tuple[str, str, str], capacity: int, flags: int = 0) -> None:
        """To ``capacity`` bytes, or with DELTA by so many; smaller only with SHRINK."""
        check_flags("storageVolResize", flags, RESIZE_ALLOCATE | RESIZE_DELTA | RESIZE_SHRINK)
        if not capacity and not flags & (RESIZE_DELTA | RESIZE_SHRINK):
            # In the words of libvirt's library, whose clients never get as far as here.
            raise VirtlxcError(
                "capacity in virStorageVolResize cannot be zero without 'delta' or 'shrink' flags "
                "set",
                Code.INVALID_ARG,
                From.STORAGE,
            )
        view = self._view(ref)
        with self._alone(view, ref[1]), Folder(view.path) as folder:
            now = folder.describe(ref[1])
            old = now.capacity or 0
            wanted = capacity
            if flags & RESIZE_DELTA:
                wanted = old - min(capacity, old) if flags & RESIZE_SHRINK else old + capacity
            if wanted < old and not flags & RESIZE_SHRINK:
                raise VOLUME.bad_argument(
                    "Can't shrink capacity below current capacity unless shrink flag explicitly "
                    "specified"
                )
            if now.target.format not in ("raw", "qcow2"):
                raise VOLUME.not_supported(
                    f"a volume of format {now.target.format} cannot be resized"
                )
            with folder.opened(ref[1], os.O_RDWR) as fd:
                try:
                    _resize(fd, now, old, wanted, flags)
                except OSError as error:
                    raise refused(f"cannot resize volume '{now.key}'", error) from None

    def wipe(
        self, ref: tuple[str, str, str], algorithm: int = ALGORITHM_ZERO, flags: int = 0
    ) -> None:
        """Writes zeros over all of the file's data; holes stay holes, they hold nothing."""
        check_flags("storageVolWipePattern", flags)
        if not 0 <= algorithm < ALGORITHMS:
            raise VOLUME.bad_argument(f"wiping algorithm {algorithm} not supported")
        if algorithm == ALGORITHM_TRIM:
            raise VOLUME.not_supported("'trim' algorithm not supported")
        if algorithm != ALGORITHM_ZERO:
            raise VOLUME.not_supported(
                "zero is the only way of wiping: others promise nothing on today's disks "
                "(allowed: zero)"
            )
        view = self._view(ref)
        with (
            self._alone(view, ref[1]),
            Folder(view.path) as folder,
            folder.opened(ref[1], os.O_RDWR) as fd,
        ):
            try:
                wipe_data(fd)
            except OSError as error:
                raise refused(f"cannot wipe volume '{view.path}/{ref[1]}'", error) from None

    def download(
        self, ref: tuple[str, str, str], offset: int, length: int, flags: int = 0
    ) -> socket.socket:
        """The bytes come out of the socket; 0 is all that is there."""
        check_flags("storageVolDownload", flags)
        fd, view = self._open(ref, os.O_RDONLY)
        size = os.fstat(fd).st_size
        end = size if not length else min(size, offset + length)
        return self._moving(view, ref[1], lambda other: _send(fd, other, offset, end), fd)

    def upload(
        self, ref: tuple[str, str, str], offset: int, length: int, flags: int = 0
    ) -> socket.socket:
        """What is put into the socket is written, at most ``length`` bytes when that is not 0.

        When the other side has shut down and all is on the disk, our side closes; before that it
        sends why, if it could not.
        """
        check_flags("storageVolUpload", flags)
        fd, view = self._open(ref, os.O_RDWR)
        return self._moving(view, ref[1], lambda other: _receive(fd, other, offset, length), fd)

    def _open(self, ref: tuple[str, str, str], flags: int) -> tuple[int, PoolView]:
        view = self._view(ref)
        with Folder(view.path) as folder:
            return folder.open(ref[1], flags), view

    def _moving(
        self, view: PoolView, name: str, move: Callable[[socket.socket], None], fd: int
    ) -> socket.socket:
        ours, theirs = socket.socketpair()
        work = self._alone(view, name)
        try:
            work.__enter__()
        except BaseException:
            os.close(fd)
            ours.close()
            theirs.close()
            raise

        def run() -> None:
            try:
                move(ours)
            except OSError as error:
                _say(ours, f"volume '{view.path}/{name}': {os.strerror(error.errno or 0)}")
            except VirtlxcError as error:
                _say(ours, error.message)
            finally:
                os.close(fd)
                work.__exit__()
                ours.close()

        threading.Thread(target=run, name="volume", daemon=True).start()
        return theirs

    # Inside

    def _active(self, view: PoolView) -> PoolView:
        if not view.active:
            raise self._pools.inactive(view.name)
        return view

    def _view(self, ref: tuple[str, str, str]) -> PoolView:
        """The active pool of a volume that it has."""
        view = self._active(self._pools.named(ref[0]))
        if ref[1] not in view.volumes:
            raise VOLUME.missing(f"name '{ref[1]}'")
        return view

    def _alone(self, view: PoolView, name: str) -> _Work:
        return _Work(self, view, view.volume(name).key)

    def _take(self, key: str) -> None:
        with self._lock:
            if key in self._used:
                raise VirtlxcError(
                    f"Requested operation is not valid: volume '{os.path.basename(key)}' is still "
                    "in use.",
                    Code.OPERATION_INVALID,
                    From.STORAGE,
                )
            self._used.add(key)

    def _give_back(self, key: str) -> None:
        with self._lock:
            self._used.discard(key)


class _Work:
    """One volume that nobody else changes meanwhile, in a pool that stays active."""

    def __init__(self, volumes: Volumes, view: PoolView, key: str) -> None:
        self._volumes = volumes
        self._key = key
        self._pool = volumes._pools.working(view)

    def __enter__(self) -> None:
        self._volumes._take(self._key)
        try:
            self._pool.__enter__()
        except BaseException:
            self._volumes._give_back(self._key)
            raise

    def __exit__(self, *_error: object) -> None:
        self._pool.__exit__(None, None, None)
        self._volumes._give_back(self._key)


def _wanted(xml: str, flags: int) -> Volume:
    if flags & VOL_VALIDATE:
        from virtlxc import schema

        schema.require_valid(xml, "storagevol")
    volume = parse_volume(xml)
    kind = volume.target.format or ("dir" if volume.type == "dir" else "raw")
    if kind not in FORMATS_MADE:
        raise VOLUME.not_supported(
            f"no volumes of format {kind} can be made (allowed: {', '.join(FORMATS_MADE)})"
        )
    return replace(volume, target=replace(volume.target, format=kind))


def _create(folder: Folder, volume: Volume, flags: int) -> None:
    kind = volume.target.format
    if kind == "dir":
        folder.make_dir(volume.name, volume.target.permissions)
        return
    if kind in IMAGES_MADE:
        _create_image(folder, volume, flags)
        return
    if flags & VOL_PREALLOC:
        raise VOLUME.bad_argument("metadata preallocation is not supported for raw volumes")
    if volume.backing is not None:
        raise VOLUME.bad_argument("backing storage not supported for raw volumes")
    make_raw(folder, volume)


def _create_image(folder: Folder, volume: Volume, flags: int) -> None:
    kind = volume.target.format or ""
    if kind != "qcow2" and (volume.backing is not None or flags & VOL_PREALLOC):
        raise VOLUME.bad_argument(
            f"no backing storage and no preallocation for volumes of format {kind} (allowed: qcow2)"
        )
    options = ["-o", f"compat={volume.target.compat}"] if volume.target.compat else []
    if flags & VOL_PREALLOC:
        options += ["-o", "preallocation=metadata"]
    if volume.backing is not None:
        options += ["-b", volume.backing.path or "", "-F", volume.backing.format or "raw"]
    size = [] if volume.capacity is None else [str(volume.capacity)]
    with folder.made(volume.name) as fd:
        qemu_img("create", "-q", "-f", kind, *options, f"/dev/fd/{fd}", *size, fds=(fd,))
        apply(fd, volume.target.permissions, 0o600)


def _clone(folder: Folder, volume: Volume, other: Folder, source: str, flags: int) -> None:
    origin = other.describe(source)
    kinds = (origin.target.format, volume.target.format)
    if "dir" in kinds:
        raise VOLUME.not_supported(f"volume '{source}': folders cannot be cloned")
    capacity = max(volume.capacity or 0, origin.capacity or 0)
    with other.opened(source) as theirs, folder.made(volume.name) as ours:
        if flags & VOL_REFLINK:
            if kinds[1] not in (kinds[0], "raw") or kinds[0] in IMAGES_MADE:
                raise VOLUME.bad_argument(
                    f"a volume of format {kinds[1]} cannot share blocks with '{source}', which has"
                    f" the format {kinds[0]} (allowed: raw with raw)"
                )
            _share(theirs, ours, capacity, source)
        elif kinds[1] == "raw" and kinds[0] not in IMAGES_MADE:
            copy(theirs, ours, capacity)
        else:
            qemu_img(
                "convert", "-q", "-f", kinds[0] or "raw", "-O", kinds[1] or "raw",
                f"/dev/fd/{theirs}", f"/dev/fd/{ours}", fds=(theirs, ours),
            )  # fmt: skip
        apply(ours, volume.target.permissions, 0o600)


def _share(theirs: int, ours: int, capacity: int, source: str) -> None:
    try:
        share(theirs, ours, capacity)
    except OSError as error:
        raise VirtlxcError(
            f"failed to clone files from '{source}': {os.strerror(error.errno or 0)} (blocks are"
            " shared by btrfs and XFS, and inside of one filesystem; leave --reflink out to copy)",
            Code.SYSTEM_ERROR,
            From.STORAGE,
        ) from None


def _resize(fd: int, now: Volume, old: int, wanted: int, flags: int) -> None:
    if now.target.format == "qcow2":
        shrink = ["--shrink"] if wanted < old else []
        qemu_img("resize", "-q", *shrink, "-f", "qcow2", f"/dev/fd/{fd}", str(wanted), fds=(fd,))
        return
    os.ftruncate(fd, wanted)
    if flags & RESIZE_ALLOCATE:
        allocate(fd, 0, wanted)
    os.fsync(fd)


def _send(fd: int, other: socket.socket, at: int, end: int) -> None:
    while at < end:
        data = os.pread(fd, min(CHUNK, end - at), at)
        if not data:
            return
        other.sendall(data)
        at += len(data)


def _receive(fd: int, other: socket.socket, at: int, length: int) -> None:
    end = at + length if length else None
    while data := other.recv(CHUNK):
        if end is not None and at + len(data) > end:
            raise VOLUME.bad_argument(f"more than the {length} bytes that were announced")
        view = memoryview(data)
        while view:
            done = os.pwrite(fd, view, at)
            view, at = view[done:], at + done
    os.fsync(fd)


def _say(other: socket.socket, message: str) -> None:
    try:
        other.sendall(message.encode())
    except OSError:
        return  # The client has gone.
