"""The persistent half of a domain: define, undefine, rename, autostart, and its XML."""

from __future__ import annotations

import uuid as _uuid
from dataclasses import replace

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.constants import Define, Detail, Event, State, Xml
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain.documents import document
from virtlxc.driver.domain.domain import View
from virtlxc.driver.ref import Defined, Ref
from virtlxc.model.complete import random_mac


def read(xml: str, *, validate: bool) -> tuple[model.Domain, tuple[str, ...]]:
    """A complete definition and its warnings; raises for what no definition may be."""
    if validate:
        # Compiling the schema costs more than all other imports, and few ask for it.
        from virtlxc import schema

        schema.require_valid(xml, "domain")
    domain = model.parse_domain(xml)
    domain = model.complete(domain, new_uuid=lambda: str(_uuid.uuid4()), new_mac=random_mac)
    return domain, tuple(model.check(domain))


def define(core: Core, xml: str, flags: int) -> Defined:
    refusals.check_flags("lxcDomainDefineXMLFlags", flags, Define.VALIDATE)
    domain, warnings = read(xml, validate=bool(flags & Define.VALIDATE))
    view = View(name=domain.name, uuid=domain.uuid)
    with core.claiming(view, "define") as (entry, _):
        old = entry.view
        with doing(f"cannot define domain '{domain.name}'"):
            core.store.write_definition(domain.name, document(domain))
        new = replace(old, config=domain, updated=old.active, warnings=warnings)
        core.registry.publish(entry, new)
        detail = Detail.DEFINED_UPDATED if old.persistent else Detail.DEFINED_ADDED
        core.tell(new, Event.DEFINED, detail)
    return Defined(new.ref, warnings)


def undefine(core: Core, ref: Ref, flags: int) -> None:
    # Flags say what to do with managed saves, snapshots, checkpoints, NVRAM and TPM state: a
    # container has none of them, so each wish is already fulfilled.
    refusals.check_flags("lxcDomainUndefineFlags", flags, 0x7F)
    with core.changing(ref, "undefine") as (entry, _):
        old = entry.view
        if not old.persistent:
            raise refusals.invalid("Cannot undefine transient domain")
        with doing(f"cannot undefine domain '{old.name}'"):
            core.store.remove_definition(old.name)
        core.restarts.forget(entry)
        new = replace(old, config=None, waiting=None, autostart=False, updated=False)
        if new.state == State.CRASHED:
            new = replace(new, state=State.SHUTOFF)
        core.registry.publish(entry, new)
        core.tell(new, Event.UNDEFINED, Detail.UNDEFINED_REMOVED)


def rename(core: Core, ref: Ref, new_name: str, flags: int) -> Ref:
    """As libvirt: only an inactive persistent domain can get another name."""
    refusals.check_flags("lxcDomainRename", flags)
    with core.changing(ref, "rename") as (entry, _):
        old = entry.view
        if old.active:
            raise refusals.invalid("cannot rename active domain")
        if old.config is None:
            raise refusals.invalid("cannot rename a transient domain")
        if new_name == old.name:
            return old.ref
        config = replace(old.config, name=new_name)
        model.check(config)
        with core.registry.renaming(entry, new_name), doing(f"cannot rename domain '{old.name}'"):
            # Both files exist for a moment: the newer one counts, should we die in between.
            core.store.write_definition(new_name, document(config))
            if old.autostart:
                core.store.set_autostart(new_name, True)
            core.store.remove_definition(old.name)
            new = core.registry.publish(entry, replace(old, name=new_name, config=config))
        core.tell(old, Event.UNDEFINED, Detail.UNDEFINED_RENAMED)
        core.tell(new, Event.DEFINED, Detail.DEFINED_RENAMED)
    return new.ref


def set_autostart(core: Core, ref: Ref, on: bool) -> None:
    with core.changing(ref, "change the autostart of") as (entry, _):
        view = entry.view
        if not view.persistent:
            raise refusals.invalid("Cannot set autostart for transient domain")
        with doing(f"cannot set the autostart of domain '{view.name}'"):
            core.store.set_autostart(view.name, on)
        core.registry.publish(entry, replace(view, autostart=on))


def xml(view: View, flags: int, *, hide_environment: bool) -> str:
    """The document of the definition that runs, or of the persistent one.

    ``hide_environment`` leaves out the values of ``<initenv>``, which carry secrets.
    """
    known = Xml.SECURE | Xml.INACTIVE | Xml.UPDATE_CPU | Xml.MIGRATABLE
    refusals.check_flags("lxcDomainGetXMLDesc", flags, known)
    inactive = bool(flags & Xml.INACTIVE)
    domain = (view.config or view.current) if inactive else view.current
    if hide_environment and domain.os.initenv:
        hidden = tuple((name, "") for name, _ in domain.os.initenv)
        domain = replace(domain, os=replace(domain.os, initenv=hidden))
    live = None if inactive or view.live is None else live_view(view)
    return document(domain, live)


def live_view(view: View) -> model.LiveView:
    assert view.run is not None
    return model.LiveView(
        id=view.id,
        consoles=view.run.ptys,
        links=view.run.links,
        bridges=view.run.bridges,
        aliases=view.run.aliases,
    )


def keep_config(core: Core, view: View, config: model.Domain) -> None:
    """Writes a changed persistent definition; the caller holds the job and publishes."""
    core.store.write_definition(view.name, document(config))
