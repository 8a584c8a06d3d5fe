"""Programs inside a running container: its namespaces, its limits, its rights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtlxc.driver import refusals
from virtlxc.driver.constants import State
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain.domain import View
from virtlxc.driver.life import inits
from virtlxc.driver.processes import open_pidfd, readable
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.runtime import client, protocol

# libvirt's order of descriptors: a client enters the user namespace first.
_NAMESPACES = ("user", "ipc", "uts", "net", "pid", "mnt")

_START_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What shall run. ``env`` are (name, value) beside what every program gets; ``user`` and
    ``group`` are names or numbers as the guest knows them; ``tty`` is (rows, columns) of a new
    terminal, None for the caller's descriptors."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    user: str | None = None
    group: str | None = None
    tty: tuple[int, int] | None = None


class ExecHandle:
    """A program that runs inside.

    ``pid`` is the host's; ``tty`` its terminal's master, the caller's to close, -1 without one.
    Closing the handle ends what still runs.
    """

    def __init__(self, pid: int, channel: client.EnterChannel) -> None:
        self.pid = pid
        self.tty = channel.master
        self._channel = channel
        self._ended: tuple[int, int] | None = None

    def fileno(self) -> int:
        """Readable when the program has ended."""
        return self._channel.fileno()

    def poll(self) -> tuple[int, int] | None:
        """What :meth:`wait` gives, None while the program runs."""
        return self.wait() if self._ended or readable(self.fileno()) else None

    def wait(self) -> tuple[int, int]:
        """(0, exit status) or (1, signal); blocks until the program has ended."""
        if self._ended is None:
            exited = self._channel.wait()
            signum = exited.get("signal")
            self._ended = (1, signum) if signum else (0, exited.get("status", 0))
        return self._ended

    def close(self) -> None:
        self._channel.close()


def start(core: Core, ref: Ref, request: Request, fds: Sequence[int]) -> ExecHandle:
    """Starts a program; ``fds`` are its standard descriptors unless it gets a terminal."""
    view = core.active(ref)
    with doing(f"cannot run a program in domain '{view.name}'"):
        if view.state == State.PAUSED:
            raise refusals.invalid("the domain is paused (virtlxc resume)")
        if not request.argv:
            raise refusals.bad_argument("no program was named")
        if request.tty is None and len(fds) != 3:
            raise refusals.bad_argument(f"a program needs 3 descriptors, not {len(fds)}")
        assert view.run is not None
        init = open_pidfd(view.run.init)
        if init is None:
            raise refusals.not_running()
        try:
            passed = (init, *fds) if request.tty is None else (init,)
            channel = core.spawning.enter(_message(view, request), passed)
        finally:
            os.close(init)
        return _begun(channel, request)


def _begun(channel: client.EnterChannel, request: Request) -> ExecHandle:
    try:
        running = channel.running(_START_SECONDS)
    except protocol.Failed as failed:
        channel.close()
        number = failed.errno if failed.step == protocol.EXECUTE else -1
        text = _failed_text(failed, request)
        raise VirtlxcError(text, Code.OPERATION_FAILED, errno=number) from None
    except (OSError, protocol.ProtocolError, TimeoutError) as error:
        channel.close()
        raise VirtlxcError(f"wait for it to enter: {error or 'it died'}") from None
    return ExecHandle(running["pid"], channel)


def _failed_text(failed: protocol.Failed, request: Request) -> str:
    cause = failed.text or os.strerror(failed.errno)
    return f"{failed.step}: {cause}" if failed.step else f"{request.argv[0]}: {cause}"


def _message(view: View, request: Request) -> dict[str, Any]:
    """The request in the spawner's words."""
    assert view.run is not None
    own = dict(request.env)
    environment = [[name, value] for name, value in _environment(view).items() if name not in own]
    return {
        "argv": list(request.argv),
        "env": environment + [[name, value] for name, value in own.items()],
        "cwd": request.cwd or "/",
        "user": request.user,
        "group": request.group,
        "tty": {"rows": request.tty[0], "cols": request.tty[1]} if request.tty else None,
        "cgroups": [[group.mount, group.path] for group in _groups(view)],
        **inits.confinement(view.run.init.pid),
    }


def _environment(view: View) -> dict[str, str]:
    """What a program inside can count on, as after a login of root."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "TERM": "linux",
        "container": "lxc-libvirt",
        "container_uuid": view.uuid,
        "LIBVIRT_LXC_NAME": view.name,
        "LIBVIRT_LXC_UUID": view.uuid,
    }


def _groups(view: View) -> list[Any]:
    """Where init is, in every hierarchy; cgroup2 first.

    On cgroup2 that is its choice: systemd, for one, leaves the top of what it got, which hands
    controllers down from then on and takes no process any more.
    """
    assert view.run is not None
    group = view.run.payload.below("init")
    path = _group_of(view.run.init.pid)
    if path.startswith(f"{group.path}/") and os.path.isdir(group.mount + path):
        group = replace(group, path=path)
    return [group, *dict.fromkeys(view.run.v1.values())]


def _group_of(pid: int) -> str:
    """Its group on cgroup2; '' when it is gone."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def open_namespaces(core: Core, ref: Ref, flags: int) -> list[int]:
    """For local clients that enter by themselves (virsh lxc-enter-namespace)."""
    refusals.check_flags("lxcDomainLxcOpenNamespace", flags)
    view = core.active(ref)
    assert view.run is not None
    fds: list[int] = []
    with doing(f"cannot open the namespaces of domain '{view.name}'"):
        try:
            for name in _NAMESPACES:
                path = f"/proc/{view.run.init.pid}/ns/{name}"
                fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            for fd in fds:
                os.close(fd)
            raise VirtlxcError(
                f"open {error.filename}: {error.strerror}", Code.SYSTEM_ERROR
            ) from None
    return fds
