"""Consoles: raw streams between a viewer and a terminal that the controller keeps."""

from __future__ import annotations

import re
import socket

from virtlxc.driver import refusals
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain.domain import View
from virtlxc.driver.life import controllers
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError

_FORCE, _SAFE = 1, 2


def open_console(core: Core, ref: Ref, device: str | None, flags: int) -> socket.socket:
    """A stream that begins with what was missed; several viewers may look at one console.

    FORCE and SAFE choose what happens to another viewer: nothing does here, so both are fine.
    """
    refusals.check_flags("lxcDomainOpenConsole", flags, _FORCE | _SAFE)
    view = core.active(ref)
    with doing(f"cannot open a console of domain '{view.name}'"):
        tty = number(view, device)
        sock = _connected(core, view)
        try:
            controllers.call(sock, "CONSOLE", tty=tty)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock


def resize(core: Core, ref: Ref, device: str | None, rows: int, columns: int) -> None:
    view = core.active(ref)
    with doing(f"cannot resize a console of domain '{view.name}'"):
        tty = number(view, device)
        with _connected(core, view) as sock:
            controllers.call(sock, "RESIZE", tty=tty, rows=rows, cols=columns)


def _connected(core: Core, view: View) -> socket.socket:
    try:
        sock = controllers.connect(core.paths.domain_run(view.uuid))
        try:
            controllers.hello(sock)
        except BaseException:
            sock.close()
            raise
        return sock
    except controllers.ControllerGone as error:
        raise VirtlxcError(
            f"reach its controller: {error} (virtlxc domstate {view.name} --reason)"
        ) from None


def number(view: View, device: str | None) -> int:
    """The index of a console from its alias ("console0"), name inside ("tty1") or number."""
    count = len(view.current.consoles)
    if device is None or device == "":
        found = 0
    elif match := re.fullmatch(r"(?:console)?(\d+)", device):
        found = int(match.group(1))
    elif match := re.fullmatch(r"(?:/dev/)?tty([1-9]\d*)", device):
        found = int(match.group(1)) - 1
    else:
        found = count
    if not 0 <= found < count:
        last = f"console0 .. console{count - 1}" if count > 1 else "console0"
        raise VirtlxcError(
            f"find the device: cannot find console device '{device}' (it has {last})",
            Code.INTERNAL_ERROR if device is None else Code.INVALID_ARG,
        )
    return found
