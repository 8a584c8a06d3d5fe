"""The template ``copy``: another domain's root file system and definition, as a new guest."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import uuid as _uuid
from collections.abc import Iterable
from dataclasses import replace

from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import idmapped
from virtlxc.images.definitions import id_map, interfaces
from virtlxc.images.identity import put
from virtlxc.images.progress import Progress
from virtlxc.images.tarball import identity
from virtlxc.images.template import Request
from virtlxc.images.tree import Tree
from virtlxc.model import Domain, IdRange, Interface
from virtlxc.model.complete import mac_of

# Of uids and gids: what the map adds to those of the guest.
Shift = tuple[int, int]

_PIECE = 1 << 24
_KEPT = ("user.", "system.posix_acl_")
CAPABILITY = "security.capability"
_REVISION_2, _REVISION_3, _REVISIONS = 0x02000000, 0x03000000, 0xFF000000


class Copy:
    """See the module."""

    name = "copy"
    title = "another domain, which must not be running, with its files"
    options = ("source", "password", "ssh-key", "network", "no-network")

    def __init__(self) -> None:
        self._of: Domain | None = None

    def check(self) -> None:
        """The kernel copies."""

    def build(self, root: str, request: Request) -> None:
        domain, source = _source(request)
        self._of = domain
        taken = _shift(domain, source)
        duplicate(source, root, taken, request.progress, request.doing)
        with Tree.at(root) as tree:
            put(tree, identity(request))
        for filesystem in domain.filesystems:
            if filesystem.target != "/" and filesystem.type == "mount":
                request.notes.append(f"it shares {filesystem.source} with '{domain.name}'")

    def domain(self, request: Request) -> Domain:
        assert self._of is not None
        of = self._of
        cards, privnet = _network(of, request)
        return replace(
            of,
            name=request.name,
            uuid=request.uuid,
            memory=request.memory or of.memory,
            current_memory=None if request.memory else of.current_memory,
            idmap=id_map(request.first_id),
            filesystems=tuple(
                replace(filesystem, source=request.root) if filesystem.target == "/" else filesystem
                for filesystem in of.filesystems
            ),
            interfaces=cards,
            features=replace(of.features, privnet=privnet),
        )


def _source(request: Request) -> tuple[Domain, str]:
    """The domain to copy, and its root folder."""
    name = request.options.get("source")
    if not name or request.definition is None:
        raise VirtlxcError(
            f"{request.doing}: no domain was given (virtlxc new {request.name} --template copy "
            "DOMAIN)",
            Code.INVALID_ARG,
        )
    domain, active = request.definition(name)
    if active:
        raise VirtlxcError(
            f"{request.doing}: '{name}' is running, and its files change (first: virtlxc shutdown "
            f"{name})",
            Code.OPERATION_INVALID,
        )
    root = domain.root
    if root is None or root.type != "mount" or not root.source or root.source == "/":
        raise VirtlxcError(
            f"{request.doing}: '{name}' has no root folder of its own to copy", Code.INVALID_ARG
        )
    return domain, root.source


def _shift(domain: Domain, source: str) -> Shift:
    """What to take from every id on the disk to have the guest's."""
    if domain.idmap is None:
        return 0, 0
    owner = os.stat(source)
    return _offset(domain.idmap.uids, owner.st_uid), _offset(domain.idmap.gids, owner.st_gid)


def _offset(ranges: Iterable[IdRange], owner: int) -> int:
    for line in ranges:
        if line.target <= owner < line.target + line.count:
            return line.target - line.start
    return 0


def _network(of: Domain, request: Request) -> tuple[tuple[Interface, ...], bool]:
    """Its cards, and whether it is to have a network of its own without any."""
    if request.options.get("network") or request.options.get("no-network"):
        return interfaces(request), bool(request.options.get("no-network"))
    for card in of.interfaces:
        for ip in card.ips:
            request.notes.append(
                f"a card has the address {ip.address}, as in '{of.name}' (virtlxc edit "
                f"{request.name})"
            )
    cards = tuple(_card(card, number, request) for number, card in enumerate(of.interfaces))
    return cards, of.features.privnet


