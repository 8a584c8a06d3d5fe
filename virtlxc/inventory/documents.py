"""The documents of an inventory: domains and networks, each with the file that it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from virtlxc import model
from virtlxc.errors import VirtlxcError
from virtlxc.model import Domain
from virtlxc.model.network import Network
from virtlxc.model.network_document import format_network, parse_network

# Possessive throughout: no document can make this look at anything twice.
_ROOT = re.compile(r"\ufeff?(?:\s++|<\?.*?\?>|<!--.*?-->)*+<([^\s/>!]++)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A domain or network as its file says it.

    ``autostart``: what the inventory says about starting with the host, None when it says nothing.
    """

    file: str
    value: Domain | Network
    autostart: bool | None = None

    @property
    def kind(self) -> str:
        return "domain" if isinstance(self.value, Domain) else "network"

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def uuid(self) -> str:
        return self.value.uuid

    @property
    def title(self) -> str:
        return f"{self.kind} '{self.name}'"


def kind_of(text: str) -> str:
    """The name of a document's first element, '' when it has none."""
    found = _ROOT.match(text)
    return found[1] if found else ""


_TYPE = re.compile(r"<domain\s[^>]*?\btype\s*=\s*[\"']([^\"']*)")


def foreign(text: str) -> str:
    """What a document is, when it is none of a container or a virtual network: 'a <pool>'.

    '' for those, and for what cannot be read at all.
    """
    kind = kind_of(text)
    if kind == "domain":
        found = _TYPE.search(text)
        kind = found[1] if found else "lxc"
        return "" if kind == "lxc" else f"a domain of type '{kind}'"
    return "" if kind in ("", "network") else f"a <{kind}>"


def read_document(text: str, file: str, *, autostart: bool | None = None) -> Document:
    """The document in a file's text. Raises VirtlxcError for what cannot be defined."""
    return Document(file=file, value=read_value(text), autostart=autostart)


def read_value(text: str) -> Domain | Network:
    """The domain or network in a text. Raises VirtlxcError for what is neither, or wrong."""
    kind = kind_of(text)
    if kind == "network":
        return parse_network(text)
    if kind in ("", "domain"):
        domain = model.parse_domain(text)
        model.check(domain)
        return domain
    raise VirtlxcError(f"a <{kind}> is neither a <domain> nor a <network>")


def format_value(value: Domain | Network) -> str:
    """The document, as the daemon keeps it."""
    return model.format_domain(value) if isinstance(value, Domain) else format_network(value)


def settled(
    wanted: Domain | Network,
    present: Domain | Network | None,
    *,
    new_uuid: Callable[[], str],
    new_mac: Callable[[], str],
) -> Domain | Network:
    """``wanted`` with all that it leaves open: as it is in ``present``, else made anew.

    What comes out can be compared with what the daemon has, and can be defined many times without
    a change.
    """
    if isinstance(wanted, Network):
        return _settled_network(wanted, present if isinstance(present, Network) else None, new_uuid)
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
    """A card without MAC keeps that of the first present one with its type and source."""
    named = {card.mac for card in wanted if card.mac}
    free = [card for card in present if card.mac not in named]
    done = []
    for card in wanted:
        if card.mac is None:
            same = next((one for one in free if _connects_alike(one, card)), None)
            if same is not None:
                free.remove(same)
                card = replace(card, mac=same.mac)
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


def twins(documents: Iterable[Document]) -> dict[str, str]:
    """Files whose name or UUID an earlier one has already, with the reason."""
    first: dict[tuple[str, str, str], Document] = {}
    found: dict[str, str] = {}
    for document in documents:
        for what, value in (("name", document.name), ("uuid", document.uuid)):
            other = first.setdefault((document.kind, what, value), document) if value else document
            if other is not document:
                reason = f"{other.file} has a {document.kind} with the {what} {value} already"
                found.setdefault(document.file, reason)
    return found


def ordered(documents: Sequence[Document]) -> list[Document]:
    """Networks, then domains, those whose namespaces others share before these; else as given.

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
    return sorted(documents, key=lambda one: depth[one.name] if one.kind == "domain" else -1)


def _needs(document: Document) -> list[str]:
    """The domains whose namespaces this one shares."""
    assert isinstance(document.value, Domain)
    return [share.value for share in document.value.shares if share.type == "name"]
