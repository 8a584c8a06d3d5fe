"""The host name of another process's world: of its uts namespace."""

from __future__ import annotations

import os
import threading

from virtlxc.runtime import syscalls


def name_seen_by(pidfd: int) -> str:
    """The name in force for the process behind ``pidfd``; OSError when it is gone.

    The kernel tells a thread the name of its own namespace alone. So a thread that ends with the
    answer joins the other one, of which nothing else can be reached.
    """
    found: list[str | OSError] = []

    def look() -> None:
        try:
            syscalls.setns(pidfd, syscalls.CLONE_NEWUTS)
            found.append(os.uname().nodename)
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=look, name="utsname")
    thread.start()
    thread.join()
    [name] = found
    if isinstance(name, OSError):
        raise name
    return name
