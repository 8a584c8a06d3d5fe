"""Ending a run by force: works when its controller helps, hangs, or is dead."""

from __future__ import annotations

import os
import signal

from virtlxc.driver import groups
from virtlxc.driver.core import log
from virtlxc.driver.domain import Run
from virtlxc.driver.processes import open_pidfd, readable
from virtlxc.errors import VirtlxcError

# How long a controller may take to clean up behind its dead init before it is killed itself.
CONTROLLER_SECONDS = 5.0


def kill_run(run: Run, name: str) -> None:
    """Kills all processes of the domain and returns when its controller has ended too."""
    pidfd = open_pidfd(run.controller)
    try:
        groups.kill(run.payload)
        if pidfd is None or readable(pidfd, CONTROLLER_SECONDS):
            return
        log.warning("domain '%s': its controller hangs and is killed", name)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        groups.kill(run.payload)
        if not readable(pidfd, CONTROLLER_SECONDS):
            raise VirtlxcError(
                f"kill its controller: pid {run.controller.pid} does not end (it hangs in the"
                " kernel; see its /proc/PID/stack)"
            )
    finally:
        if pidfd is not None:
            os.close(pidfd)
