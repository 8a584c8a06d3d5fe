"""Ending a run from outside: destroy, and freezing in between."""

from __future__ import annotations

from dataclasses import replace

from virtlxc.driver import refusals
from virtlxc.driver.constants import Detail, Event, Reason, State
from virtlxc.driver.core import Core, doing, log
from virtlxc.driver.domain import live
from virtlxc.driver.life import endings, groups, lost
from virtlxc.driver.life.killing import kill_run
from virtlxc.driver.ref import Ref
from virtlxc.errors import VirtlxcError

_PREEMPTED = frozenset({"start", "shut down", "reboot", "pause", "resume"})


def destroy(core: Core, ref: Ref, flags: int) -> None:
    """Kills all processes of the domain and returns when nothing of the run is left."""
    refusals.check_flags("lxcDomainDestroyFlags", flags)
    entry = core.registry.entry(ref)
    starting = entry.job.running == "start"
    entry.job.preempt("destroy", _PREEMPTED)
    try:
        with core.changing(ref, "destroy") as (entry, ticket):
            view = entry.view
            if view.waiting is not None and not view.active:
                core.store.remove_run(view.uuid)
                core.restarts.forget(entry)
                reason = Reason.SHUTOFF_DESTROYED
                core.registry.publish(
                    entry, replace(view, waiting=None, state=State.SHUTOFF, reason=reason)
                )
                return
            if view.run is None:
                if starting or lost.end(core, view.uuid):
                    return
                raise refusals.not_running()
            with doing(f"cannot destroy domain '{view.name}'"):
                core.monitor.intent(view, "destroy")
                core.departed.keep(view)
                kill_run(view.run, core.paths.domain_run(view.uuid))
            endings.ended(core, entry, ticket, destroying=True)
            entry.backoff.reset()
    except VirtlxcError:
        # A start that we pre-empted may have been the only thing that held a transient domain.
        if starting and not core.registry.holds(entry):
            return
        raise


def owner_gone(core: Core, owner: object) -> None:
    """Destroys what was to live no longer than this connection."""
    for entry in core.registry.entries():
        if entry.owner is owner and entry.view.active:
            try:
                destroy(core, entry.view.ref, 0)
            except VirtlxcError as error:
                log.error("autodestroy: %s", error.message)


def suspend(core: Core, ref: Ref) -> None:
    """Freezes every process; returns when they are frozen."""
    with core.changing(ref, "pause") as (entry, _):
        view = entry.view
        if view.run is None:
            raise refusals.not_running()
        if view.state == State.PAUSED:
            return
        with doing(f"cannot pause domain '{view.name}'"):
            groups.freeze(view.run.payload, True)
            view = replace(view, state=State.PAUSED, reason=Reason.PAUSED_USER)
            live.save(core, view)
        core.registry.publish(entry, view)
        core.tell(view, Event.SUSPENDED, Detail.SUSPENDED_PAUSED)


def resume(core: Core, ref: Ref) -> None:
    with core.changing(ref, "resume") as (entry, _):
        view = entry.view
        if view.run is None:
            raise refusals.not_running()
        if view.state != State.PAUSED:
            return
        with doing(f"cannot resume domain '{view.name}'"):
            groups.freeze(view.run.payload, False)
            view = replace(view, state=State.RUNNING, reason=Reason.RUNNING_UNPAUSED)
            live.save(core, view)
        core.registry.publish(entry, view)
        core.tell(view, Event.RESUMED, Detail.RESUMED_UNPAUSED)
