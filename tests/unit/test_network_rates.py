"""Limits of traffic: from the XML's numbers to a queue, a packet program, and requests."""

from __future__ import annotations

import struct

import pytest

from virtlxc.host.network import rates
from virtlxc.model import Bandwidth
from virtlxc.model.bandwidth import Rate
from virtlxc.runtime import netlink, traffic


def test_inbound_is_in_bytes() -> None:
    made = rates.inbound(Bandwidth(inbound=Rate(average=1000, peak=5000, burst=512)))
    assert made == {"average": 1024000, "peak": 5120000, "burst": 524288}


def test_what_is_left_out_has_sense() -> None:
    made = rates.inbound(Bandwidth(inbound=Rate(average=10000)))
    assert made == {"average": 10240000, "peak": 10240000, "burst": 1024000}
    slow = rates.inbound(Bandwidth(inbound=Rate(average=1)))
    assert slow is not None and slow["burst"] == 65536, "a burst takes the largest packet"


@pytest.mark.parametrize("what", [None, Bandwidth(), Bandwidth(inbound=Rate(peak=5))])
def test_no_average_is_no_limit(what: Bandwidth | None) -> None:
    assert rates.inbound(what) is None
    assert rates.outbound(what) is None


def test_each_direction_has_its_own() -> None:
    both = Bandwidth(inbound=Rate(average=1), outbound=Rate(average=2))
    assert rates.inbound(both) == rates.inbound(Bandwidth(inbound=Rate(average=1)))
    assert rates.outbound(both) == rates.outbound(Bandwidth(outbound=Rate(average=2)))


def test_a_peak_is_a_second_bucket() -> None:
    one = rates.outbound(Bandwidth(outbound=Rate(average=100)))
    two = rates.outbound(Bandwidth(outbound=Rate(average=100, peak=200)))
    assert one is not None and two is not None
    assert (one["size"], two["size"]) == (8, 16)
    assert len(two["insns"]) > len(one["insns"])
    for made in (one, two):
        code = bytes.fromhex(made["insns"])
        assert len(code) % 8 == 0
        (slot,) = made["slots"]
        # The instruction that gets the map: a long constant, told to be a descriptor.
        assert code[slot * 8] == 0x18 and code[slot * 8 + 1] >> 4 == 1


def test_the_largest_rates_fit() -> None:
    most = rates.outbound(Bandwidth(outbound=Rate(average=1 << 30, burst=1 << 30)))
    assert most is not None
    made = traffic.htb_request(5, 1 << 40, 1 << 40, 1 << 40)
    assert struct.pack("=Q", 1 << 40) in made


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset < len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        found.append((kind, data[offset + 16 : offset + length]))
        offset += (length + 3) & ~3
    return found


def test_requests_of_a_queue() -> None:
    queue, one, leaf = _messages(traffic.htb_request(7, 1_000_000, 2_000_000, 500_000))
    assert (queue[0], one[0], leaf[0]) == (
        traffic.RTM_NEWQDISC,
        traffic.RTM_NEWTCLASS,
        traffic.RTM_NEWQDISC,
    )
    assert b"htb\0" in queue[1] and b"htb\0" in one[1] and b"bfifo\0" in leaf[1]
    index, handle, parent = struct.unpack_from("=iII", one[1], 4)
    assert (index, handle, parent) == (7, 0x10001, 0x10000)
    # 500000 bytes at 1000000 a second are half a second, in ticks of 64 ns.
    assert struct.pack("=I", 500_000_000 // 64) in one[1]


def test_requests_of_a_program() -> None:
    place, judge = _messages(traffic.classifier_request(7, 42))
    assert place[0] == traffic.RTM_NEWQDISC and b"clsact\0" in place[1]
    assert judge[0] == traffic.RTM_NEWTFILTER
    assert struct.pack("=HHI", 8, 6, 42) in judge[1], "TCA_BPF_FD"
    assert struct.pack("=HHI", 8, 8, 1) in judge[1], "direct action"


def test_a_macvlan_is_born_in_its_namespace() -> None:
    ((kind, body),) = _messages(
        netlink.macvlan_request(3, "eth0", 9, "bridge", "52:54:00:00:00:01", 1400)
    )
    assert kind == netlink.RTM_NEWLINK
    for attribute, value in (
        (netlink.IFLA_LINK, 3),
        (netlink.IFLA_NET_NS_FD, 9),
        (netlink.IFLA_MTU, 1400),
        (netlink.IFLA_MACVLAN_MODE, 4),
    ):
        assert struct.pack("=HHI", 8, attribute, value) in body
    assert b"macvlan\0" in body and bytes.fromhex("525400000001") in body


def test_a_lent_link_gets_an_index_of_its_own() -> None:
    ((_, body),) = _messages(netlink.set_request(3, up=False, netns_fd=9, new_index=1_000_001))
    assert struct.pack("=HHI", 8, netlink.IFLA_NEW_IFINDEX, 1_000_001) in body
