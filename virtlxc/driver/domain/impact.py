"""Which of a domain's two definitions a call is about: libvirt's AFFECT_ flags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from virtlxc import model
from virtlxc.driver import refusals
from virtlxc.driver.constants import Affect
from virtlxc.driver.core import Core, doing
from virtlxc.driver.domain import definitions, live
from virtlxc.driver.domain.domain import Entry, View

_BOTH = Affect.LIVE | Affect.CONFIG


def resolve(view: View, flags: int) -> int:
    """``flags`` with CURRENT made LIVE or CONFIG; raises what does not fit the domain's state."""
    impact = flags & _BOTH
    if not impact:
        impact = Affect.LIVE if view.active else Affect.CONFIG
    if impact & Affect.LIVE and not view.active:
        raise refusals.not_running()
    if impact & Affect.CONFIG and not view.persistent:
        raise refusals.invalid("transient domains do not have any persistent config")
    return impact


def of_get(view: View, flags: int) -> model.Domain:
    """The definition that a getter reads; LIVE and CONFIG together make no sense there."""
    if flags & _BOTH == _BOTH:
        raise refusals.bad_argument("flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG'"
                                    " are mutually exclusive")
    if resolve(view, flags) == Affect.LIVE:
        assert view.live is not None
        return view.live
    assert view.config is not None
    return view.config


def apply(
    core: Core,
    entry: Entry,
    flags: int,
    change: Callable[[model.Domain], model.Domain],
    act: Callable[[View, model.Domain], None] | None = None,
) -> View:
    """Changes the definitions that ``flags`` mean; the caller holds the job.

    ``act(view, new)`` makes the running domain follow before anything is written.
    """
    view = entry.view
    impact = resolve(view, flags)
    new = view
    if impact & Affect.CONFIG:
        assert view.config is not None
        new = replace(new, config=change(view.config))
    if impact & Affect.LIVE:
        assert view.live is not None
        changed = change(view.live)
        if act is not None:
            act(view, changed)
        new = replace(new, live=changed)
    with doing(f"cannot change domain '{view.name}'"):
        if new.config is not view.config and new.config is not None:
            definitions.keep_config(core, view, new.config)
        if new.live is not view.live:
            live.save(core, new)
    return core.registry.publish(entry, new)
