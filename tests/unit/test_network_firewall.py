"""Who would drop a network's traffic: rulesets as nft prints them, and the sentence."""

from __future__ import annotations

from typing import Any

import pytest

from virtlxc.host.network import firewall

Json = dict[str, Any]


def chain(name: str, hook: str = "", policy: str = "accept", table: str = "filter") -> Json:
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": "ip", "table": table, "name": name, **base}}


def rule(name: str, *expr: Json, table: str = "filter") -> Json:
    return {"rule": {"family": "ip", "table": table, "chain": name, "expr": list(expr)}}


def iif(name: str, op: str = "==") -> Json:
    return {"match": {"op": op, "left": {"meta": {"key": "iifname"}}, "right": name}}


def oif(name: str) -> Json:
    return {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": name}}


def state(*names: str) -> Json:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": list(names)}}


ACCEPT: Json = {"accept": None}
DROP: Json = {"drop": None}
RETURN: Json = {"return": None}
XT: Json = {"xt": {"type": "match", "name": "addrtype"}}


def jump(target: str) -> Json:
    return {"jump": {"target": target}}


def warnings(*items: Json, uplink: str = "eth0") -> list[str]:
    ruleset = firewall.Ruleset({"nftables": list(items)})
    wanted = firewall.packets("virbr0", uplink, forwarding=True, serving=True)
    found = firewall.blockers(ruleset, wanted, "virtlxc")
    return [firewall.warning("default", "virbr0", one) for one in found]


DOCKER = (
    chain("FORWARD", "forward", "drop"),
    chain("DOCKER-USER"),
    chain("DOCKER-FORWARD"),
    rule("FORWARD", {"counter": {}}, jump("DOCKER-USER")),
    rule("FORWARD", {"counter": {}}, jump("DOCKER-FORWARD")),
    rule("DOCKER-FORWARD", iif("docker0"), ACCEPT),
)


def test_docker() -> None:
    assert warnings(*DOCKER) == [
        "network 'default': Docker's firewall (table ip filter, chain FORWARD) drops its guests' "
        "traffic to the outside; let it pass with: iptables -I DOCKER-USER -i virbr0 -j ACCEPT && "
        "iptables -I DOCKER-USER -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    ]


def test_docker_mended() -> None:
    mend = (
        rule("DOCKER-USER", iif("virbr0"), ACCEPT),
        rule("DOCKER-USER", oif("virbr0"), state("established", "related"), ACCEPT),
    )
    assert warnings(*DOCKER, *mend) == []


def test_docker_half_mended() -> None:
    assert warnings(*DOCKER, rule("DOCKER-USER", iif("virbr0"), ACCEPT))


def test_firewalld() -> None:
    items = (
        chain("filter_FORWARD", "forward", table="firewalld"),
        chain("filter_INPUT", "input", table="firewalld"),
        rule("filter_FORWARD", state("established", "related"), ACCEPT, table="firewalld"),
        rule("filter_FORWARD", {"reject": {"type": "icmpx"}}, table="firewalld"),
        rule("filter_INPUT", {"reject": {"type": "icmpx"}}, table="firewalld"),
    )
    found = warnings(*items)
    assert len(found) == 2
    assert "firewalld (table ip firewalld, chain filter_INPUT) drops DHCP and DNS" in found[0]
    assert found[1].endswith(
        "firewall-cmd --permanent --zone=trusted --add-interface=virbr0 && firewall-cmd --reload"
    )


def test_ufw() -> None:
    items = (chain("FORWARD", "forward", "drop"), chain("ufw-before-forward"))
    assert warnings(*items)[0].endswith("ufw route allow in on virbr0")


def test_a_rule_of_the_administrators() -> None:
    found = warnings(chain("f", "forward"), rule("f", DROP))
    assert "a firewall rule (table ip filter, chain f)" in found[0]
    assert found[0].endswith(
        "nft insert rule ip filter f iifname virbr0 accept && nft insert rule ip filter f oifname "
        "virbr0 ct state established,related accept"
    )


NO_WARNING = {
    "accepting policy": (chain("f", "forward"),),
    "own table": (chain("f", "forward", "drop", table="virtlxc"),),
    "other hook": (chain("f", "output", "drop"),),
    "drop of another device": (chain("f", "forward"), rule("f", iif("docker0"), DROP)),
    "drop of what cannot be decided": (chain("f", "forward"), rule("f", XT, DROP)),
    "accepted before": (chain("f", "forward", "drop"), rule("f", ACCEPT), rule("f", DROP)),
    "wildcard": (
        chain("f", "forward", "drop"),
        rule("f", iif("virbr*"), ACCEPT),
        rule("f", oif("virbr*"), ACCEPT),
    ),
    "endless jumps": (
        chain("f", "forward"),
        chain("g"),
        rule("f", jump("g")),
        rule("g", jump("g")),
    ),
    "verdict map": (
        chain("f", "forward", "drop"),
        rule(
            "f",
            {
                "vmap": {
                    "key": {"meta": {"key": "iifname"}},
                    "data": {"set": [["lo", DROP], ["virbr0", ACCEPT], ["eth0", ACCEPT]]},
                }
            },
        ),
    ),
}


@pytest.mark.parametrize("items", NO_WARNING.values(), ids=NO_WARNING.keys())
def test_no_warning(items: tuple[Json, ...]) -> None:
    assert warnings(*items) == []


def test_return_ends_a_chain_only() -> None:
    items = (
        chain("f", "forward", "drop"),
        chain("g"),
        rule("f", jump("g")),
        rule("g", RETURN),
        rule("g", ACCEPT),
    )
    assert warnings(*items)


def test_without_uplink_nothing_is_forwarded() -> None:
    assert warnings(chain("f", "forward", "drop"), uplink="") == []
