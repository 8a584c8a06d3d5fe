"""Readers: the keys of a network card, and cards to interfaces."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from virtlxc.convert.lxc.draft import Card, Draft, number
from virtlxc.convert.lxc.lines import Line
from virtlxc.model import Hostdev, Interface, Ip, Route, Vlan, VlanTag
from virtlxc.xmlmap import types

_FAMILY = {4: "ipv4", 6: "ipv6"}
_MODES = {"private": "private", "vepa": "vepa", "bridge": "bridge", "passthru": "passthrough"}
_TYPES = ("veth", "macvlan", "phys", "vlan", "ipvlan", "empty", "none")
# The prefix of an address without one: of its class, as LXC sees it.
_CLASSES = ((128, 8), (192, 16), (224, 24), (256, 32))


def kind(draft: Draft, line: Line) -> None:
    if line.value not in _TYPES:
        raise line.wrong(f"'{line.value}' is none of {', '.join(_TYPES)}")
    card = draft.card(line)
    card.type, card.line = line.value, line


def link(draft: Draft, line: Line) -> None:
    draft.card(line).link = line.value


def flags(draft: Draft, line: Line) -> None:
    draft.card(line).up = True


def name(draft: Draft, line: Line) -> None:
    draft.card(line).name = _typed(line, types.LINK)


def pair(draft: Draft, line: Line) -> None:
    draft.card(line).pair = _typed(line, types.LINK)


def mac(draft: Draft, line: Line) -> None:
    """An ``x`` stands for a digit that is made up: then so is the whole address."""
    if "x" not in line.value.lower():
        draft.card(line).mac = _typed(line, types.MAC)


def _typed(line: Line, type: types.Type) -> str:
    try:
        return str(type.parse(line.value))
    except ValueError:
        raise line.wrong(f"'{line.value}' is not {type.allowed}") from None


def mtu(draft: Draft, line: Line) -> None:
    draft.card(line).mtu = number(line, least=68, most=65535)


def vlan(draft: Draft, line: Line) -> None:
    draft.card(line).vlan = str(number(line, most=4094))


def port_vlan(draft: Draft, line: Line) -> None:
    """The VLAN of what comes without a tag; "none" takes the port out of the bridge's own."""
    card = draft.card(line)
    card.no_vlan = line.value == "none"
    card.port_vlan = None if card.no_vlan else number(line, least=1, most=4094)
    if card.no_vlan and not card.port_tags:
        draft.note(line, "a card in no VLAN has no counterpart, unless it has tagged ones")


def port_tag(draft: Draft, line: Line) -> None:
    draft.card(line).port_tags.append(number(line, least=1, most=4094))


def macvlan_mode(draft: Draft, line: Line) -> None:
    if line.value not in _MODES:
        raise line.wrong(f"'{line.value}' is none of {', '.join(_MODES)}")
    draft.card(line).mode = _MODES[line.value]


def address(draft: Draft, line: Line) -> None:
    """ADDRESS[/PREFIX] [BROADCAST]"""
    text = line.value.split()[0]
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        raise line.wrong(f"'{text}' is no address, such as 192.0.2.2/24") from None
    prefix = found.network.prefixlen
    if "/" not in text:
        first = found.packed[0]
        prefix = 64 if found.version == 6 else next(p for top, p in _CLASSES if first < top)
    draft.card(line).ips.append(
        Ip(address=str(found.ip), family=_FAMILY[found.version], prefix=prefix)
    )


def gateway(draft: Draft, line: Line) -> None:
    if line.value in ("auto", "dev"):
        draft.note(line, f"'{line.value}' cannot be said: give the gateway's address in <route>")
        return
    try:
        found = ipaddress.ip_address(line.value)
    except ValueError:
        raise line.wrong(f"'{line.value}' is no address") from None
    draft.card(line).gateways.append((_FAMILY[found.version], str(found)))


def veth_mode(draft: Draft, line: Line) -> None:
    if line.value != "bridge":
        draft.note(line, f"the mode '{line.value}' has no counterpart")


def interfaces(draft: Draft) -> tuple[tuple[Interface, ...], tuple[Hostdev, ...], bool]:
    """Interfaces, network devices of the host, and whether the network is the container's own."""
    found: list[Interface] = []
    moved: list[Hostdev] = []
    types = {card.type for card in draft.cards.values()}
    for _, card in sorted(draft.cards.items(), key=lambda item: int(item[0])):
        if card.type in ("veth", "macvlan"):
            found.append(_interface(draft, card))
        elif card.type in ("phys", "vlan"):
            moved.append(_moved(draft, card))
        elif card.type == "ipvlan":
            draft.note(card.line, "there are no ipvlan cards: macvlan is the nearest")
        elif card.type == "":
            draft.note(card.line, "the card has no type, and is left out")
    host = draft.host_network or types == {"none"} or "net" in draft.shares
    return tuple(found), tuple(moved), not found and not moved and not host


def _interface(draft: Draft, card: Card) -> Interface:
    plain = Interface(
        type="ethernet",
        mac=card.mac,
        guest=card.name,
        target=card.pair,
        ips=tuple(card.ips),
        routes=_routes(card),
        link_state="up" if card.up else "down",
        mtu=card.mtu,
    )
    if card.type == "macvlan":
        if card.link is None:
            raise card.line.wrong("a macvlan card needs a link")
        return replace(
            plain, type="direct", source=card.link, source_mode=card.mode or "private", target=None
        )
    if card.link is not None:
        return replace(plain, type="bridge", source=card.link, vlan=_vlan(card))
    return plain


# Where a port only gets tagged VLANs, LXC leaves it in the one that bridges begin with.
_FIRST_VLAN = 1


def _vlan(card: Card) -> Vlan | None:
    native = card.port_vlan
    if not card.port_tags:
        return Vlan(tags=(VlanTag(id=native),)) if native is not None else None
    if native is None and not card.no_vlan:
        native = _FIRST_VLAN
    first = (VlanTag(id=native, native_mode="untagged"),) if native is not None else ()
    return Vlan(trunk=True, tags=(*first, *(VlanTag(id=tag) for tag in card.port_tags)))


def _routes(card: Card) -> tuple[Route, ...]:
    return tuple(
        Route(
            family=family,
            address="0.0.0.0" if family == "ipv4" else "::",
            prefix=0,
            gateway=gateway,
        )
        for family, gateway in card.gateways
    )


def _moved(draft: Draft, card: Card) -> Hostdev:
    """A device of the host; a vlan one is what LXC would have made, to be made beforehand."""
    if card.link is None:
        raise card.line.wrong(f"a {card.type} card needs a link")
    source = card.link
    if card.type == "vlan":
        source = f"{card.link}.{card.vlan or 0}"
        draft.note(card.line, f"the VLAN device {source} is not made: make it on the host")
    if card.name is not None and card.name != source:
        draft.note(card.line, f"{source} keeps its name; it does not become {card.name}")
    return Hostdev(
        mode="capabilities", type="net", source=source, ips=tuple(card.ips), routes=_routes(card)
    )
