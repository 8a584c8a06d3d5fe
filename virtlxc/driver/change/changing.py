"""A running domain becomes another one: a device comes, goes, or is changed.

What is to be done is the difference of two plans (:mod:`virtlxc.plan.changes`); a process of the
spawner does what is done inside or on mounts. Before anything is done, a journal of its own says
how it is taken back, so that a daemon that dies leaves the next one the old domain or the new:

- something is added: until the live state is written, the next daemon takes it back;
- something is removed: the next daemon goes on with it, unless the container keeps it busy.

The controller is told what its next boots perform, because it may boot again without a daemon.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from virtlxc import model
from virtlxc.driver import files, refusals
from virtlxc.driver.core import Core, doing, log
from virtlxc.driver.domain import live
from virtlxc.driver.domain.domain import Entry, Process, View
from virtlxc.driver.domain.store import read_json
from virtlxc.driver.life import controllers, steps
from virtlxc.driver.processes import alive, open_pidfd
from virtlxc.errors import Code, VirtlxcError
from virtlxc.host import gather
from virtlxc.host.facts import Network, Nic, StartFacts
from virtlxc.plan import checks, network, start
from virtlxc.plan.changes import AtStartOnly, Change, beyond, boot_half, difference, understood
from virtlxc.plan.scene import Scene, StartOptions
from virtlxc.plan.steps import Step
from virtlxc.runtime import protocol

_SECONDS = 15.0
_LOCK_SECONDS = 5.0
_FILE = "change.json"


def change(core: Core, entry: Entry, target: View, check: model.Domain | None) -> View:
    """Makes the running domain of ``entry`` what ``target`` says; the caller holds the job.

    ``target`` is the view with the changed ``live``, and with ``links``, ``bridges`` and
    ``aliases`` of ``run`` to match. ``check`` is the domain reduced to what is new, if anything is:
    the checks of a start are made for that. Raises VirtlxcError, RESOURCE_BUSY
    when the container keeps what was to be taken from it; then nothing has changed.
    """
    view = entry.view
    assert view.run is not None and view.live is not None
    assert target.run is not None and target.live is not None
    with doing(f"cannot change domain '{view.name}'"):
        now = _facts(core, view, target, start_networks=True)
        if check is not None:
            checks.check_devices(_scene(core, target, now, check))
        facts = _as_given(view, now)
        todo = _difference(core, view, target, facts)
        number = view.run.changes + 1
        undo = (*_without(view.run.undo, todo.taken), *todo.lasting)
        seen = gather.names(target.live, facts.usb)
        run = replace(
            target.run,
            changes=number,
            undo=undo,
            sources=tuple(source for source in facts.sources if source.path in seen),
            usb={dev.usb_name: facts.usb[dev.usb_name] for dev in target.live.hostdevs
                 if dev.usb_name in facts.usb},
        )  # fmt: skip
        new = replace(target, run=run)
        with _journalled(core, new, todo) as lock:
            _perform(core, view, todo, lock)
            live.save(core, new)
        return core.registry.publish(entry, new)


def _difference(core: Core, view: View, target: View, facts: StartFacts) -> Change:
    assert view.run is not None and view.live is not None
    before = start.steps(_scene(core, view, facts, named(view)))
    after = start.steps(_scene(core, target, facts, named(target)))
    init = view.run.init
    try:
        return difference(tuple(before), tuple(after), (init.pid, init.starttime))
    except AtStartOnly as error:
        raise VirtlxcError(
            f"{error.step.name}: this cannot be done while the container runs (change the"
            " definition, --config: it is done at the next start)",
            Code.OPERATION_UNSUPPORTED,
        ) from None


def named(view: View) -> model.Domain:
    """The live definition with the names that the links have got."""
    assert view.run is not None and view.live is not None
    cards = [
        replace(card, target=host or card.target, guest=guest or card.guest)
        for card, (host, guest) in zip(view.live.interfaces, view.run.links, strict=False)
    ]
    return replace(view.live, interfaces=(*cards, *view.live.interfaces[len(cards) :]))


def _facts(core: Core, view: View, target: View, *, start_networks: bool) -> StartFacts:
    """What is there now, for the domain as it is and as it shall be.

    A network that was taken away is still what its cards are on.
    """
    assert target.run is not None and target.live is not None
    facts = core.host.start_facts(_both(named(view), named(target)), start_networks=start_networks)
    used = {
        card.source: Network(active=True, bridge=bridge)
        for card, bridge in zip(target.live.interfaces, target.run.bridges, strict=False)
        if card.type == "network" and card.source and bridge
    }
    return replace(
        facts,
        networks={**used, **facts.networks},
        nics={**_lent(core, target), **facts.nics},
    )


def _as_given(view: View, facts: StartFacts) -> StartFacts:
    """What the container has is what it was then, though the host may have lost or renumbered it.
    """
    assert view.run is not None
    sources = {source.path: source for source in (*facts.sources, *view.run.sources)}
    return replace(
        facts, sources=tuple(sources.values()), usb={**facts.usb, **view.run.usb}
    )


def _both(one: model.Domain, other: model.Domain) -> model.Domain:
    """A domain with the devices of both, to look at what they name."""
    devices: dict[str, Any] = {
        kind: tuple(dict.fromkeys((*getattr(other, kind), *getattr(one, kind))))
        for kind in model.DEVICE_KINDS
    }
    return replace(other, **devices)


def _lent(core: Core, view: View) -> dict[str, Nic]:
    """The host's interfaces that the container has, as they were on the host: it takes note."""
    assert view.run is not None
    kept = read_json(f"{core.paths.domain_run(view.uuid)}/journal") or {}
    return {
        args["name"]: Nic(mac=args["mac"], mtu=args["mtu"] or 0, up=bool(args["up"]))
        for record in (*kept.get("undo", ()), *view.run.undo)
        if record["op"] == "link-return" and (args := record["args"])
    }


