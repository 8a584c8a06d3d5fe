"""Control groups of any hierarchy: ``mount`` is where it is mounted, ``path`` starts with "/"."""

from __future__ import annotations

import errno
import os
import select
import struct
import time

from .. import bpf, syscalls
from ..disk import put, read_text
from ..lean import signal
from .context import Context, StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: How long a removal waits for processes that are already dying, in seconds.
_PATIENCE = 1.0
_CPUSETS = {
    "cpuset.cpus": ("processors", "cpu", "see cpuset= of <vcpu>"),
    "cpuset.mems": ("memory nodes", "node", "see nodeset= of <numatune>"),
}


def mkdir(ctx: Context, *, mount: str, path: str, shared: bool = False) -> None:
    """Make one cgroup. ``shared``: may exist already (a partition such as /machine).

    Undo: cgroup-rmdir {mount, path} (for a shared one: with ``shared``, removed only if empty).
    """
    try:
        os.mkdir(mount + path, 0o755)
    except FileExistsError:
        if not shared:
            raise


def rmdir(ctx: Context, *, mount: str, path: str, shared: bool = False) -> None:
    """Remove a cgroup with all below it, once no process is in it; waits up to a second.

    ``shared``: a single attempt, without what is below. Missing is no error. (An undo.)
    """
    folder = mount + path
    if shared:
        try:
            os.rmdir(folder)
        except OSError:
            return
    else:
        remove_tree(folder)


def remove_tree(folder: str) -> None:
    """Remove a cgroup and its descendants, deepest first; OSError EBUSY when one stays in use."""
    try:
        os.rmdir(folder)
        return
    except FileNotFoundError:
        return
    except OSError:
        pass
    try:
        _remove_below(folder)
        _remove(folder)
    except OSError as error:
        error.filename = folder
        raise


def _remove_below(folder: str) -> None:
    for parent, name in below(folder):
        _remove(name, parent)


def _remove(folder: str, parent: int | None = None) -> None:
    """Remove one cgroup without descendants; waits until no process is in it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.rmdir(folder, dir_fd=parent)
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            if await_empty(folder, 0.02, parent):
                time.sleep(0.0005)


def below(folder: str) -> Iterator[tuple[int, str]]:
    """Every cgroup below one, deepest first: a descriptor of its parent, and its name.

    A guest may nest them deeper than any path is long, and than Python calls itself.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(folder, flags)
    except FileNotFoundError:
        return
    way: list[str] = []
    left = [_children(fd)]
    try:
        while way or left[-1]:
            if left[-1]:
                name = left[-1].pop()
                try:
                    at = os.open(name, flags, dir_fd=fd)
                except FileNotFoundError:
                    continue  # removed meanwhile
                way.append(name)
                left.append(_children(at))
                os.close(fd)
                fd = at
            else:
                at = os.open("..", flags, dir_fd=fd)
                os.close(fd)
                fd = at
                left.pop()
                yield fd, way.pop()
    finally:
        os.close(fd)


