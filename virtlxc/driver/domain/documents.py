"""The documents of domains, kept: writing one costs as much as a hundred look-ups.

A monitor asks for every domain's XML every few seconds, and a start writes what the last one
wrote; definitions and what a running domain shows are values, so the text of each is one too.
"""

from __future__ import annotations

from functools import lru_cache

from virtlxc import model


def document(domain: model.Domain, live: model.LiveView | None = None) -> str:
    """:func:`virtlxc.model.format_domain`, kept for the last thousand."""
    return _document(domain, live)


# Of one signature only: what is left to its default would be another key.
@lru_cache(1024)
def _document(domain: model.Domain, live: model.LiveView | None) -> str:
    return model.format_domain(domain, live=live)