def _card(card: Interface, number: int, request: Request) -> Interface:
    """The same with another MAC, and no name on the host that is taken."""
    mac = request.mac
    if number:
        digest = _uuid.uuid5(_uuid.UUID(request.uuid), str(number)).bytes
        mac = mac_of(digest[-3:])
    return replace(card, mac=mac, target=None)


def duplicate(source: str, root: str, taken: Shift, progress: Progress, doing: str) -> None:
    """Copies all files of one file system with owners less ``taken``, links, holes, attributes.

    Raises OSError. Devices and sockets stay behind: a guest has its own.
    """
    top = os.stat(source)
    linked: dict[int, str] = {}
    count = 0
    times: list[tuple[str, os.stat_result]] = []
    for folder, folders, names, fd in idmapped.walk(source):
        below = folder[len(source) :].lstrip("/")
        here = os.fstat(fd)
        if here.st_dev != top.st_dev:
            folders.clear()
            continue
        target = os.path.join(root, below)
        if below:
            os.mkdir(target, 0o700)
        _give(target, here, taken, _attributes(fd), doing)
        times.append((target, here))
        links = [name for name in folders if _is_link(name, fd)]
        for name in (*names, *links):
            _copy(name, fd, f"{target}/{name}", taken, linked, doing)
            count += 1
        progress.tell(f"copy: {count} files")
    for target, status in reversed(times):
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _is_link(name: str, fd: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)


def _copy(
    name: str, fd: int, target: str, taken: Shift, linked: dict[int, str], doing: str
) -> None:
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        if status.st_ino in linked:
            os.link(linked[status.st_ino], target)
            return
        if status.st_nlink > 1:
            linked[status.st_ino] = target
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        try:
            _contents(source, target, status.st_size)
            attributes = _attributes(source)
        finally:
            os.close(source)
    elif stat.S_ISLNK(mode):
        os.symlink(os.readlink(name, dir_fd=fd), target)
        os.chown(target, *_owner(status, taken, target, doing), follow_symlinks=False)
        return
    elif stat.S_ISFIFO(mode):
        os.mkfifo(target)
        attributes = {}
    else:
        return
    _give(target, status, taken, attributes, doing)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _contents(source: int, target: str, size: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(target, flags, 0o600)
    try:
        at = 0
        while at < size:
            try:
                begin = os.lseek(source, at, os.SEEK_DATA)
            except OSError:
                break  # ENXIO: only a hole is left
            at = os.lseek(source, begin, os.SEEK_HOLE)
            while begin < at:
                # Shares the blocks where the file system can (btrfs, xfs).
                copied = os.copy_file_range(source, fd, min(_PIECE, at - begin), begin, begin)
                if not copied:
                    return
                begin += copied
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


def _attributes(fd: int) -> dict[str, bytes]:
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(fd):
            if name.startswith(_KEPT):
                found[name] = os.getxattr(fd, name)
            elif name == CAPABILITY:
                found[name] = unowned_capability(os.getxattr(fd, name))
    return found


def unowned_capability(raw: bytes) -> bytes:
    """A file's capabilities without the user namespace they are bound to (linux/capability.h)."""
    magic = struct.unpack_from("<I", raw)[0]
    if magic & _REVISIONS != _REVISION_3:
        return raw
    return struct.pack("<I", _REVISION_2 | magic & ~_REVISIONS) + raw[4:20]


def _owner(status: os.stat_result, taken: Shift, target: str, doing: str) -> tuple[int, int]:
    uid, gid = status.st_uid - taken[0], status.st_gid - taken[1]
    if not (0 <= uid < 65536 and 0 <= gid < 65536):
        raise VirtlxcError(
            f"{doing}: copy: {target} belongs to {status.st_uid}:{status.st_gid}, ids that its "
            "guest does not have",
            Code.OPERATION_FAILED,
        )
    return uid, gid


def _give(
    target: str, status: os.stat_result, taken: Shift, attributes: dict[str, bytes], doing: str
) -> None:
    os.chown(target, *_owner(status, taken, target, doing))
    os.chmod(target, stat.S_IMODE(status.st_mode))
    for name, value in attributes.items():
        os.setxattr(target, name, value)
