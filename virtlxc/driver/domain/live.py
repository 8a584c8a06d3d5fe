"""The live state of a domain on disk: what the next daemon needs to take it over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from virtlxc import model
from virtlxc.driver.core import Core
from virtlxc.driver.domain.documents import document
from virtlxc.driver.domain.domain import Run, View
from virtlxc.host.plain import from_plain, to_plain


def save(core: Core, view: View) -> None:
    """Writes status.json of a domain that runs, waits for a restart, or is kept as crashed."""
    core.store.write_status(view.uuid, status(view))


def status(view: View) -> dict[str, Any]:
    """What status.json has of a domain, for :func:`load`."""
    domain = view.live or view.waiting
    return {
        "name": view.name,
        "uuid": view.uuid,
        "xml": document(domain) if domain else None,
        "state": view.state,
        "reason": view.reason,
        "status": view.status,
        "warnings": list(view.warnings),
        "run": to_plain(view.run),
    }


def load(found: dict[str, Any]) -> View:
    """The view that :func:`save` wrote; raises VirtlxcError, KeyError, TypeError or ValueError."""
    domain = model.parse_domain(found["xml"]) if found.get("xml") else None
    run = from_plain(Run, found["run"]) if found.get("run") else None
    if run is not None and domain is not None and run.aliases == model.Aliases():
        # Of a daemon that named no devices.
        run = replace(run, aliases=model.first_aliases(domain))
    return View(
        name=found["name"],
        uuid=found["uuid"],
        live=domain if run else None,
        waiting=None if run else domain,
        run=run,
        state=found["state"],
        reason=found["reason"],
        status=found.get("status", ""),
        warnings=tuple(found.get("warnings", ())),
    )
