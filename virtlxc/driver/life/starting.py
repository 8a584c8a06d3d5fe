"""A start: from a definition to a running init, or to nothing at all.

Everything a start makes is undone by the controller when a step fails, by the kernel when
processes die, and by the journal when the controller itself does. What is left to do here after a
failure is the daemon's own steps and the folder of live state.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from virtlxc import model
from virtlxc.driver import files, refusals
from virtlxc.driver.constants import Detail, Event, Reason, Start, State
from virtlxc.driver.core import Core, doing, log
from virtlxc.driver.domain import definitions
from virtlxc.driver.domain.domain import Entry, PlanMemo, Process, Run, View, now
from virtlxc.driver.domain.live import save
from virtlxc.driver.jobs import Ticket
from virtlxc.driver.life import lost, steps
from virtlxc.driver.life.killing import kill_run
from virtlxc.driver.ref import Ref
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import neighbours
from virtlxc.host.cgroup import layout
from virtlxc.host.systemd import NoScopeError, ScopeTakenError
from virtlxc.plan import StartOptions, plan_start, ports, render
from virtlxc.plan.steps import CONTROLLER, Group, Plan
from virtlxc.runtime import client, protocol

# How long a controller that is told to give a start up may take to undo it.
_UNDO_SECONDS = 10.0

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
    domain, warnings = definitions.read(xml, validate=bool(wish.flags & Start.VALIDATE))
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
    core.host.expect_scope(domain)
    with doing(f"cannot start domain '{domain.name}'"), core.departed.starting():
        lost.check(core, domain.uuid)
        check_macs(core, domain)
        _check_neighbours(domain)
        try:
            plan, view, notices = _attempt(core, entry, ticket, domain, wish, warnings)
        except (NoScopeError, ScopeTakenError):
            plan, view, notices = _attempt(core, entry, ticket, domain, wish, warnings)
    entry.owner = wish.owner if wish.autodestroy else None
    for warning in plan.warnings:
        log.info("domain '%s': %s", view.name, warning)
    core.registry.publish(entry, view)
    assert view.run is not None
    core.monitor.watch(view.uuid, plan.run, view.run.controller, notices)
    core.tell(view, Event.STARTED, Detail.STARTED_BOOTED)
    if wish.paused:
        core.tell(view, Event.SUSPENDED, Detail.SUSPENDED_PAUSED)
    return view


def _attempt(
    core: Core,
    entry: Entry,
    ticket: Ticket,
    domain: model.Domain,
    wish: Wish,
    warnings: tuple[str, ...],
) -> tuple[Plan, View, socket.socket]:
    """Plans, performs and records a start; after an error nothing of it is left.

    With the view, the connection that brings the controller's notices.
    """
    plan = make_plan(core, domain, wish, start_networks=True, memo=entry.memo)
    core.store.remove_run(plan.uuid)
    with _unwound(core, plan):
        started = _perform(core, domain, plan, wish, ticket)
        run = _run_of(core, domain, plan, started, wish)
        assert entry.memo.facts is not None
        run = replace(run, sources=entry.memo.facts.sources, usb=entry.memo.facts.usb)
        view = replace(
            entry.view,
            live=_with_ports(core, plan, domain),
            waiting=None,
            run=run,
            state=State.PAUSED if wish.paused else State.RUNNING,
            reason=Reason.PAUSED_STARTING_UP if wish.paused else Reason.RUNNING_BOOTED,
            status="",
            warnings=tuple(dict.fromkeys((*warnings, *plan.warnings))),
        )
        try:
            save(core, view)
        except BaseException:
            # A domain that the next daemon would not find must not run.
            started["notices"].close()
            kill_run(run, plan.run)
            raise
    return plan, view, started["notices"]


def plan_text(core: Core, xml: str | None, ref: Ref | None) -> str:
    """What a start would do now, as a person reads it; nothing is started, no network either."""
    if xml is not None:
        domain, _ = definitions.read(xml, validate=False)
    elif ref is not None:
        view = core.view(ref)
        domain = view.config or view.current
    else:
        raise refusals.bad_argument("there is neither a document nor a domain to plan")
    with doing(f"cannot plan a start of domain '{domain.name}'"):
        plan = make_plan(core, domain, Wish(), start_networks=False)
    return render(plan, facts=f"of this host ({core.host.facts.source})")


def check_macs(core: Core, domain: model.Domain) -> None:
    """Two running containers with one MAC on a bridge would both be broken."""
    macs = {card.mac for card in domain.interfaces if card.mac}
    for other in core.registry.snapshot.by_name.values():
        if other.live is None or other.uuid == domain.uuid:
            continue
        for card in other.live.interfaces:
            if card.mac in macs:
                raise VirtlxcError(
                    f"check its interfaces: the MAC {card.mac} is used by the running domain"
                    f" '{other.name}' (give one of them another <mac address=.../>)",
                    Code.OPERATION_INVALID,
                )


def _check_neighbours(domain: model.Domain) -> None:
    """Two inits on one root folder destroy it: a domain may just be on its way from libvirt."""
    root = domain.root
    source = root.source if root is not None and root.type == "mount" else None
    problem = neighbours.conflict(domain.uuid, source or "", neighbours.running())
    if problem:
        raise VirtlxcError(f"look at the host: {problem}", Code.OPERATION_INVALID)


def make_plan(
    core: Core,
    domain: model.Domain,
    wish: Wish,
    *,
    start_networks: bool,
    memo: PlanMemo | None = None,
) -> Plan:
    """What a start of ``domain`` would do now; raises what makes it impossible.

    A plan is the same when all that it follows from is: ``memo`` keeps the last one.
    """
    options = StartOptions(
        run=core.paths.domain_run(domain.uuid),
        leaf=core.host.scope_leaf(domain),
        log=core.paths.domain_log(domain.name),
        instance=core.paths.instance,
        paused=wish.paused,
        ignore=wish.ignore | frozenset(core.config.ignore),
        require_idmap=core.config.require_idmap,
        log_bytes=core.config.log_bytes,
        fds=len(wish.fds),
    )
    facts = core.host.start_facts(domain, start_networks=start_networks)
    given = (domain, core.host.facts, facts, options)
    if memo is None:
        return plan_start(*given)
    if memo.plan is None or memo.given != given:
        memo.plan, memo.given, memo.facts = plan_start(*given), given, facts
    return memo.plan


@contextlib.contextmanager
def _unwound(core: Core, plan: Plan) -> Iterator[None]:
    """Takes back what a controller that is gone has left, when the start fails."""
    try:
        yield
    except BaseException:
        steps.replay(plan.run, plan.name)
        core.store.remove_run(plan.uuid)
        raise


def _perform(
    core: Core, domain: model.Domain, plan: Plan, wish: Wish, ticket: Ticket
) -> dict[str, Any]:
    """Has the plan performed; gives what the controller reports when init runs."""
    try:
        wanted = plan.to_json() | {"go": not _scoped(plan)}
        with core.spawning.controller(wanted, wish.fds) as channel:
            ticket.on_cancel(channel.abort)
            try:
                return _converse(core, domain, plan, channel)
            except (TimeoutError, VirtlxcError):
                channel.abort()
                with contextlib.suppress(protocol.Failed):
                    channel.result(_UNDO_SECONDS)
                raise
    except protocol.Failed as failed:
        if ticket.cancelled_by:
            raise VirtlxcError(
                f"it was ended by a {ticket.cancelled_by} meanwhile", Code.OPERATION_INVALID
            ) from None
        raise VirtlxcError(_failed_text(failed, plan, domain)) from None
    except (OSError, protocol.ProtocolError) as error:
        raise VirtlxcError(f"wait for its controller: {error} (see {plan.log})") from None


def _converse(
    core: Core, domain: model.Domain, plan: Plan, channel: client.StartChannel
) -> dict[str, Any]:
    limit = core.config.start_timeout
    controller = channel.controller(limit)
    if _scoped(plan):
        core.store.write_starting(plan.uuid, controller["pid"], controller["starttime"])
        scope = _resolved(plan.leaf, controller["pid"])
        core.host.make_scope(domain, controller["pid"], scope.mount + scope.path)
        channel.go()
    result = channel.result(limit)
    return {"controller": controller, "notices": channel.take_notices(), **result}


def _scoped(plan: Plan) -> bool:
    """Whether the controller has to be put into a scope before it may make anything."""
    return plan.leaf.path.endswith(layout.SCOPE)


def _failed_text(failed: protocol.Failed, plan: Plan, domain: model.Domain) -> str:
    cause = failed.text or (os.strerror(failed.errno) if failed.errno else "no reason was given")
    where = f"{failed.step}: " if failed.step else ""
    if domain.memory < model.LEAST_MEMORY_KIB and (failed.errno == errno.ENOMEM or not where):
        return f"{where}{cause}: {domain.memory} KiB of memory is too little{model.UNIT_MEND}"
    if failed.step == "fork the stage" and failed.errno == errno.EPERM:
        return f"{where}{cause} (the kernel makes no namespaces in a chroot: virtlxc host-validate)"
    if where:
        return f"{where}{cause}{files.mend(failed.errno)}"
    return f"{cause} (see {plan.log})" if os.path.exists(plan.log) else cause


def _run_of(
    core: Core, domain: model.Domain, plan: Plan, started: dict[str, Any], wish: Wish
) -> Run:
    controller = Process(
        pid=started["controller"]["pid"], starttime=started["controller"]["starttime"]
    )
    moment = now()
    return Run(
        controller=controller,
        init=Process(pid=started["init"], starttime=started["init_starttime"]),
        boot_id=protocol.boot_id(),
        started=moment,
        booted=moment,
        leaf=_resolved(plan.leaf, controller.pid),
        v1={name: _resolved(group, controller.pid) for name, group in plan.v1.items()},
        links=plan.links,
        bridges=_bridges(core, domain),
        aliases=model.first_aliases(domain),
        fds=len(wish.fds),
        autodestroy=wish.autodestroy,
        undo=steps.undo_records(plan, controller.pid),
    )


def _with_ports(core: Core, plan: Plan, domain: model.Domain) -> model.Domain:
    """The domain with what its networks say of its ports, which holds as long as it runs.

    Without what this start was told to ignore: nor will the next boot from inside look at it.
    """
    known = core.networks.facts()
    cards = [ports.of_network(card, known) for card in domain.interfaces]
    for at, ((host, _), card) in enumerate(zip(plan.links, cards, strict=False)):
        cards[at] = ports.as_made(card, host, plan.steps)
    return replace(domain, interfaces=tuple(cards))


def _bridges(core: Core, domain: model.Domain) -> tuple[str | None, ...]:
    known = core.networks.known()
    return tuple(
        known[card.source][1] if card.type == "network" and card.source in known else None
        for card in domain.interfaces
    )


def _resolved(group: Group, controller: int) -> Group:
    return Group(mount=group.mount, path=group.path.replace(CONTROLLER, str(controller)))
