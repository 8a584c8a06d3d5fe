"""What does not carry over when a definition moves between virtlxc and a libvirt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass

from virtlxc import model
from virtlxc.errors import VirtlxcError
from virtlxc.inventory.documents import Document, read_value
from virtlxc.inventory.verdict import differences
from virtlxc.model import Domain
from virtlxc.model.container import CONTAINER, Container

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """About one definition: each a sentence."""

    title: str
    texts: tuple[str, ...] = ()


def coming(document: Document) -> Report:
    """What virtlxc does another way with it than libvirt's LXC driver."""
    if not isinstance(document.value, Domain):
        return Report(title=document.title)
    found = differences(document.value, frozenset())
    return Report(title=document.title, texts=tuple(one.cause for one in found))


def going(document: Document, kept: str | None) -> Report:
    """What has no effect there; ``kept`` is what the other side made of it, None if not tried."""
    texts = list(_ours_alone(document.value)) if isinstance(document.value, Domain) else []
    if kept is not None:
        texts += _lost(document, kept)
    return Report(title=document.title, texts=tuple(texts))


def _ours_alone(domain: Domain) -> Iterator[str]:
    said = {
        row.path.partition("/")[0]
        for row in CONTAINER.rows
        if (name := getattr(row, "field", ""))
        and getattr(domain.container, name) != getattr(Container(), name)
    }
    for tag in sorted(said):
        yield f"<{tag}> is kept, and has no effect there"
    if domain.root is None:
        yield "without a root file system it has the host's own there, to write to"
    if domain.idmap is not None:
        yield "its files must belong to the ids of its <idmap> there: nothing is mapped by mounts"


def _lost(document: Document, kept: str) -> Iterator[str]:
    """What the other side did not keep as it was sent."""
    try:
        there = read_value(kept)
    except VirtlxcError as error:
        yield f"what is there now cannot be read here: {error.message}"
        return
    sent = document.value
    if type(sent) is not type(there):
        return
    if isinstance(sent, Domain):
        sent = model.complete(sent, new_uuid=lambda: there.uuid, new_mac=lambda: "")
    for path in _different(sent, there, ""):
        yield f"{path} is not what it was there"


# What a driver fills in by itself, in its own manner.
_OWN_MANNER = frozenset({"emulator", "uuid", "os.arch", "current_memory", "consoles", "mac"})


def _different(one: object, other: object, path: str) -> Iterator[str]:
    if one == other or path in _OWN_MANNER or one is None or one == ():
        return
    if is_dataclass(one) and type(one) is type(other):
        for field in fields(one):
            below = f"{path}.{field.name}" if path else field.name
            yield from _different(getattr(one, field.name), getattr(other, field.name), below)
        return
    yield path


def lines(reports: Iterable[Report]) -> list[str]:
    """One line a sentence, with those whom it is about."""
    about: dict[str, list[str]] = {}
    for report in reports:
        for text in report.texts:
            about.setdefault(text, []).append(report.title)
    return [f"{_some(titles)}: {text}" for text, titles in about.items()]


def _some(titles: Sequence[str]) -> str:
    more = f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else ""
    return ", ".join(titles[:MOST_NAMED]) + more
