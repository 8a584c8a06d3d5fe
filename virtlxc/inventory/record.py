"""What was brought in by ``apply`` or ``import``, so that only that is ever taken away again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from virtlxc.errors import Code, VirtlxcError

PROTO = 1
"""The version of the file: fields are added, never changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One object and the file (an absolute path) that it came from.

    ``source`` is the digest of the file's text and ``kept`` that of the definition which came of
    it: while both are the same, there is nothing to do. '' where it is not known.
    """

    kind: str
    uuid: str
    name: str
    file: str
    source: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """Entries in the order in which they came."""

    entries: tuple[Entry, ...] = ()

    def with_entries(self, new: Iterable[Entry]) -> Record:
        """With these too; an object that is known already gets the newer name and file."""
        merged = {(one.kind, one.uuid): one for one in self.entries}
        merged.update({(one.kind, one.uuid): one for one in new})
        return Record(tuple(merged.values()))

    def without(self, gone: Iterable[tuple[str, str]]) -> Record:
        """Without the objects of these kinds and UUIDs."""
        names = set(gone)
        return Record(tuple(one for one in self.entries if (one.kind, one.uuid) not in names))

    def below(self, roots: Sequence[str]) -> tuple[Entry, ...]:
        """What came from these files, or from files in these folders."""
        return tuple(
            one
            for one in self.entries
            if any(f"{one.file}/".startswith(f"{root.rstrip('/')}/") for root in roots)
        )

    def to_json(self) -> str:
        return json.dumps({"proto": PROTO, "objects": [asdict(one) for one in self.entries]})


def read_record(text: str, path: str) -> Record:
    """The record in a file's text; an empty text is an empty one. Raises VirtlxcError."""
    if not text:
        return Record()
    try:
        found = json.loads(text)
        return Record(tuple(_entry(row) for row in found["objects"]))
    except (ValueError, KeyError, TypeError) as error:
        raise VirtlxcError(
            f"{path} is not what virtlxc wrote there ({error!r}): it says what may be removed; "
            "restore it, or remove it to forget",
            Code.INTERNAL_ERROR,
        ) from None


def _entry(row: dict[str, object]) -> Entry:
    must = {name: str(row[name]) for name in ("kind", "uuid", "name", "file")}
    return Entry(**must, source=str(row.get("source", "")), kept=str(row.get("kept", "")))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
