"""Ending a run by force: works when its controller is well, hangs, or is dead."""

from __future__ import annotations

import contextlib
import os
import signal

from virtlxc.driver.domain.domain import Run
from virtlxc.driver.life import groups
from virtlxc.driver.processes import open_pidfd, readable
from virtlxc.errors import VirtlxcError

# How long a killed controller may take to end.
CONTROLLER_SECONDS = 5.0


def kill_run(run: Run, folder: str) -> None:
    """Kills all processes of the domain and returns when its controller has ended.

    The controller is killed too: what it made is undone by its journal, as behind any controller
    that died, and a daemon that is warm does that in half the time of a process that has to copy
    the memory it shares before it can do anything. Only when somebody has removed the journal with
    the ``folder`` of live state does it undo that by itself.
    """
    pidfd = open_pidfd(run.controller)
    try:
        groups.kill(run.payload)
        if pidfd is None:
            return
        if not os.path.exists(f"{folder}/journal") and readable(pidfd, CONTROLLER_SECONDS):
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if not readable(pidfd, CONTROLLER_SECONDS):
            raise VirtlxcError(
                f"kill its controller: pid {run.controller.pid} does not end (it hangs in the"
                " kernel; see its /proc/PID/stack)"
            )
    finally:
        if pidfd is not None:
            os.close(pidfd)