def host_name(core: Core, view: View, card: model.Interface) -> str:
    """The name that the host's end of one more card gets; '' when it has none."""
    domain = named(view)
    domain = replace(domain, interfaces=(*domain.interfaces, card))
    facts = core.host.start_facts(domain, start_networks=True)
    return network.links(_scene(core, view, facts, domain))[-1][0]


def _scene(core: Core, view: View, facts: StartFacts, domain: model.Domain) -> Scene:
    run = view.run
    assert run is not None
    options = StartOptions(
        run=core.paths.domain_run(view.uuid),
        leaf=run.leaf.path,
        log=core.paths.domain_log(view.name),
        instance=core.paths.instance,
        ignore=frozenset(core.config.ignore),
        require_idmap=core.config.require_idmap,
        log_bytes=core.config.log_bytes,
        fds=run.fds,
    )
    return Scene(domain, core.host.facts, facts, options, purpose="change")


def _without(records: Sequence[Any], taken: Sequence[Any]) -> tuple[Any, ...]:
    # What is undone in passing at a domain's end is undone in full now: the arguments are the same.
    gone = [record["args"] for record in taken]
    return tuple(record for record in records if record["args"] not in gone)


# Doing it


def _perform(core: Core, view: View, todo: Change, lock: int) -> None:
    """All of a change, or nothing of it."""
    if todo.removals or todo.taken:
        _remove(core, view, todo, lock)
    else:
        _add(core, view, todo, lock)


def _add(core: Core, view: View, todo: Change, lock: int) -> None:
    try:
        _inside(core, view, todo.additions, lock)
        _amend(core, view, todo.boot)
    except BaseException:
        _take_back(core, view, todo)
        _amend_back(core, view, todo)
        raise


def _remove(core: Core, view: View, todo: Change, lock: int) -> None:
    """A boot that begins meanwhile is one without the device already."""
    assert view.run is not None
    try:
        _amend(core, view, todo.boot)
        if alive(view.run.init):
            _take_away(core, view, todo.removals, lock)
    except BaseException:
        _amend_back(core, view, todo)
        raise
    steps.take_back(todo.taken, view.name)
    try:
        _inside(core, view, todo.additions, lock)
    except VirtlxcError as error:
        log.warning("domain '%s': %s", view.name, error.message)


def _take_away(core: Core, view: View, removals: Sequence[Step], lock: int) -> None:
    """Twice, if need be: one that was killed may have done it before, which is no error."""
    try:
        _inside(core, view, removals, lock)
    except VirtlxcError as error:
        if error.code == Code.RESOURCE_BUSY:
            raise
        _inside(core, view, removals, lock)


def _inside(core: Core, view: View, wanted: Sequence[Step], lock: int | None) -> None:
    """Has steps performed, by a process that enters the container for those of its init."""
    run = view.run
    assert run is not None
    if not wanted:
        return
    init = open_pidfd(run.init)
    if init is None:
        raise refusals.not_running()
    request = {
        "steps": [step.to_json() for step in wanted],
        "pids": {
            "controller": run.controller.pid,
            "stage": run.init.pid,
            "init": run.init.pid,
        },
    }
    try:
        fds = (init,) if lock is None else (init, lock)
        core.spawning.change(request, fds, _SECONDS)
    except protocol.Failed as failed:
        cause = failed.text or os.strerror(failed.errno)
        text = f"{failed.step}: {cause}" if failed.step else cause
        if failed.step.startswith("detach "):
            raise VirtlxcError(text, Code.RESOURCE_BUSY) from None
        raise VirtlxcError(text) from None
    except (OSError, protocol.ProtocolError, TimeoutError) as error:
        raise VirtlxcError(f"wait for the change: {error or 'no answer'}") from None
    finally:
        os.close(init)


