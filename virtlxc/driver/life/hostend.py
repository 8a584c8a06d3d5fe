"""The end of the host: all domains are asked to end, and those that do not in time are destroyed.

Domains that were started first end last (``<virtlxc:autostart order=...>``); those of one order
end in parallel.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from virtlxc.driver.constants import Event, State
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain.domain import Entry
from virtlxc.driver.events import Lifecycle
from virtlxc.driver.life import groups, inits, shutdown, stopping
from virtlxc.driver.life.autostart import order
from virtlxc.errors import VirtlxcError

_AT_ONCE = 16
_NAMES_MAX = 8


def stop_all(core: Core, seconds: float) -> list[str]:
    """Ends every domain within about ``seconds``; gives a sentence for each that did not by itself.

    None is started again meanwhile, whatever its definition says.
    """
    core.store.note_all_stopped()
    end = time.monotonic() + seconds
    problems: list[str] = []
    with _no_restarts(core), _ends(core) as ended, ThreadPoolExecutor(_AT_ONCE, "stop") as pool:
        _forget_waiting(core)
        tried: set[Entry] = set()
        # A start that was on its way comes to its end meanwhile.
        while running := [e for e in core.registry.entries() if e.view.active and e not in tried]:
            tried.update(running)
            problems += _stop(core, running, end, ended, pool)
    return problems


def _stop(
    core: Core, running: list[Entry], end: float, ended: threading.Event, pool: ThreadPoolExecutor
) -> list[str]:
    running.sort(key=lambda entry: order(entry.view), reverse=True)
    steps = [list(g) for _, g in itertools.groupby(running, lambda entry: order(entry.view))]
    problems: list[str] = []
    for at, entries in enumerate(steps):
        # What hangs early must not take all the time of those that come after it.
        left = max(0.0, end - time.monotonic()) / (len(steps) - at)
        until = time.monotonic() + left
        refused = dict(zip(entries, pool.map(lambda e: _ask(core, e), entries), strict=True))
        asked = [entry for entry in entries if not refused[entry]]
        _await(asked, ended, until)
        late = [entry for entry in entries if entry.view.active]
        reasons = [refused[entry] or f"it did not end within {left:.0f} s" for entry in late]
        problems += pool.map(lambda e, r: _destroy(core, e, r), late, reasons)
    return problems


@contextmanager
def _no_restarts(core: Core) -> Iterator[None]:
    core.host_ends = True
    try:
        yield
    finally:
        core.host_ends = False


@contextmanager
def _ends(core: Core) -> Iterator[threading.Event]:
    """An event that is set whenever a domain has ended."""
    ended = threading.Event()

    def listen(event: object) -> None:
        if isinstance(event, Lifecycle) and event.event == Event.STOPPED:
            ended.set()

    unsubscribe = core.events.subscribe(listen)
    try:
        yield ended
    finally:
        unsubscribe()


def _forget_waiting(core: Core) -> None:
    """A crashed domain that waits for its next start needs none."""
    for entry in core.registry.entries():
        if entry.view.waiting is not None and not entry.view.active:
            core.restarts.forget(entry)


def _ask(core: Core, entry: Entry) -> str:
    """Asks one domain; why that is in vain, or nothing."""
    view = entry.view
    try:
        if view.state == State.PAUSED:
            stopping.resume(core, view.ref)
        how = shutdown.request(core, view.ref, inits.POWEROFF, 0)
    except VirtlxcError as error:
        return error.message if entry.view.active else ""
    log.info("domain '%s' is asked to end: %s", view.name, how)
    return ""


def _await(entries: list[Entry], ended: threading.Event, until: float) -> None:
    while any(entry.view.active for entry in entries):
        left = until - time.monotonic()
        if left <= 0:
            return
        ended.wait(left)
        ended.clear()


def _destroy(core: Core, entry: Entry, reason: str) -> str:
    view = entry.view
    inside = groups.programs(view.run.payload) if view.run else []
    try:
        stopping.destroy(core, view.ref, 0)
    except VirtlxcError as error:
        if entry.view.active:
            return f"domain '{view.name}': {reason}, and {error.message}"
    text = f"domain '{view.name}' was destroyed: {reason}"
    if inside:
        more = f" and {len(inside) - _NAMES_MAX} more" if len(inside) > _NAMES_MAX else ""
        text += f"; still running inside: {', '.join(inside[:_NAMES_MAX])}{more}"
    log.warning("%s", text)
    return text
