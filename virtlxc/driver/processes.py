"""Processes of the host that we hold on to without owning them."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator

from virtlxc.driver import refusals
from virtlxc.driver.domain.domain import Process
from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime import protocol


def starttime(pid: int) -> int | None:
    """In clock ticks since boot; None when there is no such process. Raises VirtlxcError."""
    try:
        return protocol.start_time(pid)
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None
    except OSError as error:
        raise _unknown(pid, error) from None


def _unknown(pid: int, error: OSError) -> VirtlxcError:
    """Who cannot be looked at, for want of descriptors or memory, has not ended for that."""
    cause = os.strerror(error.errno or 0)
    return VirtlxcError(f"look at process {pid}: {cause}", Code.SYSTEM_ERROR)


def alive(process: Process) -> bool:
    """Whether this very process, not a later one with its pid, is there and no zombie."""
    pidfd = open_pidfd(process)
    if pidfd is None:
        return False
    try:
        return not readable(pidfd)
    finally:
        os.close(pidfd)


@contextlib.contextmanager
def pidfd_of(process: Process) -> Iterator[int]:
    """A pidfd of this very process; raises "domain is not running" when it is gone."""
    fd = open_pidfd(process)
    if fd is None:
        raise refusals.not_running()
    try:
        yield fd
    finally:
        os.close(fd)


def open_pidfd(process: Process) -> int | None:
    """A pidfd of this very process, None when it is gone; the caller closes it.

    Raises VirtlxcError when that cannot be told.
    """
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        raise _unknown(process.pid, error) from None
    try:
        # It is of whatever had the pid just now: only the start time tells that it is ours.
        ours = starttime(process.pid) == process.starttime
    except BaseException:
        os.close(fd)
        raise
    if not ours:
        os.close(fd)
        return None
    return fd


def readable(fd: int, seconds: float = 0.0) -> bool:
    """Whether a descriptor (a pidfd: its process has ended) is readable within that time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
