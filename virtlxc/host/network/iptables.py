"""Rules of the older iptables, which nft does not list, in the form in which nft prints its own.

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
MODULES = ("conntrack", "state", "tcp", "udp", "comment")

LEFT: dict[str, Json] = {
    "-i": {"meta": {"key": "iifname"}},
    "-o": {"meta": {"key": "oifname"}},
    "-p": {"meta": {"key": "l4proto"}},
    "--ctstate": {"ct": {"key": "state"}},
    "--state": {"ct": {"key": "state"}},
    "--dport": {"payload": {"protocol": "th", "field": "dport"}},
    "--comment": {"comment": {}},
}


def _match(op: str, left: Json, value: str) -> Json:
    if "comment" in left:
        return {"counter": None}
    if "ct" in left:
        right: Any = [name.lower() for name in value.split(",")]
    elif "payload" in left:
        right = int(value) if value.isdigit() else {"range": value}
    else:
        right = value[:-1] + "*" if value.endswith("+") else value
    return {"match": {"op": op, "left": left, "right": right}}


def _verdict(word: str, target: str) -> Json:
    if target in ENDS:
        return {ENDS[target]: None}
    if target in ("LOG", "NFLOG"):
        return {"log": None}
    return {"goto" if word == "-g" else "jump": {"target": target}}
