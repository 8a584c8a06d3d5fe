"""Requests as bytes; the expected ones were checked against the kernel and pyroute2's decoder."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from virtlxc.runtime import netlink


def messages(data: bytes) -> list[bytes]:
    found = []
    while data:
        (length,) = struct.unpack_from("=I", data)
        found.append(data[:length])
        data = data[length:]
    return found


def decode(kind: type[Any], data: bytes) -> dict[str, Any]:
    message = kind(data)
    message.decode()
    fields = {key: value for key, value in message.items() if key not in ("attrs", "header")}
    return {**fields, **dict(tuple(row)[:2] for row in message["attrs"])}


def test_an_attribute_is_padded() -> None:
    assert netlink.attribute(3, b"lo\0") == b"\x07\x00\x03\x00lo\x00\x00"


def test_golden_bytes() -> None:
    veth = netlink.veth_request(
        "vnet0", "fe:00:00:00:00:01", "eth0", 9, "52:54:00:00:00:01", 1400, 3
    )
    assert veth.hex() == (
        # create: name, address, mtu; veth { peer { name, namespace, mtu, address } }
        "90000000100005060000000000000000" "00000000000000000000000000000000"
        "0a000300766e6574300000000a000100fe000000000100000800040078050000"
        "50001280" "0900010076657468" "00000000" "40000280" "3c000180"
        "00000000000000000000000000000000" "09000300657468300000000008001c0009000000"
        "08000400780500000a00010052540000" "00010000"
        # set: up, name, master, no link-local address of its own
        "44000000130005000000000000000000" "00000000000000000100000001000000"
        "0a000300766e65743000000008000a00" "0300000010001a800c000a80" "0500080001000000"
    )  # fmt: skip
    assert netlink.address_request(2, "10.0.0.2", 24).hex() == (
        "28000000140005060000000000000000" "0218000002000000" "080002000a000002080001000a000002"
    )  # fmt: skip
    assert netlink.route_request("0.0.0.0", 0, "10.0.0.1", metric=7).hex() == (
        "2c000000180005060000000000000000" "02000000fe04000100000000"
        "080005000a0000010800060007000000"
    )  # fmt: skip


def test_a_veth_decodes_to_what_was_asked() -> None:
    request = netlink.veth_request(
        "vnet0", "fe:00:00:00:00:01", "eth0", 9, "52:54:00:00:00:01", 1400, 3
    )
    create, settings = messages(request)
    row = decode(ifinfmsg, create)
    assert row["IFLA_IFNAME"] == "vnet0"
    assert row["IFLA_ADDRESS"] == "fe:00:00:00:00:01"
    assert row["IFLA_MTU"] == 1400
    row = decode(ifinfmsg, settings)
    assert (row["IFLA_IFNAME"], row["IFLA_MASTER"], row["flags"]) == ("vnet0", 3, 1)


def test_addresses() -> None:
    row = decode(ifaddrmsg, netlink.address_request(2, "10.0.0.2", 24))
    assert (row["index"], row["prefixlen"]) == (2, 24)
    assert row["IFA_LOCAL"] == row["IFA_ADDRESS"] == "10.0.0.2"
    row = decode(ifaddrmsg, netlink.address_request(2, "10.0.0.2", 32, "10.0.0.1"))
    assert (row["IFA_LOCAL"], row["IFA_ADDRESS"]) == ("10.0.0.2", "10.0.0.1")
    row = decode(ifaddrmsg, netlink.address_request(2, "fd00::2", 64))
    assert row["IFA_ADDRESS"] == "fd00::2"
    assert row["flags"] == netlink.IFA_F_NODAD


def test_routes() -> None:
    row = decode(rtmsg, netlink.route_request("0.0.0.0", 0, "10.0.0.1", metric=7))
    assert (row["RTA_GATEWAY"], row["RTA_PRIORITY"]) == ("10.0.0.1", 7)
    assert "RTA_DST" not in row
    row = decode(rtmsg, netlink.route_request("10.1.0.0", 16, index=4))
    assert (row["RTA_DST"], row["dst_len"], row["RTA_OIF"]) == ("10.1.0.0", 16, 4)
    assert row["scope"] == netlink.RT_SCOPE_LINK


def test_aside_takes_down_before_it_renames() -> None:
    down, rename = messages(netlink.aside_request(7, "vx1"))
    row = decode(ifinfmsg, down)
    assert (row["index"], row["flags"], row["change"], row["IFLA_MASTER"]) == (7, 0, 1, 0)
    row = decode(ifinfmsg, rename)
    assert (row["change"], row["IFLA_IFNAME"]) == (0, "vx1")


@pytest.mark.parametrize("address", ["10.0.0.300", "", "fe80::%eth0"])
def test_an_address_that_is_none_is_an_error(address: str) -> None:
    with pytest.raises(OSError, match="illegal IP address"):
        netlink.address_request(2, address, 24)
