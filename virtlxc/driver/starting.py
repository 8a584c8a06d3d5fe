"""A start: from a definition to a running init, or to nothing at all.

Everything a start makes is undone by the controller when a step fails, by the kernel when
processes die, and by the journal when the controller itself does. What is left to do here after a
failure is the daemon's own steps and the folder of live state.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtlxc import model
from virtlxc.driver import definitions, refusals
from virtlxc.driver.constants import Detail, Event, Reason, Start, State
from virtlxc.driver.core import Core, doing, log
from virtlxc.driver.domain import Entry, Process, Run, View, now
from virtlxc.driver.jobs import Ticket
from virtlxc.driver.live import save
from virtlxc.driver.ref import Ref
from virtlxc.driver.undo import perform, undo
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import gather
from virtlxc.plan import StartOptions, plan_start
from virtlxc.plan.steps import CONTROLLER, Group, Plan
from virtlxc.runtime import client, protocol
from virtlxc.runtime.ops.context import StepError

_KNOWN_FLAGS = Start.PAUSED | Start.AUTODESTROY | Start.BYPASS_CACHE | Start.FORCE_BOOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a start was asked for; see :meth:`virtlxc.driver.domains.Domains.start`."""

    flags: int = 0
    fds: Sequence[int] = ()
    ignore: frozenset[str] = frozenset()
    owner: object = None

    @property
    def paused(self) -> bool:
        return bool(self.flags & Start.PAUSED)

    @property
    def autodestroy(self) -> bool:
        return bool(self.flags & Start.AUTODESTROY)


def create(core: Core, xml: str, wish: Wish) -> Ref:
    """Starts a domain that exists only while it runs; a persistent one keeps its definition."""
    refusals.check_flags("lxcDomainCreateXMLWithFiles", wish.flags, _KNOWN_FLAGS | Start.VALIDATE)
    domain, warnings = definitions.read(xml, validate=bool(wish.flags & Start.VALIDATE), core=core)
    view = View(name=domain.name, uuid=domain.uuid)
    with core.claiming(view, "start") as (entry, ticket):
        if entry.view.active:
            raise refusals.already_active(domain.name)
        return start_definition(core, entry, ticket, domain, wish, warnings).ref


def start(core: Core, ref: Ref, wish: Wish) -> Ref:
    refusals.check_flags("lxcDomainCreateWithFiles", wish.flags, _KNOWN_FLAGS)
    with core.changing(ref, "start") as (entry, ticket):
        view = entry.view
        if view.active:
            raise refusals.already_running()
        domain = view.config or view.waiting
        assert domain is not None
        return start_definition(core, entry, ticket, domain, wish, view.warnings).ref


def start_definition(
    core: Core,
    entry: Entry,
    ticket: Ticket,
    domain: model.Domain,
    wish: Wish,
    warnings: tuple[str, ...] = (),
) -> View:
    """The start itself; the caller holds the domain's job."""
    core.restarts.forget(entry)
    with doing(f"cannot start domain '{domain.name}'"):
        plan = make_plan(core, domain, wish)
        with _run_folder(core, plan):
            steps = tuple(step for step in plan.steps if step.side == "daemon")
            with _daemon_steps(plan, steps):
                channel = core.spawning.controller(plan.to_json(), wish.fds)
                with contextlib.closing(channel):
                    started = _converse(core, plan, channel, ticket)
        run = _run_of(plan, started, wish)
        view = replace(
            entry.view,
            live=domain,
            waiting=None,
            run=run,
            state=State.PAUSED if wish.paused else State.RUNNING,
            reason=Reason.PAUSED_STARTING_UP if wish.paused else Reason.RUNNING_BOOTED,
            status="",
            warnings=tuple(dict.fromkeys((*warnings, *plan.warnings))),
        )
        save(core, view)
    entry.owner = wish.owner if wish.autodestroy else None
    core.registry.publish(entry, view)
    core.monitor.watch(view.uuid, plan.run, run.controller)
    core.tell(view, Event.STARTED, Detail.STARTED_BOOTED)
    if wish.paused:
        core.tell(view, Event.SUSPENDED, Detail.SUSPENDED_PAUSED)
    return view


