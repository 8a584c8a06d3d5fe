"""The control groups of a running domain: killed, frozen and read by their files alone.

Works whatever the version of the controller: nothing here asks it. Missing groups are those of a
domain that has just ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time

from virtlxc.driver import refusals
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.plan.steps import Group
from virtlxc.runtime.disk import put
from virtlxc.runtime.ops.cgroups import kill_tree, members, refused_cpuset

FREEZE_SECONDS = 5.0


def kill(group: Group) -> None:
    """SIGKILL for every process in the group and below, at once; also for frozen ones."""
    try:
        kill_tree(group.mount + group.path)
    except OSError as error:
        raise _refused("kill its processes", group, "cgroup.kill", error) from None


def freeze(group: Group, on: bool) -> None:
    """Freezes or thaws; returns when every process has followed.

    Raises VirtlxcError when one does not within :data:`FREEZE_SECONDS`; then the freeze is taken
    back.
    """
    step = "freeze its processes" if on else "thaw its processes"
    folder = group.mount + group.path
    try:
        put(f"{folder}/cgroup.freeze", "1" if on else "0")
        if not _wait_frozen(folder, on):
            put(f"{folder}/cgroup.freeze", "0")
            raise VirtlxcError(
                f"{step}: not all followed within {FREEZE_SECONDS:.0f} s (one of them waits in the"
                " kernel, often for a disk or a network file system)",
                Code.OPERATION_TIMEOUT,
                From.CGROUP,
            )
    except OSError as error:
        raise _refused(step, group, "cgroup.freeze", error) from None


def _wait_frozen(folder: str, on: bool) -> bool:
    wanted = b"frozen 1" if on else b"frozen 0"
    end = time.monotonic() + FREEZE_SECONDS
    fd = os.open(f"{folder}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while wanted not in os.pread(fd, 4096, 0):
            left = end - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
        return True
    finally:
        os.close(fd)


def programs(group: Group) -> list[str]:
    """The names of the processes in the group and below, each once, in the order of their pids."""
    names: dict[str, None] = {}
    for pid in sorted(members(group.mount + group.path)):
        with contextlib.suppress(OSError), open(
            f"/proc/{pid}/comm", errors="replace", newline="\n"
        ) as text:
            names[text.read().rstrip("\n")] = None
    return list(names)


def read(group: Group, file: str) -> str | None:
    """The content of a file of the group; None when the kernel does not have it."""
    try:
        with open(f"{group.mount}{group.path}/{file}") as text:
            return text.read().strip()
    except OSError:
        return None


def read_number(group: Group, file: str) -> int | None:
    """A file with one number; None when it is not there or says "max"."""
    text = read(group, file)
    with contextlib.suppress(TypeError, ValueError):
        return int(text)  # type: ignore[arg-type]
    return None


def read_table(group: Group, file: str) -> dict[str, int]:
    """A file of lines "NAME NUMBER"; empty when it is not there."""
    rows = (line.split() for line in (read(group, file) or "").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def write(group: Group, file: str, value: str, asked: str | None = None) -> None:
    """Raises VirtlxcError that names file and value, or what was ``asked`` for in its place."""
    asked = value if asked is None else asked
    try:
        put(f"{group.mount}{group.path}/{file}", value)
    except OSError as error:
        why = refused_cpuset(file, asked, error)
        if why is not None:
            raise VirtlxcError(f"{file}: {why}", Code.INVALID_ARG, From.CGROUP) from None
        raise _refused(f"set {file} to {asked}", group, file, error) from None


def write_cpuset_v1(group: Group, file: str, value: str) -> None:
    """Sets the processors or nodes of a cpuset of v1 and of all groups below it.

    There a group may have nothing that its parent has not: first all get old and new together,
    from the top, then the new alone, from below.
    """
    folders = [Group(mount=group.mount, path=path) for path in tree(group)]
    for folder in folders:
        write(folder, file, f"{read(folder, file) or value},{value}", value)
    for folder in reversed(folders):
        write(folder, file, value)


def tree(group: Group) -> list[str]:
    """The paths of a group and all below it, parents first."""
    return [
        folder.removeprefix(group.mount) for folder, _, _ in os.walk(group.mount + group.path)
    ]


def _refused(step: str, group: Group, file: str, error: OSError) -> VirtlxcError:
    if error.errno in (errno.ENOENT, errno.ENODEV) and not os.path.isdir(group.mount + group.path):
        return refusals.not_running()
    where = f"{group.mount}{group.path}/{file}"
    return VirtlxcError(
        f"{step}: {where}: {error.strerror or error}", Code.SYSTEM_ERROR, From.CGROUP
    )
