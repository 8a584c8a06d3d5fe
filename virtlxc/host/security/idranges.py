"""Ranges of host ids that are in somebody's use, host-wide.

Several instances can share a host, each with definitions that the others do not see. What one takes
for a guest is noted in a folder of the host's own: a link called after the first id, to the folder
of the instance's guests. It counts as long as that folder is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator

from virtlxc.host.facts import ALL_IDS
from virtlxc.host.security import idmap

REGISTRY = "/var/lib/virtlxc/ids"
#: Maps of namespaces that have all ids, such as the host's own, take no range.
_ALL = 1 << 31


def running() -> set[tuple[int, int]]:
    """(first, count) on the host of every map of a user namespace that has a process."""
    texts = set()
    with open("/proc/self/uid_map") as file:
        ours = file.read()
    for name in os.listdir("/proc"):
        if name.isdigit():
            for kind in ("uid_map", "gid_map"):
                with contextlib.suppress(OSError), open(f"/proc/{name}/{kind}") as file:
                    texts.add(file.read())
    # Where the host is a container: what its own ids are outside of it is nobody's here.
    texts.discard(ours)
    lines = (line.split() for text in texts for line in text.splitlines())
    found = {(int(outside), int(count)) for _, outside, count in lines}
    return {(first, count) for first, count in found if count < _ALL}


def take(
    taken: Iterable[tuple[int, int]],
    owner: str,
    registry: str = REGISTRY,
    own: Iterable[tuple[int, int]] = (ALL_IDS,),
) -> int | None:
    """The first id of a free range, which from now on is noted for ``owner``; None: there is none.

    ``taken``: what the caller knows of, its own ranges among them: a note of its own for a range
    that is not in there is of a guest that is gone. ``owner``: the folder of its guests. ``own``:
    the ids that this host has.
    """
    known = [*taken, *running()]
    with _locked(registry):
        for name in os.listdir(registry):
            noted = os.readlink(f"{registry}/{name}")
            if noted != owner and os.path.isdir(noted):
                known.append((int(name), idmap.RANGE))
            elif not os.path.isdir(noted):
                os.unlink(f"{registry}/{name}")
        found = (idmap.free_range(known, within=block) for block in idmap.to_give(own))
        first = next((first for first in found if first is not None), None)
        if first is not None:
            with contextlib.suppress(FileExistsError):
                os.symlink(owner, f"{registry}/{first}")
        return first


def give_back(first: int, owner: str, registry: str = REGISTRY) -> None:
    """Forget the note of a range that ``owner`` has taken: its guest has gone, or never came.

    Raises OSError.
    """
    with _locked(registry), contextlib.suppress(FileNotFoundError):
        if os.readlink(f"{registry}/{first}") == owner:
            os.unlink(f"{registry}/{first}")


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    # As the daemon makes it, whoever comes first.
    os.makedirs(os.path.dirname(folder), 0o711, exist_ok=True)
    os.makedirs(folder, 0o700, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