def _take_back(core: Core, view: View, todo: Change) -> None:
    """Undoes additions; what cannot be undone any more went with the container."""
    _again(core, view, [step.to_json() for step in todo.undo_inside])
    steps.take_back(todo.undo, view.name)


def _again(core: Core, view: View, wanted: list[dict[str, Any]]) -> bool:
    """Performs steps that take something away inside; whether they could be."""
    try:
        _inside(core, view, [Step.from_json(step) for step in wanted], None)
    except VirtlxcError as error:
        log.warning("domain '%s': %s", view.name, error.message)
        return False
    return True


def _amend(core: Core, view: View, boot: Sequence[Step]) -> None:
    """Tells the controller what its next boots perform; it must be the boot that we know."""
    assert view.run is not None
    try:
        with controllers.connect(core.paths.domain_run(view.uuid)) as sock:
            features = controllers.hello(sock).get("features", ())
            if step := beyond(boot, features):
                raise VirtlxcError(
                    f"{step.name}: its controller is of an earlier version, and would not do this "
                    "at a reboot from inside (start the domain anew)",
                    Code.OPERATION_UNSUPPORTED,
                )
            performed = understood(boot, features)
            status = controllers.call(sock, "AMEND", boot=_packed(performed))
    except controllers.ControllerGone as error:
        raise VirtlxcError(f"tell its controller: {error}") from None
    init = status.get("init") or {}
    now = Process(pid=init.get("pid", 0), starttime=init.get("starttime", 0))
    if now != view.run.init or status.get("state") != "running":
        raise VirtlxcError("it reboots at this moment (try again)", Code.OPERATION_INVALID)


def _packed(boot: Sequence[Step]) -> str:
    packed = zlib.compress(json.dumps([step.to_json() for step in boot]).encode(), 6)
    return base64.b64encode(packed).decode()


def _amend_back(core: Core, view: View, todo: Change) -> None:
    try:
        _amend(core, view, todo.boot_before)
    except VirtlxcError as error:
        log.warning("domain '%s': %s", view.name, error.message)


# The journal of a change


@contextlib.contextmanager
def _journalled(core: Core, new: View, todo: Change) -> Iterator[int]:
    """Says on disk what is about to be done; gives the lock that lasts as long as it is done."""
    folder = core.paths.domain_run(new.uuid)
    path = f"{folder}/{_FILE}"
    assert new.run is not None
    data = {
        "proto": 1,
        "change": new.run.changes,
        "removals": [step.to_json() for step in todo.removals],
        "taken": list(todo.taken),
        "undo": list(todo.undo),
        "undo_inside": [step.to_json() for step in todo.undo_inside],
        "after": live.status(new),
    }
    lock = os.open(f"{folder}/{_FILE}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.replace(path, json.dumps(data).encode())
        yield lock
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{_FILE}.lock")
        os.close(lock)


def take_over(core: Core, entry: Entry) -> None:
    """Ends a change that an earlier daemon left half done; the domain runs, and its job is held."""
    view = entry.view
    assert view.run is not None
    folder = core.paths.domain_run(view.uuid)
    found = read_json(f"{folder}/{_FILE}")
    if found is None:
        return
    _await_lock(f"{folder}/{_FILE}.lock", view)
    if int(found["change"]) > view.run.changes:
        if not found["removals"] and not found["taken"]:
            _again(core, view, found["undo_inside"])
            steps.take_back(tuple(found["undo"]), view.name)
        elif _again(core, view, found["removals"]):
            steps.take_back(tuple(found["taken"]), view.name)
            after = live.load(found["after"])
            view = replace(view, live=after.live, run=after.run)
            live.save(core, view)
            core.registry.publish(entry, view)
    with contextlib.suppress(VirtlxcError):
        facts = _as_given(view, _facts(core, view, view, start_networks=False))
        boot = boot_half(tuple(start.steps(_scene(core, view, facts, named(view)))))
        _amend(core, view, boot)
    for name in (_FILE, f"{_FILE}.lock"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")


def _await_lock(path: str, view: View) -> None:
    """Waits for a process that still works for the daemon that has died."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    end = time.monotonic() + _LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    log.warning("domain '%s': a change of it does not end", view.name)
                    return
                time.sleep(0.02)
    finally:
        os.close(lock)


def clean(core: Core, view: View) -> None:
    """What a change that nobody ended has left, when the domain has ended."""
    found = read_json(f"{core.paths.domain_run(view.uuid)}/{_FILE}")
    if found is not None:
        steps.take_back((*found["undo"], *found["taken"]), view.name)