def make_plan(core: Core, domain: model.Domain, wish: Wish) -> Plan:
    """What a start of ``domain`` would do now; raises what makes it impossible."""
    host = core.host.facts
    facts = gather.start_facts(domain, core.start_surroundings())
    options = StartOptions(
        run=core.paths.domain_run(domain.uuid),
        log=core.paths.domain_log(domain.name),
        instance=core.paths.instance,
        paused=wish.paused,
        ignore=wish.ignore | frozenset(core.config.ignore),
        require_idmap=core.config.require_idmap,
        log_bytes=core.config.log_bytes,
        fds=len(wish.fds),
    )
    return plan_start(domain, host, facts, options)


@contextlib.contextmanager
def _run_folder(core: Core, plan: Plan) -> Iterator[None]:
    """The folder of live state, which goes away again when the start fails."""
    core.store.make_run(plan.uuid)
    try:
        yield
    except BaseException:
        client.replay(f"{plan.run}/journal")
        core.store.remove_run(plan.uuid)
        raise


@contextlib.contextmanager
def _daemon_steps(plan: Plan, steps: Sequence[Any]) -> Iterator[None]:
    """The steps that the daemon performs itself; undone when the start fails."""
    done: list[dict[str, Any]] = []
    try:
        for step in steps:
            if step.undo is not None:
                done.insert(0, {"op": step.undo.op, "args": dict(step.undo.args)})
            try:
                perform({"op": step.op, "args": dict(step.args)})
            except (StepError, OSError) as error:
                raise VirtlxcError(f"{step.name}: {error}", Code.SYSTEM_ERROR) from None
        yield
    except BaseException:
        undo(done, plan.name)
        raise


def _converse(
    core: Core, plan: Plan, channel: client.StartChannel, ticket: Ticket
) -> dict[str, Any]:
    """Leads the controller through the start; gives what it reports when init runs."""
    ticket.on_cancel(channel.abort)
    try:
        controller = channel.controller()
        core.store.write_starting(plan.uuid, controller["pid"], controller["starttime"])
        core.host.scope(plan, controller["pid"])
        channel.go()
        started = channel.result(core.config.start_timeout)
    except protocol.Failed as failed:
        raise VirtlxcError(_failed_text(failed)) from None
    except (OSError, protocol.ProtocolError, TimeoutError) as error:
        if ticket.cancelled_by:
            raise VirtlxcError(
                f"it was ended by a {ticket.cancelled_by} meanwhile", Code.OPERATION_INVALID
            ) from None
        log.warning("domain '%s': the controller did not come through: %s", plan.name, error)
        raise VirtlxcError(
            f"wait for its controller: {error or 'it died'} (see {plan.log})"
        ) from None
    return {"controller": controller, **started}


def _failed_text(failed: protocol.Failed) -> str:
    cause = failed.text or (os.strerror(failed.errno) if failed.errno else "")
    return f"{failed.step}: {cause}" if failed.step else cause


def _run_of(plan: Plan, started: dict[str, Any], wish: Wish) -> Run:
    controller = Process(
        pid=started["controller"]["pid"], starttime=started["controller"]["starttime"]
    )
    moment = now()
    return Run(
        controller=controller,
        init=Process(pid=started["init"]["pid"], starttime=started["init"]["starttime"]),
        boot_id=protocol.boot_id(),
        started=moment,
        booted=moment,
        leaf=_resolved(plan.leaf, controller.pid),
        v1={name: _resolved(group, controller.pid) for name, group in plan.v1.items()},
        links=plan.links,
        autodestroy=wish.autodestroy,
        undo=tuple(
            {"op": step.undo.op, "args": dict(step.undo.args)}
            for step in reversed(plan.steps)
            if step.side == "daemon" and step.undo is not None
        ),
    )


def _resolved(group: Group, controller: int) -> Group:
    return Group(mount=group.mount, path=group.path.replace(CONTROLLER, str(controller)))
