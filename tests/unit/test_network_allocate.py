"""Free names and subnets, and who holds the taken ones."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtlxc.errors import VirtlxcError
from virtlxc.host.network import allocate
from virtlxc.host.network.facts import NetworkFacts
from virtlxc.model.network import Bridge, Forward, Network, NetworkIp

EMPTY = NetworkFacts()
MAC = "52:54:00:00:00:01"


def network(name: str, bridge: str | None = None, address: str = "") -> Network:
    ips = (NetworkIp(address=address, prefix=24),) if address else ()
    return Network(name=name, uuid=name, bridge=Bridge(name=bridge), ips=ips)


def test_first_bridge_is_libvirts() -> None:
    assert allocate.free_bridge(EMPTY, ()) == "virbr0"


def test_bridge_is_taken_by_links_and_definitions() -> None:
    facts = NetworkFacts(links={"virbr0": MAC, "eth0": MAC})
    assert allocate.free_bridge(facts, [network("a", "virbr1")]) == "virbr2"


def test_bridge_of_another_root_has_its_tag() -> None:
    name = allocate.free_bridge(EMPTY, (), "1a2b")
    assert name == "virbr1a2b-0"
    assert len(name) <= 15


def test_first_subnet_is_libvirts() -> None:
    assert str(allocate.free_subnet(EMPTY, ())) == "192.168.122.0/24"


def test_subnet_is_taken_by_addresses_routes_and_definitions() -> None:
    facts = NetworkFacts(
        addresses=(("eth0", ip_interface("192.168.122.77/25")),),
        routes=(("tun0", ip_network("192.168.123.128/26")),),
    )
    found = allocate.free_subnet(facts, [network("a", address="192.168.124.1")])
    assert str(found) == "192.168.125.0/24"


def test_a_wide_route_moves_on_to_the_next_range() -> None:
    facts = NetworkFacts(routes=(("tun0", ip_network("192.168.0.0/16")),))
    assert str(allocate.free_subnet(facts, ())) == "10.122.122.0/24"


def test_no_free_subnet_names_the_holders() -> None:
    wide = ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12")
    facts = NetworkFacts(routes=tuple(("tun0", ip_network(text)) for text in wide))
    with pytest.raises(VirtlxcError) as caught:
        allocate.free_subnet(facts, ())
    assert caught.value.message == (
        "no free subnet for a new network: 192.168.122-254.0/24, 10.122-254.122.0/24 and "
        "172.16-31.122.0/24 are all taken by the route to 192.168.0.0/16 by interface 'tun0', "
        "the route to 10.0.0.0/8 by interface 'tun0', the route to 172.16.0.0/12 by interface "
        "'tun0' (define the network with an <ip> of its own)"
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(
            lambda pair: ip_network(pair, strict=False)
        ),
        max_size=30,
    )
)
def test_what_is_called_free_overlaps_nothing(taken: list[object]) -> None:
    routes = tuple(("x", subnet) for subnet in taken)
    facts = NetworkFacts(routes=routes)  # type: ignore[arg-type]
    try:
        found = allocate.free_subnet(facts, ())
    except VirtlxcError:
        return
    assert not any(found.overlaps(subnet) for subnet in taken)  # type: ignore[arg-type]


def test_bridge_and_mac_are_filled_in_once() -> None:
    made = allocate.with_bridge(network("a"), EMPTY, (), "", MAC)
    assert (made.bridge.name, made.mac) == ("virbr0", MAC)
    again = allocate.with_bridge(made, EMPTY, (), "", "52:54:00:00:00:02")
    assert again == made


def test_bridge_of_another_definition_is_refused() -> None:
    with pytest.raises(VirtlxcError, match="its bridge 'br1' is that of network 'b'"):
        allocate.with_bridge(network("a", "br1"), EMPTY, [network("b", "br1")], "", MAC)


def test_bridge_of_others_is_left_alone() -> None:
    lan = Network(name="lan", forward=Forward(mode="bridge"), bridge=Bridge(name="br0"))
    assert allocate.with_bridge(lan, EMPTY, [network("b", "br0")], "", MAC) == lan


TAKEN = [
    (
        NetworkFacts(
            links={"virbr0": MAC},
            bridges=frozenset({"virbr0"}),
            addresses=(("virbr0", ip_interface("192.168.122.1/24")),),
        ),
        (),
        "cannot start network 'a': create bridge 'virbr0': the name is taken by a bridge with the "
        "address 192.168.122.1/24 (remove that one, or give the network another bridge: virtlxc "
        "net-edit a)",
    ),
    (
        NetworkFacts(links={"virbr0": MAC}),
        (),
        "cannot start network 'a': create bridge 'virbr0': the name is taken by a network "
        "interface without address (remove that one, or give the network another bridge: virtlxc "
        "net-edit a)",
    ),
    (
        NetworkFacts(addresses=(("eth0", ip_interface("192.168.122.9/24")),)),
        (),
        "cannot start network 'a': give 'virbr0' its address: the subnet 192.168.122.0/24 is taken "
        "by interface 'eth0' (192.168.122.9/24) (choose another: virtlxc net-edit a)",
    ),
    (
        EMPTY,
        (network("b", "virbr1", "192.168.122.7"),),
        "cannot start network 'a': give 'virbr0' its address: the subnet 192.168.122.0/24 is taken "
        "by network 'b' (192.168.122.0/24) (choose another: virtlxc net-edit a)",
    ),
]


@pytest.mark.parametrize(("facts", "active", "message"), TAKEN)
def test_taken_at_start(facts: NetworkFacts, active: tuple[Network, ...], message: str) -> None:
    with pytest.raises(VirtlxcError) as caught:
        allocate.check_free(network("a", "virbr0", "192.168.122.1"), facts, active)
    assert caught.value.message == message


def test_default_ip_gives_all_other_addresses_to_guests() -> None:
    ip = allocate.default_ip(ip_network("192.168.130.0/24"))
    assert (ip.address, ip.netmask) == ("192.168.130.1", "255.255.255.0")
    assert [(pool.start, pool.end) for pool in ip.ranges] == [("192.168.130.2", "192.168.130.254")]
