"""Our own program: what libvirt has no call for. :mod:`virtlxc.rpc.tables.own` tells what."""

from __future__ import annotations

import itertools
import os
from typing import Any

from virtlxc import __version__
from virtlxc.driver import making
from virtlxc.driver.inside import execs
from virtlxc.driver.named import NamedRef
from virtlxc.driver.ref import Param, Ref
from virtlxc.errors import Code, From, VirtlxcError
from virtlxc.rpc.registry import Call, Later, handles
from virtlxc.rpc.tables import OWN

_LOG_MAX = 1 << 20
_numbers = itertools.count(1)


@handles("VERSION", program=OWN, fast=True)
def version(call: Call) -> tuple[str, int, str]:
    return __version__, os.getpid(), call.driver.paths.root


@handles("PLAN", program=OWN, flags=0)
def plan(call: Call, xml: str | None, dom: tuple[str, bytes, int] | None, flags: int) -> str:
    return call.driver.domains.plan(xml, Ref(*dom) if dom is not None else None)


@handles("STATUS", program=OWN, fast=True)
def status(call: Call, dom: Ref) -> str:
    return call.driver.domains.status_text(dom)


@handles("LOGS", program=OWN)
def logs(call: Call, dom: Ref, offset: int, size: int) -> tuple[bytes, int]:
    return call.driver.domains.logs(dom, offset, min(size or _LOG_MAX, _LOG_MAX))


@handles("PROGRAMS", program=OWN, flags=0)
def programs(call: Call, dom: Ref, flags: int) -> list[str]:
    return call.driver.domains.programs(dom)


@handles("DEFINE", program=OWN)
def define(call: Call, xml: str, flags: int) -> tuple[Ref, list[str]]:
    found = call.driver.domains.define(xml, flags)
    return found.ref, list(found.warnings)


@handles("START_IGNORING", program=OWN)
def start_ignoring(call: Call, dom: Ref, ignore: list[str], flags: int) -> Ref:
    return call.driver.domains.start(
        dom, flags, call.fds, ignore=frozenset(ignore), owner=call.peer
    )


@handles("SHUTDOWN", program=OWN)
def shutdown(call: Call, dom: Ref, flags: int) -> str:
    return call.driver.domains.shutdown(dom, flags)


@handles("REBOOT", program=OWN)
def reboot(call: Call, dom: Ref, flags: int) -> str:
    return call.driver.domains.reboot(dom, flags)


@handles("CONSOLE_RESIZE", program=OWN)
def console_resize(call: Call, dom: Ref, dev_name: str | None, rows: int, columns: int) -> None:
    call.driver.domains.resize_console(dom, dev_name, rows, columns)


@handles("HOST_VALIDATE", program=OWN, flags=0)
def host_validate(call: Call, flags: int) -> list[tuple[str, str, str, str]]:
    return call.driver.host.validate()


@handles("NETWORK_START", program=OWN, flags=0)
def network_start(call: Call, net: NamedRef, flags: int) -> list[str]:
    return list(call.driver.networks.start(net))


@handles("GUESTS_START", program=OWN, flags=0)
def guests_start(call: Call, flags: int) -> list[str]:
    return call.driver.start_guests()


@handles("GUESTS_STOP", program=OWN, flags=0)
def guests_stop(call: Call, seconds: int, flags: int) -> list[str]:
    return call.driver.stop_guests(seconds)


# Templates


@handles("NEW", program=OWN, flags=0)
def new(
    call: Call, name: str, template: str, options: list[tuple[str, int, Any]], flags: int
) -> tuple[Ref, list[str]]:
    images: Any = call.driver.images
    ref, messages = images.new(name, template, {key: value for key, _type, value in options})
    return ref, list(messages)


@handles("NEW_START", program=OWN, flags=0)
def new_start(
    call: Call, name: str, template: str, options: list[tuple[str, int, Any]], flags: int
) -> int:
    """It is made until it is, or until the end of this connection."""
    chosen = {key: value for key, _type, value in options}
    number = next(_numbers)
    call.peer.keep(number, making.Making(call.driver.images, name, template, chosen))
    return number


@handles("NEW_WAIT", program=OWN, fast=True)
def new_wait(call: Call, handle: int) -> Later:
    found: making.Making | None = call.peer.kept.get(handle)
    if not isinstance(found, making.Making):
        raise VirtlxcError(f"this connection makes no guest number {handle}", Code.INVALID_ARG)

    def poll() -> tuple[str, int, int, int, Ref | None, list[str]] | None:
        try:
            news = found.poll()
        except VirtlxcError:
            call.peer.drop(handle)
            raise
        if news is None:
            return None
        text, done, total, made = news
        if made is None:
            return text, done, total, 0, None, []
        call.peer.drop(handle)
        return text, done, total, 1, made[0], made[1]

    return Later(found.fileno(), poll)


@handles("DELETE", program=OWN, flags=0)
def delete(call: Call, dom: Ref, options: list[tuple[str, int, Any]], flags: int) -> list[str]:
    images: Any = call.driver.images
    return list(images.delete(dom, {key: value for key, _type, value in options}))


# Running a program inside


@handles("EXEC_START", program=OWN, flags=0)
def exec_start(
    call: Call,
    dom: Ref,
    argv: list[str],
    env: list[str],
    cwd: str | None,
    user: str | None,
    group: str | None,
    tty: int,
    rows: int,
    columns: int,
    flags: int,
) -> tuple[int, int]:
    """The program runs until it ends, EXEC_CLOSE, or the end of this connection."""
    request = execs.Request(
        argv=tuple(argv),
        env=tuple((name, value) for name, _, value in (pair.partition("=") for pair in env)),
        cwd=cwd,
        user=user,
        group=group,
        tty=(rows, columns) if tty else None,
    )
    running = call.driver.domains.exec(dom, request, call.fds)
    number = next(_numbers)
    call.peer.keep(number, running)
    if running.tty >= 0:
        call.out_fds = [running.tty]
    return number, running.pid


@handles("EXEC_WAIT", program=OWN, fast=True)
def exec_wait(call: Call, handle: int) -> Later:
    running = _running(call, handle)

    def poll() -> tuple[int, int] | None:
        ended = running.poll()
        if ended is not None:
            call.peer.drop(handle)
        return ended

    return Later(running.fileno(), poll)


@handles("EXEC_CLOSE", program=OWN, fast=True)
def exec_close(call: Call, handle: int) -> None:
    _running(call, handle)
    call.peer.drop(handle)


def _running(call: Call, handle: int) -> execs.ExecHandle:
    found: execs.ExecHandle | None = call.peer.kept.get(handle)
    if found is None:
        raise VirtlxcError(
            f"this connection runs no program number {handle}", Code.INVALID_ARG, From.RPC
        )
    return found


@handles("GET_LIMITS", program=OWN, fast=True)
def get_limits(call: Call, dom: Ref, flags: int) -> list[Param]:
    return call.driver.domains.own_limits(dom, flags)


@handles("SET_LIMITS", program=OWN)
def set_limits(
    call: Call, dom: Ref, params: list[tuple[str, int, int | float | str]], flags: int
) -> None:
    given = [Param(*param) for param in params]
    call.driver.domains.set_own_limits(dom, given, flags)
