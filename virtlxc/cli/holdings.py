"""What a daemon has of domains, networks and pools, and the calls that change it.

One row a kind, because all three are defined, started and marked in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from virtlxc.cli.failures import Failed
from virtlxc.cli.lookup import uuid_bytes, uuid_text
from virtlxc.cli.session import Session
from virtlxc.errors import Code
from virtlxc.inventory.changes import KEEP, Change, Present

# So many go into one call: a packet has 32 MiB, and progress is to be seen.
TOGETHER = 100
# libvirt's bits of lists of domains; the other kinds number theirs another way.
ACTIVE, INACTIVE, PERSISTENT = 1, 2, 4
STOP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Names of calls and fields, and libvirt's bits of the lists and of the inactive XML."""

    field: str
    prefix: str
    every: tuple[str, str]
    persistent: int
    autostart: int
    active: int
    inactive_xml: int
    define: str
    create: str
    destroy: str
    undefine: str


KINDS = {
    "domain": Kind(
        field="dom", prefix="DOMAIN", every=("CONNECT_LIST_ALL_DOMAINS", "domains"),
        persistent=ACTIVE | INACTIVE | PERSISTENT, autostart=1 << 10, active=ACTIVE,
        inactive_xml=1 | 2,  # with what is secret, too
        define="DOMAIN_DEFINE_XML_FLAGS", create="DOMAIN_CREATE", destroy="DOMAIN_DESTROY",
        undefine="DOMAIN_UNDEFINE_FLAGS",
    ),
    "network": Kind(
        field="net", prefix="NETWORK", every=("CONNECT_LIST_ALL_NETWORKS", "nets"),
        persistent=1 << 2, autostart=1 << 4, active=1 << 1, inactive_xml=1,
        define="NETWORK_DEFINE_XML", create="NETWORK_CREATE", destroy="NETWORK_DESTROY",
        undefine="NETWORK_UNDEFINE",
    ),
    "pool": Kind(
        field="pool", prefix="STORAGE_POOL", every=("CONNECT_LIST_ALL_STORAGE_POOLS", "pools"),
        persistent=1 << 2, autostart=1 << 4, active=1 << 1, inactive_xml=1,
        define="STORAGE_POOL_DEFINE_XML", create="STORAGE_POOL_CREATE",
        destroy="STORAGE_POOL_DESTROY", undefine="STORAGE_POOL_UNDEFINE",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one change; ``digest`` is the new definition's where the daemon tells it."""

    change: Change
    error: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()


class Holdings:
    """A daemon's definitions."""

    def __init__(self, session: Session) -> None:
        self.session = session

    # What is there

    def present(self, names: set[tuple[str, str]], uuids: set[tuple[str, str]]) -> list[Present]:
        """All definitions of these (kind, name) or (kind, UUID)."""
        found: list[Present] = []
        for kind in sorted({kind for kind, _ in names | uuids}):
            refs = self._list(kind, KINDS[kind].persistent)
            wanted = [
                ref
                for ref in refs
                if (kind, ref[0]) in names or (kind, uuid_text(ref[1])) in uuids
            ]
            found += self._details(kind, wanted)
        return found

    def every(self, kind: str) -> list[Present]:
        """All persistent definitions of a kind."""
        return list(self._details(kind, self._list(kind, KINDS[kind].persistent)))

    def _list(self, kind: str, flags: int) -> list[Any]:
        call, field = KINDS[kind].every
        failed = f"Failed to list {kind}s"
        refs: list[Any] = self.session.call(call, failed=failed, need_results=1, flags=flags)[field]
        return refs

    def _details(self, kind: str, refs: Sequence[Any]) -> Iterator[Present]:
        if kind == "domain":
            try:
                yield from self._kept_domains(refs)
                return
            except Failed as failed:
                if not failed.lacks_call:
                    raise
        row = KINDS[kind]
        on = {ref[1] for ref in self._list(kind, row.persistent | row.autostart)} if refs else set()
        up = {ref[1] for ref in self._list(kind, row.active)} if refs else set()
        for ref in refs:
            yield Present(
                kind=kind, name=ref[0], uuid=uuid_text(ref[1]), xml=self._xml(row, ref),
                autostart=ref[1] in on, active=ref[1] in up,
            )  # fmt: skip

    def _xml(self, row: Kind, ref: Any) -> str:
        fields, call = {row.field: ref}, f"{row.prefix}_GET_XML_DESC"
        try:
            xml: str = self.session.call(call, flags=row.inactive_xml, **fields)["xml"]
        except Failed as failed:
            if failed.code != Code.INVALID_ARG:
                raise
            # A driver whose definitions are what runs does not know the flags.
            xml = self.session.call(call, flags=0, **fields)["xml"]
        return xml

    def _kept_domains(self, refs: Sequence[Any]) -> Iterator[Present]:
        """By our own call, which gives many at once."""
        for at in range(0, len(refs), TOGETHER):
            for ref, xml, digest, autostart, active in self.session.own(
                "DEFINITIONS", doms=refs[at : at + TOGETHER]
            )["kept"]:
                yield Present(
                    kind="domain", name=ref[0], uuid=uuid_text(ref[1]), xml=xml,
                    autostart=bool(autostart), active=bool(active), digest=digest,
                )  # fmt: skip

    # Changing it

    def define(self, changes: Sequence[Change], *, stop: bool) -> Iterator[Outcome]:
        """Defines, redefines, sets autostart; with ``stop``, nothing after the first error."""
        at = 0
        while at < len(changes):
            several = _run_of_domains(changes[at : at + TOGETHER])
            if len(several) > 1:
                outcomes = self._together(several, stop)
            else:
                several = changes[at : at + 1]
                outcomes = [self._one(several[0])]
            for outcome in outcomes:
                yield self._marked(outcome)
            at += len(several)
            if stop and any(outcome.error for outcome in outcomes):
                return

    def _together(self, changes: Sequence[Change], stop: bool) -> list[Outcome]:
        xmls = [one.xml for one in changes]
        try:
            found = self.session.own("DEFINE_MANY", xmls=xmls, flags=STOP if stop else 0)
        except Failed as failed:
            if not failed.lacks_call:
                raise
            return [self._one(one) for one in changes]
        return [
            Outcome(change=change, digest=digest, error=error, warnings=tuple(warnings))
            for change, (_name, digest, error, warnings) in zip(
                changes, found["outcomes"], strict=False
            )
        ]

    def _one(self, change: Change) -> Outcome:
        if change.action == KEEP:
            return Outcome(change=change)
        try:
            if change.kind == "domain":
                from virtlxc.cli.commands.definition import define

                _name, warnings = define(self.session, change.xml, 0, "")
                return Outcome(change=change, warnings=tuple(warnings))
            self.session.call(KINDS[change.kind].define, xml=change.xml)
        except Failed as failed:
            return Outcome(change=change, error=failed.lines[-1])
        return Outcome(change=change)

    def _marked(self, outcome: Outcome) -> Outcome:
        """Sets autostart, too, when the definition is there."""
        change = outcome.change
        if outcome.error or change.autostart is None:
            return outcome
        try:
            call = f"{KINDS[change.kind].prefix}_SET_AUTOSTART"
            self.session.call(call, autostart=int(change.autostart), **_target(change))
        except Failed as failed:
            text = f"autostart cannot be changed: {failed.lines[-1]}"
            return Outcome(change=change, error=text, warnings=outcome.warnings)
        return outcome

    def start(self, change: Change) -> None:
        failed = f"Failed to start {change.title}"
        row = KINDS[change.kind]
        if change.kind != "domain":
            # A domain's start may have started it already.
            active = self.session.call(f"{row.prefix}_IS_ACTIVE", **_target(change))["active"]
            if active:
                return
        self.session.call(row.create, failed=failed, **_target(change))

    def remove(self, change: Change) -> None:
        """Undefines; a running domain, or a network that one is on, is never taken away.

        What is in a pool stays where it is.
        """
        failed = f"Failed to remove {change.title}"
        row = KINDS[change.kind]
        if change.active:
            if change.kind == "domain":
                raise Failed(failed, f"it is running (first: virtlxc shutdown {change.name})")
            if change.kind == "network" and self._connections(change, failed):
                raise Failed(failed, "a running domain is on it")
            self.session.call(row.destroy, failed=failed, **_target(change))
        self.session.call(row.undefine, failed=failed, **_target(change))

    def _connections(self, change: Change, failed: str) -> int:
        from virtlxc.cli.xml import parse

        xml = self.session.call("NETWORK_GET_XML_DESC", failed=failed, **_target(change))["xml"]
        return int(parse(xml).get("connections", "0"))


def _run_of_domains(changes: Sequence[Change]) -> Sequence[Change]:
    """The domains to define with which these begin."""
    for at, change in enumerate(changes):
        if change.kind != "domain" or change.action == KEEP:
            return changes[:at]
    return changes


def _target(change: Change) -> dict[str, Any]:
    raw = uuid_bytes(change.uuid) or b""
    ref = (change.name, raw, -1) if change.kind == "domain" else (change.name, raw)
    return {KINDS[change.kind].field: ref}
