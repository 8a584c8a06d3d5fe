"""validate and host-validate: what is wrong with files, and with the host."""

from __future__ import annotations

import os
from typing import Any

from virtlxc import model, schema
from virtlxc.cli.session import Session
from virtlxc.errors import VirtlxcError
from virtlxc.inventory import documents


def problems(path: str, text: str) -> list[str]:
    """What is wrong with a file, one line each; empty when nothing is."""
    return [str(one) for one in schema.validate(text, kind_of(text), file=path)]


def kind_of(text: str) -> str:
    """The kind of document, by its first element; a domain when that cannot be seen."""
    first = documents.kind_of(text)
    return next((kind for kind, root in schema.ROOTS.items() if root == first), "domain")


def warnings(text: str) -> list[str]:
    """What the owner of a valid domain should know."""
    return model.check(model.parse_domain(text)) if kind_of(text) == "domain" else []


def host_rows(session: Session) -> list[dict[str, Any]]:
    """The facts of the host: from the daemon where it answers, else what we can see ourselves."""
    facts = _from_daemon(session)
    if facts is None:
        facts = _from_here(session)
    names = ("name", "status", "text", "mend")
    return [dict(zip(names, fact, strict=True)) for fact in facts]


def _from_daemon(session: Session) -> list[Any] | None:
    from virtlxc.rpc.client import Connection

    try:
        with Connection(session.address, session.readonly or os.geteuid() != 0) as connection:
            facts: list[Any] = connection.call("HOST_VALIDATE", program="virtlxc")["facts"]
    except VirtlxcError:
        return None
    return facts


def _from_here(session: Session) -> list[Any]:
    from virtlxc.host.probe import probe_host, probe_passive
    from virtlxc.host.validate import rows

    host = probe_host() if os.geteuid() == 0 else probe_passive()
    return [(row.name, row.status, row.text, row.mend) for row in rows(host)]
