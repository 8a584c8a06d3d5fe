"""What commands print of what they read: text as virsh prints it, JSON and YAML."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli_tool import shown
from virtlxc.cli import commands
from virtlxc.cli.output import render
from virtlxc.cli.table import table

UUID = "11111111-2222-4333-8444-555555555555"

DOMAINS = [
    {"id": 4242, "name": "web1", "uuid": UUID, "state": "running", "title": "the front"},
    {"id": None, "name": "a-long-name-that-widens", "uuid": UUID, "state": "shut off",
     "title": ""},
]  # fmt: skip

DOMINFO = {
    "id": 4242, "name": "web1", "uuid": UUID, "os_type": "exe", "state": "running", "cpus": 2,
    "cpu_time_ns": 12_345_678_901, "max_memory_kib": 65536, "used_memory_kib": 712,
    "persistent": True, "autostart": False, "managed_save": None,
    "messages": ["root in this container is root on the host", "a second one"],
}  # fmt: skip

NETWORKS = [
    {"name": "default", "uuid": UUID, "active": True, "autostart": True, "persistent": True},
    {"name": "lab", "uuid": UUID, "active": False, "autostart": None, "persistent": False},
]

LEASE = {
    "interface": "virbr0", "expiry": 1_800_000_000, "protocol": "ipv4",
    "mac": "52:54:00:00:00:01", "iaid": None, "address": "192.168.122.78", "prefix": 24,
    "hostname": "web1", "client": None,
}  # fmt: skip

ADDRESSES = [
    {"interface": "vnet0", "mac": "52:54:00:00:00:01", "addresses": [
        {"protocol": "ipv4", "address": "10.0.0.2", "prefix": 24},
        {"protocol": "ipv6", "address": "fd00::2", "prefix": 64}]},
    {"interface": "vnet1", "mac": None, "addresses": []},
]  # fmt: skip

LINKS = [
    {"interface": "vnet0", "type": "bridge", "source": "br0", "model": None,
     "mac": "52:54:00:00:00:01"},
    {"interface": None, "type": "network", "source": "default", "model": None, "mac": None},
]  # fmt: skip

NODE = {
    "model": "x86_64", "cpus": 8, "mhz": 2400, "sockets": 1, "cores": 4, "threads": 2, "nodes": 1,
    "memory": 16_000_000,
}  # fmt: skip

STATISTICS = [
    {"domain": "web1", "statistics": {"state.state": 1, "flag": True, "part": 0.5}},
    {"domain": "db1", "statistics": {"state.state": 5}},
]

FACTS = [
    {"name": "kernel", "status": "PASS", "text": "6.1", "mend": ""},
    {"name": "dnsmasq", "status": "WARN", "text": "not there", "mend": "apt install dnsmasq"},
]

# file in tests/data/cli, command with its words, what was read
GOLDEN: list[tuple[str, str, Any]] = [
    ("list", "list --all", DOMAINS),
    ("list-none", "list", []),
    ("list-title", "list --title", DOMAINS),
    ("list-name", "list --name", DOMAINS),
    ("list-id", "list --id", DOMAINS),
    ("list-uuid-id-name", "list --name --uuid --id", DOMAINS),
    ("dominfo", "dominfo web1", DOMINFO),
    ("dominfo-off", "dominfo web1", {
        **DOMINFO, "id": None, "cpu_time_ns": 0, "max_memory_kib": None, "persistent": None,
        "autostart": None, "managed_save": True, "messages": [], "security_model": "apparmor",
        "security_doi": "0", "security_label": "lxc-1", "security_enforcing": True}),
    ("domstate", "domstate web1", {"state": "shut off", "reason": "destroyed"}),
    ("domstate-reason", "domstate web1 --reason", {"state": "shut off", "reason": "destroyed"}),
    ("domid", "domid web1", 4242),
    ("domid-none", "domid web1", None),
    ("domifaddr", "domifaddr web1", ADDRESSES),
    ("domifaddr-full", "domifaddr web1 --full", ADDRESSES),
    ("domiflist", "domiflist web1", LINKS),
    ("domifstat", "domifstat web1 vnet0", {"rx_bytes": 1, "tx_bytes": 22}),
    ("domif-getlink", "domif-getlink web1 vnet0", "down"),
    ("dommemstat", "dommemstat web1", {"actual": 65536, "rss": 712}),
    ("domstats", "domstats", STATISTICS),
    ("domcontrol", "domcontrol web1", {"state": 0, "details": 0, "milliseconds": 0}),
    ("domcontrol-busy", "domcontrol web1", {"state": 1, "details": 0, "milliseconds": 1234}),
    ("domcontrol-error", "domcontrol web1", {"state": 3, "details": 2, "milliseconds": 0}),
    ("domblklist", "domblklist web1 --details",
     [{"type": "block", "device": "disk", "target": "sda", "source": None}]),
    ("memtune", "memtune web1", {"hard_limit": 9007199254740991, "soft_limit": 1024}),
    ("cpu-stats", "cpu-stats web1", {
        "note": "", "cpus": {0: {"cpu_time": 1_000_000_001}, 3: {"cpu_time": 5}},
        "total": {"cpu_time": 12_345_678_901, "user_time": 1, "other": 7}}),
    ("vcpucount", "vcpucount web1", {"maximum config": 4, "current live": 2}),
    ("vcpucount-one", "vcpucount web1 --live", 2),
    ("nodeinfo", "nodeinfo", NODE),
    ("nodecpumap", "nodecpumap", {"present": 6, "online": 4, "cpus": [0, 1, 2, 5]}),
    ("nodecpumap-pretty", "nodecpumap --pretty", {"present": 6, "online": 4, "cpus": [0, 1, 2, 5]}),
    ("nodecpustats", "nodecpustats", {"user": 1, "kernel": 2, "idle": 97}),
    ("nodecpustats-percent", "nodecpustats --percent", {"user": 1, "kernel": 2, "idle": 97}),
    ("nodememstats", "nodememstats", {"total": 16_000_000, "free": 8}),
    ("freecell", "freecell", {"cells": {}, "total": 1 << 30}),
    ("freecell-one", "freecell 1", {"cells": {1: 1 << 30}, "total": None}),
    ("freecell-all", "freecell --all", {"cells": {0: 1 << 30, 1: 1 << 20}, "total": 1 << 31}),
    ("net-list", "net-list --all", NETWORKS),
    ("net-list-name", "net-list --name", NETWORKS),
    ("net-info", "net-info default", {**NETWORKS[0], "bridge": "virbr0"}),
    ("net-info-no-bridge", "net-info lab", {**NETWORKS[1], "bridge": None}),
    ("net-dhcp-leases", "net-dhcp-leases default", [LEASE]),
    ("host-validate", "host-validate", FACTS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "line", "data"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_text(
    name: str,
    line: str,
    data: Any,
    golden: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    first, _, others = line.partition(" ")
    command = commands.find(first)
    assert command is not None
    golden(f"cli/{name}.txt", shown(command, others, data))


def test_quiet_leaves_headers_out() -> None:
    command = commands.find("net-list")
    assert command is not None
    assert shown(command, "", NETWORKS[:1], quiet=True) == " default   active   yes   yes\n"


def test_cells_hold_nothing_that_a_terminal_would_obey() -> None:
    assert table(["Name"], [["a\x1b[31m\tb\\x1"]]) == (
        " Name\n-----------------------\n a\\x1b[31m\\x09b\\x5cx1\n"
    )


def test_wide_letters_take_two_places() -> None:
    assert table(["N", "S"], [["日本", "x"], ["e\u0301", "y"]]) == (
        " N      S\n-----------\n 日本   x\n e\u0301      y\n"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_json_comes_back(data: Any) -> None:
    assert json.loads(render(data, "json")) == data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"a": 1, "b": [1, "x y", None]}, 'a: 1\nb:\n  - 1\n  - "x y"\n  - null\n'),
        ([{"name": "web1", "on": True}], '- name: web1\n  "on": true\n'),
        ([[1, 2], []], "- - 1\n  - 2\n- []\n"),
        ({"yes": "no", "n": {}}, '"yes": "no"\n"n": {}\n'),
        ({"empty": "", "id": "007", "v": "1.5", "p": "a/b-c_d"},
         'empty: ""\nid: "007"\nv: "1.5"\np: a/b-c_d\n'),
        ("one", "one\n"),
    ],
)  # fmt: skip
def test_yaml(data: Any, text: str) -> None:
    assert render(data, "yaml") == text
