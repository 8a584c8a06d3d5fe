"""What a domain's document says and nobody acts on, wherever in the model it was kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from virtlxc.model import Domain, Kept


def kept(domain: Domain) -> tuple[Kept, ...]:
    """All that was kept, in the model's order; paths as the parser gave them."""
    return tuple(_walk(domain))


def _walk(value: Any) -> Iterator[Kept]:
    if isinstance(value, Kept):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _walk(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(item)