def await_empty(folder: str, seconds: float, parent: int | None = None) -> bool:
    """Wait until no process is in a cgroup or below it, or the time is over.

    cgroup.events of cgroup2 is pollable; version 1 has nothing of the kind.
    """
    deadline = time.monotonic() + seconds
    try:
        fd = os.open(folder + "/cgroup.events", os.O_RDONLY | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        time.sleep(0.001)
        return False
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while b"populated 1" in os.pread(fd, 512, 0):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(min(left * 1000, 50))
    except OSError:
        return True  # it is gone
    finally:
        os.close(fd)
    return True


def _children(folder: int) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def clear(ctx: Context, *, mount: str, path: str) -> None:
    """Take away what the guest of an earlier boot left in and below this cgroup. For the boot half.

    Its systemd had it hand controllers down: then the kernel lets nobody be born in it.
    """
    _remove_below(mount + path)
    file = f"{mount}{path}/cgroup.subtree_control"
    handed_down = read_text(file).split() if os.path.exists(file) else []
    if handed_down:
        put(file, " ".join(f"-{name}" for name in handed_down))


def kill(ctx: Context, *, mount: str, path: str) -> None:
    """Kill every process below a cgroup2 by cgroup.kill; missing is no error. (An undo.)"""
    kill_tree(mount + path)


def kill_tree(folder: str) -> bool:
    """cgroup.kill; False when the cgroup is not there (any more)."""
    try:
        put(folder + "/cgroup.kill", "1")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return False
        raise
    return True


def end_stragglers(folder: str) -> None:
    """Kill by pid what is left in a cgroup2 and below it, and wait until it is gone."""
    deadline = time.monotonic() + _PATIENCE
    while "populated 1" in read_text(f"{folder}/cgroup.events") and time.monotonic() < deadline:
        for pid in members(folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        await_empty(folder, 0.02)


def members(folder: str) -> Iterator[int]:
    """The processes in a cgroup2 and below it, those of threaded cgroups left out."""
    yield from _procs(folder + "/cgroup.procs")
    for parent, name in below(folder):
        yield from _procs(name + "/cgroup.procs", parent)


def _procs(path: str, parent: int | None = None) -> list[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=parent)
        with open(fd) as text:
            return [int(line) for line in text]
    except OSError:
        return []  # removed meanwhile, or threaded


def write(
    ctx: Context,
    *,
    mount: str,
    path: str,
    file: str,
    value: str,
    optional: bool = False,
    device: str | None = None,
) -> None:
    """Write ``value`` to a file of the cgroup. ``optional``: a refusal is no error.

    ``device``: key of an open device whose numbers come before the value.
    """
    if device is not None:
        number = os.fstat(ctx.key(device)).st_rdev
        value = f"{os.major(number)}:{os.minor(number)} {value}"
    try:
        put(f"{mount}{path}/{file}", value)
    except OSError as error:
        if optional:
            return
        why = refused_cpuset(file, value, error)
        if why is None:
            raise
        raise StepError(error.errno or 0, f"{mount}{path}/{file}", why) from None


def refused_cpuset(file: str, value: str, error: OSError) -> str | None:
    """A sentence for a cpuset that the host has not; None for every other refusal."""
    kind = _CPUSETS.get(file)
    if kind is None or error.errno not in (errno.ERANGE, errno.EINVAL):
        return None
    what, folder, mend = kind
    have = read_text(f"/sys/devices/system/{folder}/online").strip()
    return f"{what} {value} are asked for, and this host has {have} ({mend})"


def inherit(ctx: Context, *, mount: str, path: str, files: list[str]) -> None:
    """Copy files that are empty (v1: cpuset.cpus, cpuset.mems) from the parent cgroup."""
    folder = mount + path
    parent = os.path.dirname(folder)
    for file in files:
        if not read_text(f"{folder}/{file}").strip():
            put(f"{folder}/{file}", read_text(f"{parent}/{file}").strip())


def enable(ctx: Context, *, mount: str, path: str, controllers: list[str]) -> None:
    """Add controllers to cgroup.subtree_control of a cgroup2, those it has not yet."""
    file = f"{mount}{path.rstrip('/')}/cgroup.subtree_control"
    have = read_text(file).split()
    missing = [f"+{name}" for name in controllers if name not in have]
    if not missing:
        return
    try:
        put(file, " ".join(missing))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Of a container that is a host: its first processes, or who entered it from outside.
        text = (
            f"{file}: the group has processes, and only an empty one hands controllers down "
            "(have the daemon started by this host's init, which is before anybody enters it)"
        )
        raise StepError(errno.EBUSY, file, text) from None


def chown(ctx: Context, *, mount: str, path: str, uid: int, gid: int, files: list[str]) -> None:
    """Delegate: give the folder and the named files (missing ones skipped) to uid and gid."""
    os.chown(mount + path, uid, gid)
    for file in files:
        try:
            os.chown(f"{mount}{path}/{file}", uid, gid)
        except FileNotFoundError:
            continue


def attach(ctx: Context, *, mount: str, path: str, pid: str) -> None:
    """Move the process ``pid`` ("\\0stage\\0", "\\0controller\\0" or a number) into the cgroup."""
    put(f"{mount}{path.rstrip('/')}/cgroup.procs", str(pid))


def open_tasks(ctx: Context, *, key: str, mount: str, path: str) -> None:
    """Open the ``tasks`` file of a cgroup of version 1, for ``cgroup-enter``."""
    ctx.put(key, os.open(f"{mount}{path}/tasks", os.O_WRONLY | os.O_CLOEXEC))


def enter(ctx: Context, *, keys: list[str]) -> None:
    """Stage: move into cgroups of version 1 through files opened by the controller; closes them.

    A thread that moves itself needs no global lock; moving another process takes some 10 ms. The
    kernel looks at who opened the file, so it also works from inside a user namespace.
    """
    for key in keys:
        fd = ctx.key(key)
        try:
            os.write(fd, b"0")
        except OSError as error:
            raise _refused_entry(fd, error) from None
        del ctx.keys[key]
        os.close(fd)


def _refused_entry(fd: int, error: OSError) -> StepError:
    """Why the kernel lets nobody in; version 1 wants a budget for real time (sched(7))."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    text = f"{path}: {error.strerror}"
    if error.errno == errno.EINVAL and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        text += (
            " (the spawner is scheduled in real time, and this group has no time for that:"
            " cpu.rt_runtime_us is 0 here or in the parent group; take that policy from it:"
            " chrt --other --pid 0 PID)"
        )
    return StepError(error.errno or 0, path, text)


def bpf_device(
    ctx: Context, *, mount: str, path: str, insns: str, slots: list[list[Any]] | None = None
) -> None:
    """Load a BPF_PROG_TYPE_CGROUP_DEVICE program (hex of struct bpf_insn[]) and attach it.

    ``slots``: [number of an instruction, key] rows; that instruction's constant becomes the minor
    number of the open device. The program lives as long as the cgroup, and takes the place of one
    that is there already.
    """
    code = bytearray.fromhex(insns)
    for index, key in slots or ():
        struct.pack_into("=i", code, index * 8 + 4, os.minor(os.fstat(ctx.key(key)).st_rdev))
    program = syscalls.load_device_program(bytes(code))
    try:
        folder = os.open(mount + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            bpf.attach_to_group(folder, program, syscalls.BPF_CGROUP_DEVICE)
        finally:
            os.close(folder)
    finally:
        os.close(program)
