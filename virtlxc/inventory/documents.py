"""The documents of an inventory: domains, networks and pools, each with its file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from virtlxc import model
from virtlxc.errors import VirtlxcError
from virtlxc.inventory.record import digest
from virtlxc.model import Domain
from virtlxc.model.network import Network
from virtlxc.model.network_document import format_network, parse_network
from virtlxc.model.pool import SERVED, Pool, format_pool, parse_pool
from virtlxc.model.port import merge

Value = Domain | Network | Pool
KINDS = ("network", "pool", "domain")
"""In the order in which they are made: a domain needs the others."""

# Possessive throughout: no document can make this look at anything twice.
_ROOT = re.compile(r"\ufeff?(?:\s++|<\?.*?\?>|<!--.*?-->)*+<([^\s/>!]++)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A domain, network or pool as its file says it; ``source`` is the digest of the file's text.

    ``autostart``: what the inventory says about starting with the host, None when it says nothing.
    """

    file: str
    value: Value
    autostart: bool | None = None
    source: str = ""

    @property
    def kind(self) -> str:
        if isinstance(self.value, Domain):
            return "domain"
        return "network" if isinstance(self.value, Network) else "pool"

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def uuid(self) -> str:
        return self.value.uuid

    @property
    def title(self) -> str:
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file that is what it was when it was applied: reading it would tell nothing new.

    ``kept`` is the digest of the definition that came of it.
    """

    file: str
    kind: str
    name: str
    uuid: str
    text: str
    kept: str
    source: str
    autostart: bool | None = None

    def read(self) -> Document:
        return read_document(self.text, self.file, autostart=self.autostart)


def kind_of(text: str) -> str:
    """The name of a document's first element, '' when it has none."""
    found = _ROOT.match(text)
    return found[1] if found else ""


_TYPE = re.compile(r"<domain\s[^>]*?\btype\s*=\s*[\"']([^\"']*)")


def foreign(text: str) -> str:
    """What a document is, when it is none that an inventory has: 'a <volume>'.

    '' for those, and for what cannot be read at all.
    """
    kind = kind_of(text)
    if kind == "domain":
        found = _TYPE.search(text)
        kind = found[1] if found else "lxc"
        return "" if kind == "lxc" else f"a domain of type '{kind}'"
    return "" if kind in ("", *KINDS) else f"a <{kind}>"


def read_document(text: str, file: str, *, autostart: bool | None = None) -> Document:
    """The document in a file's text. Raises VirtlxcError for what cannot be defined."""
    return Document(
        file=file, value=read_value(text), autostart=autostart, source=digest(text)
    )


def read_value(text: str) -> Value:
    """What a text describes. Raises VirtlxcError for what is none of it, or wrong."""
    kind = kind_of(text)
    if kind == "network":
        return parse_network(text)
    if kind in ("", "domain"):
        domain = model.parse_domain(text)
        model.check(domain)
        return domain
    if kind == "pool":
        return _read_pool(text)
    raise VirtlxcError(f"a <{kind}> is neither a <domain> nor a <network> nor a <pool>")


def _read_pool(text: str) -> Pool:
    pool = parse_pool(text)
    if pool.type not in SERVED:
        raise VirtlxcError(
            f"storage pool '{pool.name}': its type '{pool.type}' is not supported "
            f"(allowed: {', '.join(SERVED)})"
        )
    # What a running pool shows of its disk is no part of what it is.
    return replace(pool, capacity=None, allocation=None, available=None)


def format_value(value: Value) -> str:
    """The document, as the daemon keeps it."""
    if isinstance(value, Domain):
        return model.format_domain(value)
    return format_network(value) if isinstance(value, Network) else format_pool(value)


