"""Clocks and sums that every subject is measured with."""

from __future__ import annotations

import gc
import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

END_TIMEOUT_MS = 20_000
DEVNULL_ACTIONS = ((os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),)


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No garbage collection of ours inside somebody's time."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds_of(action: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def run_program(argv: Sequence[str], environment: Mapping[str, str], output: str) -> float:
    """Seconds of a whole process, from before it is made until it is reaped.

    Both its outputs go to the file ``output``; RuntimeError with its end when it fails.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = (
        *DEVNULL_ACTIONS,
        (os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    )
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], list(argv), dict(environment), file_actions=actions)
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - began
    if status != 0:
        with open(output, encoding="utf-8", errors="replace") as file:
            text = file.read()[-2000:]
        raise RuntimeError(f"{' '.join(argv)} failed: {text}")
    return taken


def wait_until(what: str, look: Callable[[], bool], timeout: float = 20.0) -> None:
    """Look again and again, without a pause that would be measured; RuntimeError at the bound."""
    end = time.monotonic() + timeout
    while not look():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {timeout:g} s: {what}")
        time.sleep(0.0002)


@contextmanager
def watched(*pids: int) -> Iterator[Callable[[], None]]:
    """Gives a function that waits until all these processes have ended.

    By pidfds: an entry in /proc stays until the parent has reaped, which for what a daemon leaves
    is the host's init and none of the subject's time.
    """
    descriptors = [os.pidfd_open(pid) for pid in pids]

    def wait() -> None:
        for descriptor in descriptors:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(END_TIMEOUT_MS):
                raise RuntimeError(f"one of the processes {pids} did not end")

    try:
        yield wait
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def private_kib(pid: int) -> int:
    """Memory that only this process has: the sum of Private_* in smaps_rollup, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def page_tables_kib(pid: int) -> int:
    """Memory of a process's page tables, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmPTE:"))


def used_kib() -> int:
    """Memory of the whole system that is not available to others, in KiB."""
    values = meminfo()
    return values["MemTotal"] - values["MemAvailable"]


def meminfo() -> dict[str, int]:
    """The fields of /proc/meminfo, in KiB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return {key: int(rest.split()[0]) for key, rest in (ln.split(":") for ln in file)}


def below(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        for child in file.read().split():
            yield from below(int(child))


def parent_of(pid: int) -> int:
    """The parent of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("PPid:"))


def namespaces_held(pid: int) -> int:
    """How many descriptors of network namespaces a process has."""
    found = 0
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            try:
                found += os.readlink(entry.path).startswith("net:[")
            except FileNotFoundError:
                continue
    return found
