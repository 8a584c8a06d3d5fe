"""A daemon's start: what an earlier one left is taken over.

Nothing here trusts a pid: a controller counts as living when its socket answers with the pid and
start time that the live state has, in this boot of the host.
"""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from typing import Any

from virtlxc import model
from virtlxc.driver.change import changing
from virtlxc.driver.core import Core, log
from virtlxc.driver.domain import live
from virtlxc.driver.domain.domain import Entry, Process, Run, View
from virtlxc.driver.life import controllers, endings, lost, steps
from virtlxc.driver.life.killing import kill_run
from virtlxc.driver.processes import alive, open_pidfd, readable
from virtlxc.errors import VirtlxcError
from virtlxc.runtime import protocol

_KILL_SECONDS = 5.0


def load_definitions(core: Core) -> None:
    """Puts every definition of /etc into the list; unusable ones are logged and left alone."""
    for name, text in core.store.definitions():
        try:
            domain = model.parse_domain(text)
            if domain.name != name:
                raise VirtlxcError(f"its name is '{domain.name}'")
            _replaces_older(core, domain)
            view = View(name=name, uuid=domain.uuid, config=domain)
            entry, _ = core.registry.claim(view)
            view = replace(entry.view, config=domain, autostart=core.store.autostart(name))
            core.registry.publish(entry, view)
        except VirtlxcError as error:
            log.error("cannot use the definition %s.xml: %s", name, error.message)


def _replaces_older(core: Core, domain: model.Domain) -> None:
    """A rename that was interrupted leaves two files with one UUID: the newer one counts."""
    older = core.registry.snapshot.by_uuid.get(domain.uuid)
    if older is None or older.name == domain.name:
        return
    entry = core.registry.entry(older.ref)
    core.registry.publish(entry, replace(older, config=None))
    if older.autostart:
        core.store.set_autostart(domain.name, True)
    core.store.remove_definition(older.name)


def take_over(core: Core) -> None:
    """Finds what runs, acts on what ended meanwhile, removes what never came to be."""
    boot_id = protocol.boot_id()
    for uuid, status in core.store.statuses():
        try:
            if status is None:
                _abandon(core, uuid)
            elif (status.get("run") or {}).get("boot_id", boot_id) != boot_id:
                core.store.remove_run(uuid)
            else:
                _take(core, live.load(status))
        except (VirtlxcError, KeyError, TypeError, ValueError, AssertionError) as error:
            log.error("cannot take over the domain in %s: %r", core.paths.domain_run(uuid), error)
    lost.find(core)


def _take(core: Core, found: View) -> None:
    entry, _ = core.registry.claim(found)
    known = entry.view
    view = replace(
        found,
        config=known.config,
        autostart=known.autostart,
        updated=known.config is not None and found.live is not None and known.config != found.live,
    )
    core.registry.publish(entry, view)
    with entry.job.hold("take over", view.name) as ticket:
        if view.run is None:
            endings.wait_on(core, entry)
            return
        if not alive(view.run.controller):
            endings.ended(core, entry, ticket)
            return
        if view.run.autodestroy:
            # Its connection was with the daemon that has gone.
            kill_run(view.run, core.paths.domain_run(view.uuid))
            endings.ended(core, entry, ticket, destroying=True)
            return
        folder = core.paths.domain_run(view.uuid)
        notices = _subscribe(core, entry, view.run, folder)
        changing.take_over(core, entry)
        core.monitor.watch(view.uuid, folder, view.run.controller, notices)


def _subscribe(core: Core, entry: Entry, run: Run, folder: str) -> socket.socket | None:
    """A connection that brings its notices, when it answers; learns of boots that nobody saw.

    One that does not answer is watched all the same.
    """
    sock = None
    try:
        sock = controllers.connect(folder)
        answer = controllers.subscribe(sock)
        if "pid" not in answer:
            with controllers.connect(folder) as another:
                answer = controllers.hello(another)
    except (controllers.ControllerGone, VirtlxcError) as error:
        log.warning("domain '%s': its controller does not answer: %s", entry.view.name, error)
        if sock is not None:
            sock.close()
        return None
    _refresh(core, entry, run, answer)
    return sock


def _refresh(core: Core, entry: Entry, run: Run, answer: dict[str, Any]) -> None:
    who = (answer.get("pid"), answer.get("starttime"))
    if who != (run.controller.pid, run.controller.starttime):
        log.warning("domain '%s': another process answers at its socket", entry.view.name)
        return
    init = answer.get("init")
    if init:
        process = Process(pid=init["pid"], starttime=init["starttime"])
        endings.booted(core, entry, process, int(answer.get("boots", run.boots)))


def _abandon(core: Core, uuid: str) -> None:
    """Ends a start whose daemon died before it could answer its caller."""
    folder = core.paths.domain_run(uuid)
    starting = core.store.starting(uuid)
    controller = Process(**starting) if starting else steps.controller_of(folder)
    if controller is not None:
        pidfd = open_pidfd(controller)
        if pidfd is not None:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                readable(pidfd, _KILL_SECONDS)
            finally:
                os.close(pidfd)
    steps.replay(folder, uuid)
    core.store.remove_run(uuid)
