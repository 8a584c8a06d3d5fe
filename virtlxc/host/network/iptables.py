"""Rules of iptables, which nft lists not at all or not in full, in the form of its own list.

Source: iptables-save's output, iptables-extensions(8). Pure.
"""

from __future__ import annotations

import shlex
from typing import Any

Json = dict[str, Any]

HOOKS = {"INPUT": "input", "FORWARD": "forward"}
ENDS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
UNKNOWN: Json = {"xt": None}


def ruleset(saved: str) -> Json:
    """The table ``filter`` in the text of ``iptables-save``, as a document like nft's."""
    items: list[Json] = []
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table != "filter":
            continue
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            items.append({"chain": _chain(name, policy)})
        elif line.startswith("-A "):
            words = shlex.split(line)
            rule = {"family": "ip", "table": "filter", "chain": words[1], "expr": _rule(words[2:])}
            items.append({"rule": rule})
    return {"nftables": items}


def is_opaque(listed: Json) -> bool:
    """Whether rules in iptables' table have matches of which nft's list says only that they are
    there: which states, which ports."""
    rules = (item.get("rule", {}) for item in listed.get("nftables", ()) if _is_filter(item))
    return any("xt" in expression for rule in rules for expression in rule.get("expr", ()))


def explained(listed: Json, saved: str) -> Json:
    """What nft lists, with iptables' table as ``iptables-nft-save`` prints it."""
    own = ruleset(saved)["nftables"]
    if not own:  # it prints nothing of a table that others have written to as well
        return listed
    return {"nftables": [item for item in listed["nftables"] if not _is_filter(item)] + own}


def _is_filter(item: Json) -> bool:
    return any((one.get("family"), one.get("table")) == ("ip", "filter") for one in item.values())


def _chain(name: str, policy: str) -> Json:
    chain: Json = {"family": "ip", "table": "filter", "name": name}
    if name in HOOKS:
        chain |= {"type": "filter", "hook": HOOKS[name], "policy": policy.lower()}
    return chain


def _rule(words: list[str]) -> list[Json]:
    """The matches and the verdict; a word that is not known makes the rule undecided."""
    expr: list[Json] = []
    op = "=="
    rest = iter(words)
    for word in rest:
        if word == "!":
            op = "!="
            continue
        value = next(rest, "")
        if word in ("-j", "-g"):
            expr.append(_verdict(word, value))
        elif word == "--reject-with" or (word == "-m" and value in MODULES):
            pass
        else:
            left = LEFT.get(word)
            expr.append(_match(op, left, value) if left else UNKNOWN)
        op = "=="
    return expr


# Modules whose own words say all that they match.
MODULES = ("conntrack", "state", "tcp", "udp", "multiport", "comment")

LEFT: dict[str, Json] = {
    "-i": {"meta": {"key": "iifname"}},
    "-o": {"meta": {"key": "oifname"}},
    "-p": {"meta": {"key": "l4proto"}},
    "--ctstate": {"ct": {"key": "state"}},
    "--state": {"ct": {"key": "state"}},
    "--dport": {"payload": {"protocol": "th", "field": "dport"}},
    "--dports": {"payload": {"protocol": "th", "field": "dport"}},
    "--comment": {"comment": {}},
}


def _match(op: str, left: Json, value: str) -> Json:
    if "comment" in left:
        return {"counter": None}
    if "ct" in left:
        right: Any = [name.lower() for name in value.split(",")]
    elif "payload" in left:
        right = [int(one) if one.isdigit() else {"range": one} for one in value.split(",")]
    else:
        right = value[:-1] + "*" if value.endswith("+") else value
    return {"match": {"op": op, "left": left, "right": right}}


def _verdict(word: str, target: str) -> Json:
    if target in ENDS:
        return {ENDS[target]: None}
    if target in ("LOG", "NFLOG"):
        return {"log": None}
    return {"goto" if word == "-g" else "jump": {"target": target}}
