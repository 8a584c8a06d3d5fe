"""Inventories as they lie on disk: files, folders, marks for autostart, and what we remember."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from virtlxc.cli.failures import Failed
from virtlxc.cli.files import read_text
from virtlxc.errors import VirtlxcError
from virtlxc.inventory.documents import Document, Unread, foreign, read_document, twins
from virtlxc.inventory.record import Record, digest, read_record
from virtlxc.paths import Paths

AUTOSTART = "autostart"
# Where libvirt keeps what a container needs, below its folder in /etc.
LIBVIRT_FOLDERS = ("lxc", "qemu/networks", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of an inventory; ``problem`` says why it could not be read."""

    path: str
    text: str = ""
    problem: str = ""
    autostart: bool | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """``documents`` that can be defined, ``problems`` of files that cannot, both by file;
    ``left`` are other XML files in the folders, and what they are; ``unread`` those that have not
    changed since they were applied."""

    documents: tuple[Document, ...]
    problems: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    unread: tuple[Unread, ...] = ()


def files_in(paths: Sequence[str]) -> Iterator[File]:
    """Every file named, and every ``*.xml`` in the folders named, deeply, in the order of names.

    A folder ``autostart`` beside a file holds a link or file of the same name for what is started
    with the host, as libvirt's folders do; where there is none, the inventory leaves that open.
    """
    seen: set[str] = set()
    for given in paths:
        for path in _walk(given):
            if path in seen:
                continue
            seen.add(path)
            try:
                yield File(path=path, text=read_text(path), autostart=_autostart(path))
            except Failed as failed:
                yield File(path=path, problem=" ".join(failed.lines))


def _walk(given: str) -> Iterator[str]:
    if not os.path.isdir(given):
        yield given
        return

    def refused(error: OSError) -> None:
        raise Failed(f"Failed to open folder '{error.filename}': {error.strerror}")

    for folder, names, files in os.walk(given, onerror=refused):
        names[:] = sorted(one for one in names if one != AUTOSTART and not one.startswith("."))
        for name in sorted(files):
            if name.endswith(".xml") and not name.startswith("."):
                yield os.path.join(folder, name)


def _autostart(path: str) -> bool | None:
    folder = os.path.join(os.path.dirname(path), AUTOSTART)
    if not os.path.isdir(folder):
        return None
    return os.path.lexists(os.path.join(folder, os.path.basename(path)))


def read_inventory(paths: Sequence[str], record: Record | None = None) -> Inventory:
    """All documents below the paths; what ``record`` knows as it is need not be read."""
    named = set(paths)
    known = {one.file: one for one in record.entries if one.kept} if record is not None else {}
    unread: list[Unread] = []
    documents: list[Document] = []
    problems: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    for file in files_in(paths):
        entry = known.get(os.path.abspath(file.path))
        if entry is not None and entry.source == digest(file.text):
            unread.append(
                Unread(
                    file=file.path, kind=entry.kind, name=entry.name, uuid=entry.uuid,
                    text=file.text, kept=entry.kept, source=entry.source,
                    autostart=file.autostart,
                )
            )  # fmt: skip
            continue
        other = foreign(file.text)
        if file.problem:
            problems.append((file.path, file.problem))
        elif other and file.path not in named:
            left.append((file.path, other))
        else:
            try:
                documents.append(read_document(file.text, file.path, autostart=file.autostart))
            except VirtlxcError as error:
                problems.append((file.path, error.message))
    # In the order of the files, whichever had to be read: the first one has the name.
    double = twins(sorted([*documents, *unread], key=lambda one: one.file))
    problems += double.items()
    good = tuple(one for one in documents if one.file not in double)
    same = tuple(one for one in unread if one.file not in double)
    return Inventory(good, tuple(problems), tuple(left), same)


def read_libvirt(folder: str) -> Inventory:
    """What libvirt's LXC driver and its networks have below ``/etc/libvirt``."""
    if not os.path.isdir(folder):
        raise Failed(f"there is no folder '{folder}' (--from names another one of libvirt's)")
    files: list[str] = []
    for part in LIBVIRT_FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            names = sorted(os.listdir(f"{folder}/{part}"))
            files += [f"{folder}/{part}/{name}" for name in names if name.endswith(".xml")]
    return read_inventory(files)


def libvirt_hooks(folder: str) -> list[str]:
    """The hook programs that libvirt would run for its daemon, containers and networks."""
    found = []
    for name in ("daemon", "lxc", "network"):
        path = f"{folder}/hooks/{name}"
        more = [f"{path}.d/{one}" for one in _names(f"{path}.d")]
        found += [one for one in (path, *more) if os.path.isfile(one) and os.access(one, os.X_OK)]
    return found


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


class Memory:
    """What ``apply`` or ``import`` brought in, in a file below /var/lib/virtlxc.

    The file is written only when it changes, as a whole and for good. It is written before the
    first definition: what a ``kill -9`` leaves behind is then known.
    """

    def __init__(self, paths: Paths, name: str) -> None:
        self._folder = paths.lib
        self.path = f"{paths.lib}/{name}.json"
        self.record = Record()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps others out; Failed when somebody is at it, or when we may not."""
        try:
            fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed("remember anything in", self._folder, error) from None
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failed("another apply or import is under way; try again after it") from None
            self.read()
            yield
        finally:
            os.close(fd)

    def read(self) -> None:
        try:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise self._failed("read", self.path, error) from None
        self.record = read_record(text, self.path)

    def keep(self, record: Record) -> None:
        if record == self.record:
            return
        temporary = f"{self.path}.new"
        try:
            with open(temporary, "w", encoding="utf-8", opener=_private) as file:
                file.write(record.to_json())
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, self.path)
            fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._failed("write", self.path, error) from None
        self.record = record

    def _failed(self, verb: str, path: str, error: OSError) -> Failed:
        return Failed(f"cannot {verb} {path}: {os.strerror(error.errno or 0)}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
