"""The end of a run: what is cleaned up, told, and started again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtlxc.driver.change import changing
from virtlxc.driver.constants import Event, Reason, State
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain import live
from virtlxc.driver.domain.domain import Entry, Process, View, now
from virtlxc.driver.events import Reboot
from virtlxc.driver.jobs import Ticket
from virtlxc.driver.life import exits, groups, steps
from virtlxc.driver.life.monitor import GONE
from virtlxc.driver.life.starting import Wish, start_definition
from virtlxc.driver.processes import starttime
from virtlxc.errors import VirtlxcError

# An end waits for whatever change runs: it must not be missed.
_PATIENCE = 3600.0


def noticed(core: Core, uuid: str, controller: Process, notice: dict[str, Any]) -> None:
    """What a controller told, or that it is gone; called in a worker thread."""
    entry = core.registry.find(uuid)
    if entry is None:
        return
    with entry.job.hold("end", entry.view.name, _PATIENCE) as ticket:
        run = entry.view.run
        if run is None or run.controller != controller:
            return
        if notice is GONE:
            ended(core, entry, ticket)
        elif notice.get("event") == "boot":
            pid = int(notice["init"])
            begun = starttime(pid)
            # None: that init has ended too, and the next notice will say so.
            if begun is not None:
                init = Process(pid=pid, starttime=begun)
                booted(core, entry, init, int(notice["boots"]))


def booted(core: Core, entry: Entry, init: Process, boots: int) -> None:
    """Init asked for a reboot, and the controller did it: same domain, another init."""
    view = entry.view
    assert view.run is not None
    if init == view.run.init:
        return
    run = replace(view.run, init=init, boots=boots, booted=now())
    view = replace(view, run=run, state=State.RUNNING, reason=Reason.RUNNING_BOOTED)
    live.save(core, view)
    core.registry.publish(entry, view)
    core.events.emit(Reboot(view.ref))


def ended(core: Core, entry: Entry, ticket: Ticket, *, destroying: bool = False) -> None:
    """Acts on the end of the controller; the caller holds the job and knows it has ended."""
    view = entry.view
    assert view.run is not None and view.live is not None
    ending = exits.judge(
        core.store.exit_report(view.uuid),
        on_poweroff=view.live.on_poweroff,
        on_reboot=view.live.on_reboot,
        on_crash=view.live.on_crash,
        destroying=destroying,
    )
    clean(core, view)
    entry.owner = None
    stopped = view.stopped(ending.state_reason, ending.status, ending.state)
    restarts = ending.action == exits.RESTART and not core.host_ends
    keeps = restarts or ending.state == State.CRASHED
    if keeps:
        stopped = replace(stopped, waiting=view.live)
        _save_waiting(core, stopped)
    log.info("domain '%s' ended: %s", view.name, ending.status)
    core.registry.publish(entry, stopped)
    core.tell(replace(view, run=None), Event.STOPPED, ending.detail)
    if not restarts:
        return
    if ending.crashed:
        _restart_later(core, entry, ending.uptime)
    else:
        _start_again(core, entry, ticket)


def wait_on(core: Core, entry: Entry) -> None:
    """Goes on with what an earlier daemon had begun: a domain that waits for its restart."""
    if entry.view.state != State.CRASHED:
        _restart_later(core, entry, 0.0)


def _restart_later(core: Core, entry: Entry, uptime: float) -> None:
    delay = entry.backoff.next(uptime)
    log.warning("domain '%s' crashed: it is started again in %g s", entry.view.name, delay)
    core.restarts.schedule(entry, delay)


def due(core: Core, entry: Entry) -> None:
    """The wait after a crash is over; called in the timer's thread."""
    with entry.job.hold("start", entry.view.name, _PATIENCE) as ticket:
        if core.registry.holds(entry) and entry.view.waiting and not entry.view.active:
            _start_again(core, entry, ticket)


def _start_again(core: Core, entry: Entry, ticket: Ticket) -> None:
    domain = entry.view.waiting
    assert domain is not None
    try:
        start_definition(core, entry, ticket, domain, Wish(), entry.view.warnings)
    except VirtlxcError as error:
        log.error("%s", error.message)
        core.store.remove_run(entry.view.uuid)
        status = f"{entry.view.status}; {error.message}"
        core.registry.publish(entry, replace(entry.view, waiting=None, status=status))


def _save_waiting(core: Core, view: View) -> None:
    try:
        core.store.make_run(view.uuid)
        live.save(core, view)
    except VirtlxcError as error:
        log.error("domain '%s': %s", view.name, error.message)


def clean(core: Core, view: View) -> None:
    """Removes what a dead controller left: processes, the journal's things, live state."""
    assert view.run is not None
    core.monitor.forget(view.uuid)
    groups.kill(view.run.payload)
    steps.replay(core.paths.domain_run(view.uuid), view.name)
    changing.clean(core, view)
    steps.take_back(view.run.undo, view.name)
    core.store.remove_run(view.uuid)