def settled(
    wanted: Value,
    present: Value | None,
    *,
    new_uuid: Callable[[], str],
    new_mac: Callable[[], str],
) -> Value:
    """``wanted`` with all that it leaves open: as it is in ``present``, else made anew.

    What comes out can be compared with what the daemon has, and can be defined many times without
    a change.
    """
    if isinstance(wanted, Network):
        return _settled_network(wanted, present if isinstance(present, Network) else None, new_uuid)
    if isinstance(wanted, Pool):
        there = present.uuid if isinstance(present, Pool) else ""
        return replace(wanted, uuid=wanted.uuid or there or new_uuid())
    if isinstance(present, Domain):
        wanted = replace(
            wanted,
            uuid=wanted.uuid or present.uuid,
            emulator=wanted.emulator or present.emulator,
            os=replace(wanted.os, arch=wanted.os.arch or present.os.arch),
            interfaces=_with_macs(wanted.interfaces, present.interfaces),
        )
    return model.complete(wanted, new_uuid=new_uuid, new_mac=new_mac)


def _with_macs(
    wanted: tuple[model.Interface, ...], present: tuple[model.Interface, ...]
) -> tuple[model.Interface, ...]:
    """A card without MAC keeps that of the first present one with its type and source.

    So does one of Open vSwitch's the id of its port, which was perhaps made elsewhere.
    """
    named = {card.mac for card in wanted if card.mac}
    free = [card for card in present if card.mac not in named]
    done = []
    for card in wanted:
        if card.mac is None:
            same = next((one for one in free if _connects_alike(one, card)), None)
            if same is not None:
                free.remove(same)
                card = replace(card, mac=same.mac)
        was = next((one.virtualport for one in present if one.mac == card.mac), None)
        if card.virtualport is not None and was is not None and was.type == card.virtualport.type:
            known = model.VirtualPort(interface_id=was.interface_id)
            card = replace(card, virtualport=merge(card.virtualport, known))
        done.append(card)
    return tuple(done)


def _connects_alike(one: model.Interface, other: model.Interface) -> bool:
    return (one.type, one.source) == (other.type, other.source)


def _settled_network(
    wanted: Network, present: Network | None, new_uuid: Callable[[], str]
) -> Network:
    """A new one's bridge and MAC are left to the daemon, who knows which are free."""
    if present is None:
        return replace(wanted, uuid=wanted.uuid or new_uuid())
    wanted = replace(wanted, uuid=wanted.uuid or present.uuid)
    if not (wanted.own_bridge and present.own_bridge):
        return wanted
    bridge = replace(wanted.bridge, name=wanted.bridge.name or present.bridge.name)
    return replace(wanted, bridge=bridge, mac=wanted.mac or present.mac)


def twins(documents: Iterable[Document | Unread]) -> dict[str, str]:
    """Files whose name or UUID an earlier one has already, with the reason."""
    first: dict[tuple[str, str, str], Document | Unread] = {}
    found: dict[str, str] = {}
    for document in documents:
        for what, value in (("name", document.name), ("uuid", document.uuid)):
            other = first.setdefault((document.kind, what, value), document) if value else document
            if other is not document:
                reason = f"{other.file} has a {document.kind} with the {what} {value} already"
                found.setdefault(document.file, reason)
    return found


def ordered(documents: Sequence[Document]) -> list[Document]:
    """Networks, pools, domains, those whose namespaces others share before these; else as given.

    Raises VirtlxcError when domains wait for each other.
    """
    needs = {one.name: _needs(one) for one in documents if one.kind == "domain"}
    try:
        names = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " needs ".join(f"'{name}'" for name in reversed(error.args[1]))
        raise VirtlxcError(f"domains share namespaces in a circle: {circle}") from None
    # static_order() has its own idea of ties: only what really waits moves.
    depth: dict[str, int] = {}
    for name in names:
        depth[name] = max((depth[one] + 1 for one in needs.get(name, ())), default=0)
    return sorted(documents, key=lambda one: (KINDS.index(one.kind), depth.get(one.name, 0)))


def _needs(document: Document) -> list[str]:
    """The domains whose namespaces this one shares."""
    assert isinstance(document.value, Domain)
    return [share.value for share in document.value.shares if share.type == "name"]
