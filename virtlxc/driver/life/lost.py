"""Containers that run although what was known of them is gone, with their folder below /run.

A second one on the same files would destroy them, so that a start is refused; a destroy ends the
first, whose controller still knows all that it has to undo.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from virtlxc.driver import refusals
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain.domain import Process
from virtlxc.driver.life.killing import CONTROLLER_SECONDS
from virtlxc.driver.processes import alive, open_pidfd, readable, starttime
from virtlxc.errors import VirtlxcError
from virtlxc.host.cgroup import layout
from virtlxc.runtime.ops.cgroups import kill_tree, remove_tree

# The words by which a controller shows its domain: "libvirt_lxc --name NAME --uuid UUID".
_TITLE, _UUID = b"libvirt_lxc\0--name\0", b"--uuid"


def find(core: Core) -> None:
    """Remembers whose controllers run and are nobody's; once the others are taken over."""
    known = {view.run.controller.pid for view in core.registry.matching(0) if view.run is not None}
    for pid, uuid in _controllers():
        if pid in known or not _is_ours(pid, core.paths.instance):
            continue
        started = starttime(pid)
        if started is not None:
            core.lost[uuid] = Process(pid=pid, starttime=started)
            log.error(
                "process %d is the controller of a container with the UUID %s, whose folder below"
                " %s is gone or broken: it is not managed any more (virtlxc destroy %s)",
                *(pid, uuid, core.paths.run, uuid),
            )


def check(core: Core, uuid: str) -> None:
    """Raises VirtlxcError when the domain is not known to run and does."""
    process = _of(core, uuid)
    if process is not None:
        raise VirtlxcError(
            f"it runs already, with the controller {process.pid}, but its folder below"
            f" {core.paths.run} is gone or broken (end it first: virtlxc destroy {uuid})",
            refusals.already_running().code,
        )


def end(core: Core, uuid: str) -> bool:
    """Kills what the domain has running; False when there is nothing such."""
    process = _of(core, uuid)
    pidfd = None if process is None else open_pidfd(process)
    if process is None or pidfd is None:
        return False
    try:
        group = _group(process.pid)
        if not group.endswith(f"/{layout.SUPERVISOR}"):
            return False  # it has just ended
        leaf = core.host.facts.cgroup.mount + group.removesuffix(f"/{layout.SUPERVISOR}")
        kill_tree(f"{leaf}/{layout.PAYLOAD}")
        # It undoes what it made: it alone has the plan, and its journal may be gone.
        if not readable(pidfd, CONTROLLER_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            readable(pidfd, CONTROLLER_SECONDS)
        with contextlib.suppress(OSError):
            # It has been in there itself.
            remove_tree(leaf)
    finally:
        os.close(pidfd)
    del core.lost[uuid]
    return True


def _of(core: Core, uuid: str) -> Process | None:
    process = core.lost.get(uuid)
    if process is not None and not alive(process):
        del core.lost[uuid]
        return None
    return process


def _controllers() -> Iterator[tuple[int, str]]:
    """The pids of all controllers of this host, and the UUIDs of their domains."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read(4096).rstrip(b"\0")
                if words.startswith(_TITLE):
                    *_, name, uuid = words.split(b"\0")
                    if name == _UUID:
                        yield int(entry), uuid.decode("ascii", "replace")


def _is_ours(pid: int, instance: str) -> bool:
    """Whether a controller is one of this instance; a guest may claim any name for itself."""
    try:
        if os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid"):
            return False
    except OSError:
        return False
    # systemd escapes the dashes in a scope's name.
    path = _group(pid).replace("\\x2d", "-")
    named = layout.machine_name("", str(pid), instance) in path
    return named and path.endswith(f"/{layout.SUPERVISOR}")


def _group(pid: int) -> str:
    """The path of its cgroup2, '' when it is gone."""
    try:
        with open(f"/proc/{pid}/cgroup", errors="replace", newline="\n") as file:
            return next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
    except OSError:
        return ""
