"""Which firewall of others would drop a network's traffic, and the mend. Pure.

Every program that owns a base chain can drop what another's chain has accepted, so a network with
NAT of its own can still be cut off by Docker's, firewalld's or an administrator's rules. A packet
is followed through each chain of the ruleset (``nft -j list ruleset``), believing only in matches
that are certain: what cannot be decided is taken not to match. So a warning is about drops that
every packet meets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Json = Mapping[str, Any]
ChainKey = tuple[str, str, str]

MAX_DEPTH = 16  # the kernel's own bound for jumps


@dataclass(frozen=True, slots=True)
class Packet:
    """What is certain about a packet: the devices, "" for the host itself, and the service."""

    hook: str
    iif: str
    oif: str
    state: str
    protocol: str = ""
    dport: int = 0


class Blocker(NamedTuple):
    """A base chain that drops; ``owner`` is firewalld, docker, ufw, iptables or ""."""

    family: str
    table: str
    chain: str
    owner: str
    packet: Packet


class Ruleset:
    """The chains and rules of ``nft -j list ruleset``."""

    def __init__(self, document: Json) -> None:
        self.chains: dict[ChainKey, Json] = {}
        self.rules: dict[ChainKey, list[Sequence[Json]]] = {}
        for item in document.get("nftables", ()):
            if "chain" in item:
                chain = item["chain"]
                self.chains[chain["family"], chain["table"], chain["name"]] = chain
            elif "rule" in item:
                rule = item["rule"]
                key = (rule["family"], rule["table"], rule["chain"])
                self.rules.setdefault(key, []).append(rule.get("expr", ()))

    def base_chains(self, hook: str) -> list[ChainKey]:
        return [
            key
            for key, chain in self.chains.items()
            if chain.get("hook") == hook
            and chain.get("type") == "filter"
            and key[0] in ("ip", "inet")
        ]

    def drops(self, key: ChainKey, packet: Packet) -> bool:
        """Whether the base chain certainly drops the packet."""
        verdict = self._walk(key, packet, 0)
        return (verdict or self.chains[key].get("policy", "accept")) == "drop"

    def _walk(self, key: ChainKey, packet: Packet, depth: int) -> str | None:
        """``accept`` or ``drop``; None when the end of the chain, or a return, is reached."""
        if depth > MAX_DEPTH:
            return None
        for rule in self.rules.get(key, ()):
            verdict = self._apply(key, rule, packet, depth)
            if verdict == "return":
                return None
            if verdict is not None:
                return verdict
        return None

    def _apply(self, key: ChainKey, rule: Sequence[Json], packet: Packet, depth: int) -> str | None:
        for expression in rule:
            kind, value = next(iter(expression.items()))
            if kind == "match":
                if not _matches(value, packet):
                    return None
            elif kind == "accept":
                return "accept"
            elif kind in ("drop", "reject"):
                return "drop"
            elif kind == "return":
                return "return"
            elif kind in ("jump", "goto"):
                inner = self._walk((key[0], key[1], value["target"]), packet, depth + 1)
                if inner is not None or kind == "goto":
                    return inner or "return"
            elif kind == "vmap":
                return self._mapped(key, value, packet, depth)
            elif kind not in ("counter", "log", "mangle", "notrack"):
                return None  # a match that is not followed (xt, fib, limit, ...)
        return None

    def _mapped(self, key: ChainKey, vmap: Json, packet: Packet, depth: int) -> str | None:
        """The verdict that a map gives for what the packet has."""
        value = _value(vmap.get("key"), packet)
        data = vmap.get("data")
        pairs = data.get("set", ()) if isinstance(data, Mapping) else ()
        for wanted, verdict in pairs:
            if value is not None and not isinstance(wanted, Mapping) and _same(value, wanted):
                return self._apply(key, (verdict,), packet, depth)
        return None


def _matches(match: Json, packet: Packet) -> bool:
    """Whether the match certainly holds for the packet."""
    left, op = match.get("left"), match.get("op", "==")
    value = _value(left, packet)
    if value is None:
        return False
    right = match.get("right")
    wanted = right.get("set", ()) if isinstance(right, Mapping) else right
    if not isinstance(wanted, list):
        wanted = [wanted]
    if any(isinstance(one, Mapping) for one in wanted):
        return False
    held = any(_same(value, one) for one in wanted)
    return held if op in ("==", "in") else not held if op == "!=" else False


def _value(left: Any, packet: Packet) -> str | int | None:
    """What the packet has there; None when that is not known."""
    if not isinstance(left, Mapping):
        return None
    if "meta" in left:
        key = left["meta"].get("key")
        known: dict[str, str | int] = {
            "iifname": packet.iif,
            "oifname": packet.oif,
            "iif": packet.iif,
            "oif": packet.oif,
            "l4proto": packet.protocol,
            "nfproto": "ipv4",
        }
        return known.get(key) or None
    if "ct" in left:
        return packet.state if left["ct"].get("key") == "state" else None
    if "payload" in left:
        field = left["payload"].get("field")
        protocol = left["payload"].get("protocol")
        if field == "dport" and protocol in (packet.protocol, "th") and packet.dport:
            return packet.dport
        return packet.protocol or None if field == "protocol" else None
    return None


def _same(value: str | int, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str) and wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return bool(value == wanted)


def packets(
    bridge: str, uplink: str, *, forwarding: bool, serving: bool, filtered: bool = False
) -> list[Packet]:
    """The packets that a network must be able to pass: a guest's question for an address, its way
    out, the answer's way back; and from guest to guest, where the host also filters what a bridge
    passes on by itself (br_netfilter)."""
    wanted = []
    if serving:
        wanted.append(Packet("input", bridge, "", "new", "udp", 67))
    if forwarding and uplink:
        wanted.append(Packet("forward", bridge, uplink, "new", "tcp"))
        wanted.append(Packet("forward", uplink, bridge, "established", "tcp"))
    if filtered:
        wanted.append(Packet("forward", bridge, bridge, "new", "tcp"))
    return wanted


def blockers(ruleset: Ruleset, wanted: Iterable[Packet], own_table: str) -> list[Blocker]:
    """The chains of others that drop one of the packets, each chain once."""
    found: dict[ChainKey, Blocker] = {}
    for packet in wanted:
        for key in ruleset.base_chains(packet.hook):
            if key[1] == own_table or key in found:
                continue
            if ruleset.drops(key, packet):
                found[key] = Blocker(*key, _owner(ruleset, key), packet)
    return list(found.values())


def _owner(ruleset: Ruleset, key: ChainKey) -> str:
    family, table, chain = key
    if table == "firewalld":
        return "firewalld"
    names = {other[2] for other in ruleset.chains if other[:2] == (family, table)}
    if chain.upper() == "FORWARD" and "DOCKER-USER" in names:
        return "docker"
    if any(name.startswith("ufw") for name in names):
        return "ufw"
    if (family, table) == ("ip", "filter") and chain in ("INPUT", "FORWARD"):
        return "iptables"
    return ""


def warning(network: str, bridge: str, blocker: Blocker) -> str:
    """One sentence: who drops what, and the command that mends it."""
    what = "its guests' traffic to the outside"
    if blocker.packet.hook == "input":
        what = "DHCP and DNS from its guests"
    elif blocker.packet.iif == blocker.packet.oif:
        what = "its guests' traffic to each other"
    who = {"firewalld": "firewalld", "docker": "Docker's firewall", "ufw": "ufw"}.get(
        blocker.owner, "a firewall rule"
    )
    place = f"table {blocker.family} {blocker.table}, chain {blocker.chain}"
    mend = _mend(bridge, blocker)
    return f"network '{network}': {who} ({place}) drops {what}; let it pass with: {mend}"


def _mend(bridge: str, blocker: Blocker) -> str:
    hook = blocker.packet.hook
    if blocker.owner == "firewalld":
        return (
            f"firewall-cmd --permanent --zone=trusted --add-interface={bridge} && "
            "firewall-cmd --reload"
        )
    if blocker.owner == "docker":
        return (
            f"iptables -I DOCKER-USER -i {bridge} -j ACCEPT && "
            f"iptables -I DOCKER-USER -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED "
            "-j ACCEPT"
        )
    if blocker.owner == "ufw":
        return f"ufw allow in on {bridge}" if hook == "input" else f"ufw route allow in on {bridge}"
    if blocker.owner == "iptables":
        if hook == "input":
            return f"iptables -I INPUT -i {bridge} -p udp -m multiport --dports 53,67 -j ACCEPT"
        return (
            f"iptables -I FORWARD -i {bridge} -j ACCEPT && iptables -I FORWARD -o {bridge} "
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        )
    chain = f"{blocker.family} {blocker.table} {blocker.chain}"
    if hook == "input":
        return f"nft insert rule {chain} iifname {bridge} udp dport '{{ 53, 67 }}' accept"
    return (
        f"nft insert rule {chain} iifname {bridge} accept && "
        f"nft insert rule {chain} oifname {bridge} ct state established,related accept"
    )
